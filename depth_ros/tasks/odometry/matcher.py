"""What odometry needs of a matcher."""

from __future__ import annotations

from typing import Protocol

from depth_ros.frames import ImagePair
from depth_ros.tasks.matching.matcher import MatchOutput


class PairMatcher(Protocol):
    """Matches two images; ``depth_ros.tasks.matching.matcher.Matcher`` is one."""

    def match(self, pair: ImagePair) -> MatchOutput:
        """Match one pair."""

    def close(self) -> None:
        """Close the engines."""
