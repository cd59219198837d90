"""Settings of the classical matcher; imported without OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from depth_ros.errors import ParameterError


class SgbmMode(Enum):
    """Along how many directions costs are summed: more is slower."""

    THREE_WAY = '3way'
    FIVE_WAY = '5way'
    EIGHT_WAY = '8way'
    FOUR_WAY = '4way'


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
