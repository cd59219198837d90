"""Hints for drawn pairs: SGBM really run, sparse points, results from before, and wrong ones.

What a network learns to trust is decided here. SGBM errs on drawn pairs as on real ones if they
are textured alike; see the card. Wrong hints are right ones of the wrong place or time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.hints import (
    UNKNOWN_PX,
    nothing_known,
    sparse_hint,
)
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.scenes.layered.samples import Batch
from depth_ros.tasks.stereo.hints import SPECKLE_PX, SgbmHints
from depth_ros.tasks.stereo.previous_hints import PREVIOUS_TRUST

Rng = np.random.Generator
SHARES = {
    'none': 0.24,
    'sgbm': 0.50,
    'points': 0.05,
    'previous': 0.06,
    'shifted': 0.02,
    'other': 0.01,
    'moved': 0.09,
    'stale': 0.03,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HintSettings:
    """Which hints samples get.

    Attributes:
        shares: Chance of each kind; they add up to 1.
        max_disparity: Width of SGBM's search, px.
        worse: Share of the pairs that the network sees with more noise and less contrast than SGBM
            did: on drawn pairs it errs more seldom than on real ones, and SGBM does not.
    """

    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    max_disparity: int = 144
    worse: float = 0.0


class HintMaker:
    """Gives hints to samples; the matchers are made once."""

    def __init__(self, settings: HintSettings) -> None:
        self.settings = settings
        matcher = SgbmModel(SgbmSettings(num_disparities=settings.max_disparity))
        self._matchers = [SgbmHints(model=matcher, speckle_px=size) for size in (SPECKLE_PX, 0)]

    def hint(self, rng: Rng, sample: Batch, kind: str = '') -> DisparityHint:
        """Return a hint of a drawn kind, or of the one named, for a sample without batch axis."""
        kinds, shares = list(self.settings.shares), list(self.settings.shares.values())
        kind = kind or kinds[int(rng.choice(len(kinds), p=shares))]
        if kind == 'none':
            return nothing_known(sample.disparity.shape)
        if kind in MADE_OF_TRUTH:
            return MADE_OF_TRUTH[kind](rng, sample)
        matched = self._matched(rng, sample)
        return matched if kind == 'sgbm' else SPOILED[kind](rng, matched)

    def _matched(self, rng: Rng, sample: Batch) -> DisparityHint:
        is_raw = rng.random() < 0.1
        return self._matchers[int(is_raw)].hint(unscaled_pair(sample.left, sample.right))


def worsened(rng: Rng, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the images of a pair with less contrast, blurred or not, and with noise.

    Args:
        rng: Where draws come from; the same for both images but for the noise.
        images: (H, W, 3) uint8.
    """
    contrast, sigma = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.4, 1.2))
    is_blurred = rng.random() < 0.5
    noise = float(np.exp(rng.uniform(np.log(1.0), np.log(8.0))))
    found = []
    for image in images:
        spoiled = 128.0 + contrast * (image.astype(np.float32) - 128.0)
        spoiled = cv2.GaussianBlur(spoiled, (0, 0), sigma) if is_blurred else spoiled
        spoiled = spoiled + noise * rng.standard_normal(image.shape, dtype=np.float32)
        found.append(np.clip(spoiled + 0.5, 0.0, 255.0).astype(np.uint8))
    return found


def hint_planes(hint: DisparityHint) -> np.ndarray:
    """Return (2, H, W) float32: disparity, below 0 where unknown, and trust."""
    known = np.isfinite(hint.disparity) & (hint.disparity >= 0)
    disparity = np.where(known, hint.disparity, UNKNOWN_PX)
    return np.stack((disparity, np.where(known, hint.trust, 0.0))).astype(np.float32)


def unscaled_pair(left: np.ndarray, right: np.ndarray) -> RectifiedStereo:
    """Wrap images with a dummy calibration, which does not affect disparity."""
    height, width = left.shape[:2]
    numbers = {'fx': 500.0, 'fy': 500.0, 'cx': width / 2, 'cy': height / 2}
    size = {'height': height, 'width': width}
    cameras = ideal_camera(**numbers, **size), ideal_camera(**numbers, **size, tx=-50.0)
    return RectifiedStereo(left=left, right=right, camera=stereo_camera(*cameras))


