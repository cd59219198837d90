"""Figures of one frame, for the table and the report; they depend on the frame alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.pair_check import MIN_MATCHES, examine_pair
from depth_ros.recordings.depth_frame import DepthFrame

DARK, BRIGHT = 8, 247
"""Grey values below and above which a pixel says nothing."""
DIGITS = 5
NUM_SORTED = 2_500
"""Percentiles are those of a grid of about so many pixels: sorting all costs more than it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameFigures:
    """One line of the table; None is unknown.

    Attributes:
        task: Task that made the frame.
        stamp_ns: Stamp of the input.
        log_ns: Its time of recording.
        known: Share of pixels whose depth is known; None where the job asks for none.
        depth_p5_m: 5th percentile of finite depth on a grid (relative depth has none: None).
        depth_p50_m: Median.
        depth_p95_m: 95th percentile.
        brightness: Mean grey value, 0..255.
        dark: Share of pixels darker than ``DARK``.
        saturated: Share of pixels brighter than ``BRIGHT``.
        sharpness: Variance of the Laplacian of the grey image.
        consistency: Mean left-right confidence, where it was computed.
        row_error_px: Median row difference of matched corners of a pair, without its sign.
        row_spread_px: Median distance of the row differences from their median.
        wrong_sign: Share of matches behind infinity; near 1 where left and right are swapped.
        flicker: Median relative change of depth since the frame before that the motion of the
            camera does not explain, where it was measured.
        num_inliers: Matches that agree with the pose, of odometry.
    """

    task: str
    stamp_ns: int
    log_ns: int
    known: float | None
    depth_p5_m: float | None = None
    depth_p50_m: float | None = None
    depth_p95_m: float | None = None
    brightness: float
    dark: float
    saturated: float
    sharpness: float
    consistency: float | None = None
    row_error_px: float | None = None
    row_spread_px: float | None = None
    wrong_sign: float | None = None
    flicker: float | None = None
    num_inliers: int | None = None

    def record(self) -> dict[str, object]:
        """Return the fields by name, rounded: what is written must not depend on the last bit."""
        return {
            name: round(value, DIGITS) if isinstance(value, float) else value
            for name, value in _by_name(self).items()
        }


COLUMNS = tuple(entry.name for entry in fields(FrameFigures))


def figures_of(
    frame: DepthFrame,
    *,
    task: str,
    log_ns: int,
    pair: RectifiedStereo | None = None,
    flicker: float | None = None,
) -> FrameFigures:
    """Return the figures of a frame.

    Args:
        frame: What a task found out.
        task: Its name.
        log_ns: Time of recording of the input.
        pair: The rectified pair, where its rows are to be measured.
        flicker: Change since the frame before, where it was measured.
    """
    best = frame.depth if frame.depth is not None else frame.relative
    known = None if best is None else float(np.isfinite(best).mean())
    low, middle, high = _percentiles(frame.depth)
    error, spread, wrong = _rows(pair)
    confidence = frame.confidence
    return FrameFigures(
        task=task,
        stamp_ns=frame.stamp_ns,
        log_ns=log_ns,
        known=known,
        depth_p5_m=low,
        depth_p50_m=middle,
        depth_p95_m=high,
        **_by_name(_look_of(frame.image)),
        consistency=None if confidence is None else float(confidence.mean()),
        row_error_px=error,
        row_spread_px=spread,
        wrong_sign=wrong,
        flicker=flicker,
    )


def figures_of_image(
    image: np.ndarray, *, task: str, stamp_ns: int, log_ns: int, num_inliers: int
) -> FrameFigures:
    """Return the figures of a frame that has a pose and no depth; ``(H, W, 3)`` uint8 RGB."""
    return FrameFigures(
        task=task,
        stamp_ns=stamp_ns,
        log_ns=log_ns,
        known=None,
        num_inliers=num_inliers,
        **_by_name(_look_of(image)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What an image looks like; fields as in ``FrameFigures``."""

    brightness: float
    dark: float
    saturated: float
    sharpness: float


def _look_of(image: np.ndarray) -> _Look:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return _Look(
        brightness=cv2.mean(grey)[0],
        dark=np.count_nonzero(grey < DARK) / grey.size,
        saturated=np.count_nonzero(grey > BRIGHT) / grey.size,
        sharpness=float(deviation[0, 0]) ** 2,
    )


def _by_name(values: FrameFigures | _Look) -> dict[str, Any]:
    """Return the fields by name; ``dataclasses.asdict`` copies deeply, which takes half a ms."""
    return {entry.name: getattr(values, entry.name) for entry in fields(values)}


def _percentiles(depth: np.ndarray | None) -> tuple[float | None, float | None, float | None]:
    if depth is None:
        return (None, None, None)
    step = max(1, int(np.sqrt(depth.size / NUM_SORTED)))
    some = depth[::step, ::step]
    finite = some[np.isfinite(some)]
    if not finite.size:
        return (None, None, None)
    # Linear between neighbours, as np.percentile does with many times the overhead.
    places = np.array([0.05, 0.50, 0.95]) * (finite.size - 1)
    low, middle, high = np.interp(places, np.arange(finite.size), np.sort(finite))
    return (float(low), float(middle), float(high))


def _rows(pair: RectifiedStereo | None) -> tuple[float | None, float | None, float | None]:
    if pair is None:
        return (None, None, None)
    evidence = examine_pair(pair)
    if evidence.num_matches < MIN_MATCHES:
        return (None, None, None)
    return (abs(evidence.row_offset_px), evidence.row_spread_px, evidence.wrong_sign)
