"""The rig's rectified pairs at the size they are learnt at, some of them held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.errors import InputError
from depth_ros.frames import StereoFrame
from depth_ros.geometry.preprocess import Fit, fit_size, mirrored_map, place_image
from depth_ros.geometry.rectify import RectifierCache

MIN_PAIRS = 8
BLOCKS, HELD_OUT_BLOCKS = 10, (3, 8)
"""A recording is cut into ten stretches of time; these two are held out."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RigPair:
    """One rectified pair.

    Attributes:
        left: (H, W, 3) uint8 RGB.
        right: The same.
        covered: (H, W) bool, False where the left image shows nothing.
    """

    left: np.ndarray
    right: np.ndarray
    covered: np.ndarray

    def mirrored(self) -> RigPair:
        """Return the mirrored pair with the cameras swapped.

        What the right image does not cover is not known and taken as that of the left.
        """
        return RigPair(
            left=mirrored_map(self.right),
            right=mirrored_map(self.left),
            covered=mirrored_map(self.covered),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PairSplit:
    """Pairs to learn from and pairs to judge by, from different stretches of time."""

    train: Sequence[RigPair]
    held_out: Sequence[RigPair]


def rectified_pairs(
    frames: Iterable[StereoFrame], size: tuple[int, int], *, baseline_m: float | None = None
) -> Iterator[RigPair]:
    """Rectify frames and bring them to ``size`` (height, width), as an engine of that size does.

    Raises:
        CalibrationError: If the two cameras do not make a rig.
    """
    rectifiers = RectifierCache()
    for frame in frames:
        rectifier = rectifiers.of_rig(
            frame.left.camera,
            frame.right.camera,
            baseline_m=baseline_m or 0.0,
            is_rectified=frame.right.is_rectified,
        )
        pair = rectifier.rectify(frame)
        covered = rectifier.covered_in(frame)
        placement = fit_size(pair.left.shape[:2], size, fit=Fit.RESIZE)  # type: ignore[arg-type]
        yield RigPair(
            left=place_image(pair.left, placement),
            right=place_image(pair.right, placement),
            covered=np.ones(size, bool) if covered is None else _resized_mask(covered, size),
        )


def evenly(count: int, wanted: int) -> list[int]:
    """Choose ``wanted`` of ``count`` numbers from 0, evenly, or all if there are fewer."""
    if count <= wanted:
        return list(range(count))
    return [index * count // wanted for index in range(wanted)]


def split_pairs(pairs: Sequence[RigPair]) -> PairSplit:
    """Hold two stretches of the recording out.

    Raises:
        InputError: If there are too few pairs, reason ``'too_few'``.
    """
    count = len(pairs)
    if count < MIN_PAIRS:
        raise InputError(
            'too_few',
            f'expected {MIN_PAIRS} or more pairs to learn from and to judge by, got {count}; '
            'record the rig for longer, from more places',
        )
    is_held_out = [index * BLOCKS // count in HELD_OUT_BLOCKS for index in range(count)]
    if not any(is_held_out):
        is_held_out[-1] = True
    return PairSplit(
        train=[pair for pair, held in zip(pairs, is_held_out, strict=True) if not held],
        held_out=[pair for pair, held in zip(pairs, is_held_out, strict=True) if held],
    )


def _resized_mask(covered: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    shares = cv2.resize(
        covered.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA
    )
    return np.asarray(shares > 0.99)
