"""Rectified pairs with true disparity that stereo is judged on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.evaluation.data_sets import DataSet
from depth_ros.files.image import read_rgb
from depth_ros.files.maps import read_disparity

OCCLUSION_STEP_PX = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EvaluationPair:
    """A rectified pair with truth.

    Attributes:
        name: For tables.
        left: (H, W, 3) uint8 RGB.
        right: The same.
        truth: (H, W) px, NaN unknown.
        num_disparities: Search width of SGBM.
    """

    name: str
    left: np.ndarray
    right: np.ndarray
    truth: np.ndarray
    num_disparities: int


def motorcycle(folder: Path) -> Iterator[EvaluationPair]:
    """Read Middlebury 2014's Motorcycle at a quarter of its size, and at half of that.

    Raises:
        InputError: If a file is missing or damaged.
    """
    pair = EvaluationPair(
        name='motorcycle',
        left=read_rgb(folder / 'motorcycle_left.png'),
        right=read_rgb(folder / 'motorcycle_right.png'),
        truth=read_disparity(folder / 'motorcycle_disp.npz'),
        num_disparities=64,
    )
    yield pair
    yield halved(pair)


def aloe(folder: Path) -> Iterator[EvaluationPair]:
    """Read Middlebury 2006's Aloe, and give it at a half and a quarter of its size.

    Raises:
        InputError: If a file is missing or damaged.
    """
    grey = read_rgb(folder / 'aloeGT.png')[..., 0].astype(np.float32)
    whole = EvaluationPair(
        name='aloe',
        left=read_rgb(folder / 'aloeL.jpg'),
        right=read_rgb(folder / 'aloeR.jpg'),
        truth=np.where(grey > 0, grey, np.nan),
        num_disparities=224,
    )
    half = halved(whole)
    yield half
    yield halved(half)


STEREO_SETS: dict[str, DataSet[EvaluationPair]] = {
    'motorcycle': DataSet(folder='middlebury_motorcycle', load=motorcycle),
    'aloe': DataSet(folder='opencv_aloe', load=aloe),
}
"""Every set by name."""


def halved(pair: EvaluationPair) -> EvaluationPair:
    """Halve a pair: images averaged, truth picked from every second pixel and halved."""
    height, width = (size // 2 for size in pair.truth.shape)
    images = [
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        for image in (pair.left, pair.right)
    ]
    return EvaluationPair(
        name=f'{pair.name}/2' if '/' not in pair.name else f'{pair.name[:-1]}4',
        left=images[0],
        right=images[1],
        truth=pair.truth[: 2 * height : 2, : 2 * width : 2] / 2.0,
        num_disparities=max(16, pair.num_disparities // 2 // 16 * 16),
    )


def visible_mask(truth: np.ndarray) -> np.ndarray:
    """Return which pixels the other camera sees, from the left truth alone, (H, W) bool.

    A pixel is hidden where another one with a larger disparity falls on the same column of the
    right image, or where its match lies outside.
    """
    height, width = truth.shape
    known = np.where(np.isfinite(truth), truth, -np.inf)
    columns = np.round(np.arange(width) - np.where(np.isfinite(truth), truth, 0.0)).astype(int)
    inside = (columns >= 0) & np.isfinite(truth)
    nearest = np.full((height, width), -np.inf)
    rows = np.broadcast_to(np.arange(height)[:, None], truth.shape)
    np.maximum.at(nearest, (rows[inside], columns[inside]), known[inside])
    seen = nearest[rows, np.clip(columns, 0, width - 1)]
    return inside & (known >= seen - OCCLUSION_STEP_PX)
