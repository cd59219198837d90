"""Request and reply of the matching service, independent of messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.frames import ImagePair
from depth_ros.geometry.two_view import TwoViewGeometry
from depth_ros.results import MatchResult

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
        model: Model that matched.
        stages_s: Wall seconds by stage.
    """

    question: MatchQuestion[TicketT]
    result: MatchResult
    geometry: TwoViewGeometry
    num_found: int
    model: str
    stages_s: Mapping[str, float]

    @property
    def points_first(self) -> np.ndarray:
        """``(N, 2)`` float32 (x, y) in the first image."""
        return self.result.points_first

    @property
    def points_second(self) -> np.ndarray:
        """``(N, 2)`` float32 (x, y) in the second image."""
        return self.result.points_second

    @property
    def confidence(self) -> np.ndarray:
        """``(N,)`` float32 in 0..1, descending."""
        return self.result.confidence

    @property
    def valid_fraction(self) -> float:
        """Share of the matches that are inliers, 0..1; 0 without matches."""
        return self.geometry.num_inliers / max(1, len(self.result.confidence))
