"""What the matching service answers: matches, which of them hold, and what the views say.

Joins ``matching`` and ``two_view``; the node and its tests run it without messages.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from depth_ros.camera import PinholeCamera
from depth_ros.engines.progress import Progress
from depth_ros.frames import ImagePair
from depth_ros.geometry.two_view import TwoViewGeometry, TwoViewSettings, estimate_two_view
from depth_ros.results import MatchResult
from depth_ros.tasks.matching.matcher import Matcher, open_matcher
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tasks.pipeline import Identity, identity_of

TicketT = TypeVar('TicketT')


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchQuestion(Generic[TicketT]):
    """Two images to match, and how.

    Attributes:
        pair: The images and where matches may lie.
        first_camera: Calibration of the first image (K and D are read), or None.
        second_camera: Calibration of the second. It counts only together with the first one's.
        max_matches: Best matches to give; None leaves it to the matcher's settings.
        min_confidence: Matches at or below it are dropped; None leaves it to the settings.
        ticket: Whatever the asker wants to find again in the answer.
    """

    pair: ImagePair
    first_camera: PinholeCamera | None = None
    second_camera: PinholeCamera | None = None
    max_matches: int | None = None
    min_confidence: float | None = None
    ticket: TicketT


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchAnswer(Generic[TicketT]):
    """One pair's answer.

    Attributes:
        question: What was asked.
        result: Matches in pixels of the original images, most confident first.
        geometry: Inliers and what two views say about each other.
        num_found: Matches there were before ``max_matches`` cut them.
        model: Who matched.
        stages_s: Wall seconds by stage.
    """

    question: MatchQuestion[TicketT]
    result: MatchResult
    geometry: TwoViewGeometry
    num_found: int
    model: str
    stages_s: Mapping[str, float]

    @property
    def valid_fraction(self) -> float:
        """Share of the matches that hold, 0..1; 0 without matches."""
        return self.geometry.num_inliers / max(1, len(self.result.confidence))


class MatchProcessor:
    """A matcher that also says which matches hold; one worker thread owns it."""

    def __init__(self, matcher: Matcher) -> None:
        """Take ownership of the matcher."""
        self._matcher = matcher

    @property
    def settings(self) -> MatchSettings:
        """What it runs on."""
        return self._matcher.settings

    @property
    def identity(self) -> Identity:
        """Model, engine, precision and size in words."""
        return identity_of(self._matcher.pipeline, self.settings.frontend)

    def describe(self) -> str:
        """Say model and engines in one line."""
        return self._matcher.describe()

    def set_settings(self, settings: MatchSettings) -> None:
        """Take over settings of the same ``pipeline_key``."""
        self._matcher.set_settings(settings)

    def process(
        self, question: MatchQuestion[TicketT], *, wanted: object = None
    ) -> MatchAnswer[TicketT]:
        """Match a pair and judge the matches.

        Args:
            question: What to match.
            wanted: Not read: everything is always wanted.

        Raises:
            ImageError: If an image or a mask cannot be used.
            ParameterError: If a limit is refused.
            EngineError: If the runtime fails.
        """
        output = self._matcher.match(
            question.pair,
            max_matches=question.max_matches,
            min_confidence=question.min_confidence,
        )
        started = time.perf_counter()
        has_cameras = question.first_camera is not None and question.second_camera is not None
        geometry = estimate_two_view(
            output.result,
            first_camera=question.first_camera if has_cameras else None,
            second_camera=question.second_camera if has_cameras else None,
            settings=TwoViewSettings(threshold_px=self.settings.inlier_threshold_px),
        )
        stages = {**output.stages_s, 'geometry': time.perf_counter() - started}
        return MatchAnswer(
            question=question,
            result=output.result,
            geometry=geometry,
            num_found=output.num_found,
            model=self.settings.frontend,
            stages_s=MappingProxyType(stages),
        )

    def close(self) -> None:
        """Close the engines."""
        self._matcher.close()


def open_match_processor(
    settings: MatchSettings, *, progress: Progress | None = None
) -> MatchProcessor:
    """Open a matcher for the service; arguments and errors as ``open_matcher``."""
    return MatchProcessor(open_matcher(settings, progress=progress))
