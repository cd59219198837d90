"""Settings of the classical matcher; imported without OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from depth_ros.settings import SettingError, Settings, described


class SgbmMode(Enum):
    """Along how many directions costs are summed: more is slower."""

    THREE_WAY = '3way'
    FIVE_WAY = '5way'
    EIGHT_WAY = '8way'
    FOUR_WAY = '4way'


@dataclass(frozen=True, kw_only=True, slots=True)
class SgbmSettings(Settings):
    """Settings of the matcher. Filters that suit every model are in ``StereoSettings``.

    The nearest depth is ``fx * baseline / max_disparity``.
    """

    num_disparities: int = described(
        128,
        'Width of the search, a multiple of 16.',
        unit='px',
        minimum=16,
        maximum=1024,
        opens_engine=True,
    )
    min_disparity: int = described(
        0,
        'Where the search starts; negative only for verged cameras.',
        unit='px',
        minimum=-1024,
        maximum=1024,
        opens_engine=True,
    )
    block_size: int = described(
        5, 'Edge of the matched block, odd.', unit='px', minimum=1, maximum=21, opens_engine=True
    )
    uniqueness_percent: int = described(
        10,
        'By how much the best cost must beat the second best.',
        unit='%',
        minimum=0,
        maximum=100,
        opens_engine=True,
    )
    prefilter_cap: int = described(
        31,
        'Largest image gradient that counts.',
        unit='grey levels',
        minimum=1,
        maximum=63,  # OpenCV refuses more
        opens_engine=True,
    )
    smoothness_small: int = described(
        8,
        'Penalty of a disparity step of one pixel, for each pixel of the block.',
        minimum=1,
        maximum=1000,
        opens_engine=True,
    )
    smoothness_large: int = described(
        32,
        'Penalty of a larger step; above the small one.',
        minimum=1,
        maximum=1000,
        opens_engine=True,
    )
    mode: SgbmMode = described(
        SgbmMode.THREE_WAY,
        'Along how many directions costs are summed: more is slower.',
        opens_engine=True,
    )
    use_color: bool = described(
        False,
        'Match RGB instead of grey: a third slower, and better only in places.',
        opens_engine=True,
    )

    @property
    def max_disparity(self) -> int:
        """Largest disparity that is searched, in pixels."""
        return self.min_disparity + self.num_disparities - 1

    def check_together(self) -> None:
        """Refuse what OpenCV cannot search with."""
        if self.num_disparities % 16:
            raise SettingError(
                f'{{num_disparities}} must be a positive multiple of 16, got '
                f'{self.num_disparities}; choose at least fx * baseline / nearest depth'
            )
        if self.block_size % 2 == 0:
            raise SettingError(
                f'{{block_size}} must be odd and above 0, got {self.block_size}; 5 suits most '
                'images'
            )
        if not self.smoothness_small < self.smoothness_large:
            raise SettingError(
                '{smoothness_small} must be above 0 and below {smoothness_large}, got '
                f'{self.smoothness_small} and {self.smoothness_large}; 8 and 32 are usual'
            )
