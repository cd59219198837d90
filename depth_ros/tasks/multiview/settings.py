"""Settings of multi-view depth; imported without OpenCV and ROS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from depth_ros.geometry.consistency_settings import ConsistencySettings
from depth_ros.settings import LARGEST_INTEGER, SettingError, Settings, described, nested
from depth_ros.tasks.pipeline import NetworkSettings, model_setting
from depth_ros.tensors import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiViewSettings(NetworkSettings):
    """What to run on a set of views."""

    model: str = model_setting(Task.MULTIVIEW, description='Network.', noun='multi-view model')
    num_depths: int = described(
        0,
        "Depth hypotheses between the nearest and the farthest depth; 0 takes the preset's.",
        minimum=0,
        maximum=1024,
        flags=('--depths',),
        opens_engine=True,
    )
    num_sources: int = described(
        0,
        "Most source views used, the first of a frame; 0 takes the preset's.",
        minimum=0,
        maximum=8,
        flags=('--sources',),
        opens_engine=True,
    )
    sampling: str = described(
        'linear',
        'linear spreads the hypotheses evenly over depth, inverse over inverse depth.',
        choices=('linear', 'inverse'),
        opens_engine=True,
    )
    fit: str = described(
        'resize',
        "How views are brought to the engine's size: resize stretches them, pad keeps their "
        'aspect.',
        choices=('resize', 'pad'),
        opens_engine=True,
    )
    upsampling: str = described(
        'guarded',
        'How depth between the pixels of the quarter-size map is made: guarded and bilinear '
        'interpolate, guarded within one surface only; nearest invents no value.',
        choices=('guarded', 'bilinear', 'nearest'),
        opens_engine=True,
    )
    min_overlap: float = described(
        0.1,
        'Smallest share of the reference that a source must see.',
        minimum=0.0,
        maximum=1.0,
    )
    min_confidence: float = described(
        0.0,
        'Depth of less photometric confidence becomes unknown on depth/image and points; the '
        'fused cloud has fusion.min_confidence of its own.',
        minimum=0.0,
        maximum=1.0,
    )


def sources_setting() -> int:
    """Make the field for the number of sources, which network and keyframes share."""
    return described(
        2,
        'Source views of a reference. A graph is made for one number; the shipped one takes 2.',
        minimum=1,
        maximum=8,
        flags=('--sources',),
        opens_engine=True,
    )


class ReferenceChoice(Enum):
    """Which keyframe gets its depth."""

    MIDDLE = 'middle'
    """The keyframe in the middle of the sources: better depth, delayed by half of them."""
    NEWEST = 'newest'
    """The newest keyframe: no delay, but only earlier sources."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewPolicy(Settings):
    """When a view is different enough to be kept."""

    min_baseline_ratio: float = described(
        0.03,
        'Way since the last keyframe, over the typical depth, that makes a new one.',
        minimum=0.0,
        maximum=10.0,
        flags=('--keyframe-baseline',),
        is_read_only=True,
    )
    min_angle_rad: float = described(
        0.17,
        'Turn since the last keyframe that makes a new one too.',
        unit='rad',
        minimum=0.001,
        maximum=3.2,
        is_read_only=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyframeSettings(Settings):
    """How keyframes and sources are chosen."""

    num_sources: int = sources_setting()
    min_sources: int = described(
        2, 'Fewer sources than this give no depth.', minimum=1, maximum=8, is_read_only=True
    )
    window: int = described(
        10, 'Keyframes that are kept to choose from.', minimum=2, maximum=100, is_read_only=True
    )
    reference: ReferenceChoice = described(
        ReferenceChoice.MIDDLE,
        'Which keyframe gets its depth. middle: one with sources before and after it, better and '
        'later. newest: the one that just came.',
        is_read_only=True,
    )
    policy: ViewPolicy = nested(ViewPolicy, prefix='keyframe.')
    max_jump_ratio: float = described(
        1.0,
        'Way between two images, over the typical depth, above which the pose has jumped: '
        'keyframes start afresh.',
        minimum=0.01,
        maximum=1000.0,
        name='keyframe.max_jump_ratio',
        is_read_only=True,
    )

    def check_together(self) -> None:
        """Refuse numbers of views that contradict each other."""
        if not 1 <= self.min_sources <= self.num_sources < self.window:
            raise SettingError(
                'needed is 1 <= {min_sources} <= {num_sources} < {window}, got '
                f'{self.min_sources}, {self.num_sources} and {self.window}; correct them'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class VoxelSettings(Settings):
    """Size and bounds of a map."""

    voxel_size_m: float = described(
        0.02,
        'Points within such a cube become one.',
        unit='m',
        minimum=0.0001,
        maximum=100.0,
        flags=('--voxel-size-m',),
    )
    max_voxels: int = described(
        2_000_000,
        'Bound of the cloud; beyond it what was not seen for longest goes.',
        minimum=1,
        maximum=LARGEST_INTEGER,
        flags=('--max-voxels',),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FusionSettings(Settings):
    """How maps become a cloud."""

    consistency: ConsistencySettings = nested(ConsistencySettings)
    window: int = described(8, 'Depth maps that are kept for comparison.', minimum=1, maximum=100)
    stride: int = described(
        2,
        'Every n-th pixel and row may become a point of the fused cloud.',
        unit='px',
        minimum=1,
        maximum=64,
        flags=('--stride',),
    )
    voxels: VoxelSettings = nested(VoxelSettings)
    see_through_ratio: float = described(
        0.95,
        'Points nearer than this share of the depth seen behind them are taken out after a '
        'while; 1 switches that off.',
        minimum=0.01,
        maximum=1.0,
    )

    def check_together(self) -> None:
        """Require that enough maps are kept."""
        if self.window < self.consistency.min_views:
            raise SettingError(
                '{window} must be at least {min_views}, got '
                f'{self.window} and {self.consistency.min_views}; correct one of them'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceSettings(MultiViewSettings):
    """What to run on views of a moving camera: keyframes, their depth and one cloud."""

    num_sources: int = sources_setting()
    keyframes: KeyframeSettings = nested(KeyframeSettings)
    fusion: FusionSettings = nested(FusionSettings, prefix='fusion.', words='--fusion')

    def check_together(self) -> None:
        """Require that keyframes bring as many sources as the network takes."""
        if self.num_sources != self.keyframes.num_sources:
            raise SettingError(
                f'{{num_sources}} must be that of the keyframes, got {self.num_sources} and '
                f'{self.keyframes.num_sources}; set both alike'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings(Settings):
    """Where depth of views of a moving camera is searched."""

    min_m: float = described(
        0.5,
        'Nearest depth of the search.',
        unit='m',
        minimum=0.001,
        maximum=1e5,
    )
    max_m: float = described(
        10.0,
        'Farthest depth of the search.',
        unit='m',
        minimum=0.001,
        maximum=1e5,
    )

    def check_together(self) -> None:
        """Require a range."""
        if not self.min_m < self.max_m:
            raise SettingError(
                f'{{min_m}} must be below {{max_m}}, got {self.min_m:g} and {self.max_m:g}; '
                'correct one of them'
            )

    @property
    def range_m(self) -> tuple[float, float]:
        """Nearest and farthest depth, metres."""
        return self.min_m, self.max_m
