"""Semi-global block matching (Hirschmüller 2008) by OpenCV: the matcher that needs no weights.

OpenCV leaves the first ``min_disparity + num_disparities`` columns unknown, because part of the
search range falls outside the right image there: a tenth to a fifth of a usual image. Here both
images are padded by that much, so that every column is searched as far as the image reaches, and
whatever was matched with padding is unknown again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.frames import RectifiedStereo
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import DisparityResult
from depth_ros.tensors import Tensors

STEPS_PER_PIXEL = 16
"""OpenCV's disparities are int16 in sixteenths of a pixel."""


class SgbmMode(Enum):
    """Along how many directions costs are summed: more is slower."""

    THREE_WAY = '3way'
    FIVE_WAY = '5way'
    EIGHT_WAY = '8way'
    FOUR_WAY = '4way'


_OPENCV_MODES: dict[SgbmMode, int] = {
    SgbmMode.THREE_WAY: cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    SgbmMode.FIVE_WAY: cv2.STEREO_SGBM_MODE_SGBM,
    SgbmMode.EIGHT_WAY: cv2.STEREO_SGBM_MODE_HH,
    SgbmMode.FOUR_WAY: cv2.STEREO_SGBM_MODE_HH4,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SgbmSettings:
    """Settings of the matcher. Filters that suit every model are in ``StereoSettings``.

    Attributes:
        num_disparities: Width of the search in pixels, a multiple of 16. The nearest depth is
            ``fx * baseline / (min_disparity + num_disparities - 1)``.
        min_disparity: Where the search starts, in pixels; negative only for verged cameras.
        block_size: Edge of the matched block in pixels, odd.
        uniqueness_percent: By how much the best cost must beat the second best.
        prefilter_cap: Largest image gradient that counts, in grey levels.
        smoothness_small: Penalty of a disparity step of one pixel, for each pixel of the block.
        smoothness_large: Penalty of a larger step, above ``smoothness_small``.
        mode: Along how many directions costs are summed.
        use_color: Match RGB instead of grey: a third slower, and better only in places.
    """

    num_disparities: int = 128
    min_disparity: int = 0
    block_size: int = 5
    uniqueness_percent: int = 10
    prefilter_cap: int = 31
    smoothness_small: int = 8
    smoothness_large: int = 32
    mode: SgbmMode = SgbmMode.THREE_WAY
    use_color: bool = False

    def __post_init__(self) -> None:
        _check_settings(self)

    @property
    def max_disparity(self) -> int:
        """Largest disparity that is searched, in pixels."""
        return self.min_disparity + self.num_disparities - 1


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
        """Cut the padding off, drop what was matched with it, and give pixels."""
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


def _check_settings(settings: SgbmSettings) -> None:
    if settings.num_disparities <= 0 or settings.num_disparities % 16:
        raise ParameterError(
            f'num_disparities must be a positive multiple of 16, got {settings.num_disparities}; '
            'choose at least fx * baseline / nearest depth'
        )
    if settings.block_size < 1 or settings.block_size % 2 == 0:
        raise ParameterError(
            f'block_size must be odd and above 0, got {settings.block_size}; 5 suits most images'
        )
    if not 0 < settings.smoothness_small < settings.smoothness_large:
        raise ParameterError(
            'smoothness_small must be above 0 and below smoothness_large, got '
            f'{settings.smoothness_small} and {settings.smoothness_large}; 8 and 32 are usual'
        )
    if not 0 <= settings.uniqueness_percent <= 100 or not 1 <= settings.prefilter_cap <= 63:
        raise ParameterError(
            'uniqueness_percent must be in 0..100 and prefilter_cap in 1..63, got '
            f'{settings.uniqueness_percent} and {settings.prefilter_cap}; 10 and 31 are usual'
        )
