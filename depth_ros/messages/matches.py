"""Matches of two images as ``depth_ros_interfaces/Matches``."""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np

from depth_ros.geometry.two_view import TwoViewGeometry
from depth_ros.results import MatchResult


class MatchesMessage(Protocol):
    """Fields of ``depth_ros_interfaces/Matches`` beside its headers and sizes."""

    first_points: array[float]
    second_points: array[float]
    confidences: array[float]
    inliers: list[bool]
    num_found: int
    model: str


class FoundMatches(Protocol):
    """What a matcher found."""

    @property
    def result(self) -> MatchResult:
        """Matches."""

    @property
    def geometry(self) -> TwoViewGeometry:
        """Which of them are inliers."""

    @property
    def num_found(self) -> int:
        """Matches there were before a limit cut them."""

    @property
    def model(self) -> str:
        """Who matched."""


def fill_matches(message: MatchesMessage, matched: FoundMatches) -> None:
    """Set points, confidences and inliers; headers and sizes are the caller's."""
    result = matched.result
    _set_floats(message.first_points, result.points_first)
    _set_floats(message.second_points, result.points_second)
    _set_floats(message.confidences, result.confidence)
    message.inliers = matched.geometry.inliers.tolist()
    message.num_found = matched.num_found
    message.model = matched.model


def points_of(values: array[float]) -> np.ndarray:
    """Return ``(N, 2)`` float32 points of a message's field, owned by the caller."""
    return np.array(values, np.float32).reshape(-1, 2)


def _set_floats(target: array[float], values: np.ndarray) -> None:
    """Copy into the message's own array, past the setter that checks every element."""
    del target[:]
    if values.size:
        target.frombytes(np.ascontiguousarray(values, np.float32).data.cast('B'))
