"""Semi-global block matching (Hirschmüller 2008) by OpenCV: a matcher without weights.

OpenCV leaves the first ``min_disparity + num_disparities`` columns unknown, because part of the
search range falls outside the right image there: a tenth to a fifth of a usual image. Here both
images are padded by that much, so that every column is searched as far as the image reaches, and
whatever was matched with padding is unknown again.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.frames import RectifiedStereo
from depth_ros.models.base import Engines, Prepared
from depth_ros.models.sgbm.settings import SgbmMode, SgbmSettings
from depth_ros.results import DisparityResult
from depth_ros.tensors import Tensors

STEPS_PER_PIXEL = 16
"""OpenCV's disparities are int16 in sixteenths of a pixel."""


_OPENCV_MODES: dict[SgbmMode, int] = {
    SgbmMode.THREE_WAY: cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    SgbmMode.FIVE_WAY: cv2.STEREO_SGBM_MODE_SGBM,
    SgbmMode.EIGHT_WAY: cv2.STEREO_SGBM_MODE_HH,
    SgbmMode.FOUR_WAY: cv2.STEREO_SGBM_MODE_HH4,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Padding:
    """Columns added so that the whole search range exists for every column.

    Attributes:
        left: Columns added on the left of both images.
        right: Columns added on the right, for negative disparities.
    """

    left: int
    right: int


class SgbmModel:
    """Classical stereo behind the ``Model`` protocol: no graphs, so no engines."""

    name = 'sgbm'
    graphs: tuple[str, ...] = ()

    def __init__(self, settings: SgbmSettings | None = None) -> None:
        """Make the matcher.

        Args:
            settings: Defaults where None.
        """
        self.settings = settings or SgbmSettings()
        self._matcher = _make_matcher(self.settings)
        self._padding = Padding(
            left=max(0, self.settings.min_disparity + self.settings.num_disparities),
            right=max(0, -self.settings.min_disparity),
        )

    def preprocess(self, frame: RectifiedStereo) -> Prepared[Padding]:
        """Convert to grey unless colour is matched, and pad.

        The feeds are ``left`` and ``right``: ``(H, W + padding)`` uint8, or with 3 channels.
        """
        feeds = {'left': self._padded(frame.left), 'right': self._padded(frame.right)}
        return Prepared(feeds=feeds, context=self._padding)

    def infer(self, engines: Engines, prepared: Prepared[Padding]) -> Tensors:
        """Match; the output ``disparity`` is int16 in 1/16 px of the padded image."""
        matched = self._matcher.compute(prepared.feeds['left'], prepared.feeds['right'])
        return {'disparity': np.asarray(matched)}

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[Padding], frame: RectifiedStereo
    ) -> DisparityResult:
        """Cut the padding off, drop what was matched with it, and return pixels."""
        left, width = prepared.context.left, frame.left.shape[1]
        steps = outputs['disparity'][:, left : left + width]
        disparity = _known_pixels(steps, self.settings.min_disparity)
        return DisparityResult(
            disparity=disparity,
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            min_disparity_px=float(self.settings.min_disparity),
            max_disparity_px=float(self.settings.max_disparity),
            step_px=1.0 / STEPS_PER_PIXEL,
            num_masked_left=min(width, max(0, self.settings.min_disparity)),
        )

    def _padded(self, image: np.ndarray) -> np.ndarray:
        if not self.settings.use_color:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        padding = self._padding
        border = (0, 0, padding.left, padding.right)
        return np.asarray(cv2.copyMakeBorder(image, *border, cv2.BORDER_REPLICATE))


def _known_pixels(steps: np.ndarray, min_disparity: int) -> np.ndarray:
    """Return pixels, NaN where unmatched or matched outside the right image.

    A match lies at ``x - d``, which must be within ``0..W - 1``.
    """
    width = steps.shape[1]
    column = np.arange(width, dtype=np.int32) * STEPS_PER_PIXEL
    last = (width - 1) * STEPS_PER_PIXEL
    lowest = np.maximum(min_disparity * STEPS_PER_PIXEL, column - last).astype(np.int16)
    highest = np.minimum(column, np.iinfo(np.int16).max).astype(np.int16)
    is_unknown = (steps < lowest) | (steps > highest)
    disparity = steps.astype(np.float32)
    disparity *= np.float32(1.0 / STEPS_PER_PIXEL)
    np.copyto(disparity, np.float32(np.nan), where=is_unknown)
    return disparity


def _make_matcher(settings: SgbmSettings) -> cv2.StereoSGBM:
    """Make OpenCV's matcher without its own filters.

    Its left-right check (``disp12MaxDiff``) does nothing in the 3-way mode (seen in 4.5.5 and
    5.0), and its speckle filter would see the padding; both are done after the model, alike for
    every model.
    """
    num_channels = 3 if settings.use_color else 1
    block = num_channels * settings.block_size**2
    return cv2.StereoSGBM_create(  # type: ignore[attr-defined]
        minDisparity=settings.min_disparity,
        numDisparities=settings.num_disparities,
        blockSize=settings.block_size,
        P1=settings.smoothness_small * block,
        P2=settings.smoothness_large * block,
        disp12MaxDiff=-1,
        preFilterCap=settings.prefilter_cap,
        uniquenessRatio=settings.uniqueness_percent,
        speckleWindowSize=0,
        speckleRange=0,
        mode=_OPENCV_MODES[settings.mode],
    )