def _points(rng: Rng, sample: Batch) -> DisparityHint:
    """Measure the truth at scan lines or at random points, a few of them wrong, and spread it."""
    truth = sample.disparity
    height, width = truth.shape
    picked = rng.random(truth.shape) < float(np.exp(rng.uniform(np.log(0.002), np.log(0.05))))
    if rng.random() < 0.6:
        step = int(rng.integers(2, 9))
        rows = np.zeros((height, 1), bool)
        rows[int(rng.integers(step)) :: step] = True
        picked = rows & (rng.random(truth.shape) < rng.uniform(0.1, 0.5))
    values = truth + rng.normal(0.0, rng.uniform(0.02, 0.4), truth.shape)
    # What one sensor sees beside an edge, the other sees behind it.
    shifts = rng.integers(-3, 4, truth.shape)
    strayed = rng.random(truth.shape) < rng.uniform(0.0, 0.15)
    columns = np.clip(np.arange(width) + np.where(strayed, shifts, 0), 0, width - 1)
    values = np.take_along_axis(values, columns, 1)
    sparse = np.where(picked & (values > 0), values, np.nan).astype(np.float32)
    return sparse_hint(sparse, reach_px=float(rng.uniform(6.0, 16.0)))


def _previous(rng: Rng, sample: Batch) -> DisparityHint:
    """Spoil the truth as a network's earlier result is: soft edges, waves, blots, gaps."""
    shape = sample.disparity.shape
    disparity = sample.disparity + rng.uniform(0.1, 0.7) * _waves(rng, shape)
    size = int(rng.choice((1, 3, 5)))
    if size > 1:
        grown = cv2.dilate(disparity, np.ones((size, size), np.uint8))
        disparity = np.where(_waves(rng, shape) > 0.3, grown, disparity)
    disparity = np.where(_waves(rng, shape) > 2.2, disparity + rng.normal(0.0, 8.0), disparity)
    moved = _moved(disparity.astype(np.float32), rng.normal(0.0, 0.7, 2))
    unknown = sample.is_occluded & (rng.random() < 0.5)
    unknown |= _waves(rng, shape) > rng.uniform(1.0, 3.0)
    known = ~unknown & (moved > 0)
    return DisparityHint(
        disparity=np.where(known, moved, np.float32(np.nan)),
        trust=np.where(known, PREVIOUS_TRUST, np.float32(0)),
    )


def _shifted(rng: Rng, hint: DisparityHint) -> DisparityHint:
    """Add the same to every disparity, as a wrong offset or calibration does."""
    shift = float(rng.choice((-1.0, 1.0)) * np.exp(rng.uniform(np.log(2.0), np.log(16.0))))
    return DisparityHint(disparity=hint.disparity + np.float32(shift), trust=hint.trust)


def _with_moved_object(rng: Rng, hint: DisparityHint) -> DisparityHint:
    """Put a piece of the hint elsewhere, nearer or farther: an object that has moved since."""
    height, width = hint.disparity.shape
    disparity, trust = hint.disparity.copy(), hint.trust.copy()
    for _ in range(int(rng.integers(1, 4))):
        rows, columns = (int(rng.integers(length // 8, length // 2)) for length in (height, width))
        y, x = int(rng.integers(height - rows)), int(rng.integers(width - columns))
        to_y, to_x = int(rng.integers(height - rows)), int(rng.integers(width - columns))
        source = (slice(y, y + rows), slice(x, x + columns))
        target = (slice(to_y, to_y + rows), slice(to_x, to_x + columns))
        offset = np.float32(rng.normal(0.0, 6.0))
        disparity[target] = hint.disparity[source] + offset
        trust[target] = hint.trust[source]
    return DisparityHint(disparity=disparity, trust=trust)


def _stale(rng: Rng, hint: DisparityHint) -> DisparityHint:
    """Move the whole hint across the image, as if the camera had turned since."""
    shift = rng.normal(0.0, 12.0, 2)
    planes = [_moved(plane, shift) for plane in (hint.disparity, hint.trust)]
    return DisparityHint(disparity=planes[0], trust=planes[1])


def _other(rng: Rng, hint: DisparityHint) -> DisparityHint:
    """Turn the hint upside down and change its scale: it is of no scene that the images show."""
    scale = np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    return DisparityHint(
        disparity=np.ascontiguousarray(hint.disparity[::-1] * scale),
        trust=np.ascontiguousarray(hint.trust[::-1]),
    )


def _moved(plane: np.ndarray, shift: np.ndarray) -> np.ndarray:
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    size = (plane.shape[1], plane.shape[0])
    flags = {'flags': cv2.INTER_NEAREST, 'borderMode': cv2.BORDER_REPLICATE}
    return np.asarray(cv2.warpAffine(plane, matrix, size, **flags))


def _waves(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    """Draw smooth noise of unit deviation, (H, W) float32."""
    cell = int(rng.integers(6, 30))
    coarse = rng.standard_normal((2 + shape[0] // cell, 2 + shape[1] // cell))
    smooth = cv2.resize(
        coarse.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(smooth)


MADE_OF_TRUTH: dict[str, Callable[[Rng, Batch], DisparityHint]] = {
    'points': _points,
    'previous': _previous,
}
SPOILED: dict[str, Callable[[Rng, DisparityHint], DisparityHint]] = {
    'shifted': _shifted,
    'other': _other,
    'moved': _with_moved_object,
    'stale': _stale,
}
