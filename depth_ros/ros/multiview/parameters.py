"""Parameters of the multi-view node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.ros.node.parameters import (
    PoseParameters,
    base_from_camera,
    cloud_stride_setting,
)
from depth_ros.settings import SettingError, described, nested
from depth_ros.tasks.multiview.settings import SequenceSettings


@dataclass(frozen=True, kw_only=True)
class MultiviewParameters(PoseParameters):
    """Every parameter of ``multiview_node``, with its default; described by ``specs()``."""

    settings: SequenceSettings = nested(SequenceSettings)
    max_pose_wait_s: float = described(
        1.0,
        'How long an image waits for its pose, by stamps.',
        unit='s',
        minimum=0.0,
        maximum=60.0,
        is_read_only=True,
    )
    depth_source: str = described(
        'fixed',
        'Where depth is searched. fixed: depth.min_m to depth.max_m. previous: what the last map '
        'held. cloud: what range/points (PointCloud2) shows of the view. The last two within the '
        'first.',
        choices=('fixed', 'previous', 'cloud'),
        name='depth.source',
    )
    depth_min_m: float = described(
        0.5,
        'Nearest depth of the search.',
        unit='m',
        minimum=0.001,
        maximum=1e5,
        name='depth.min_m',
    )
    depth_max_m: float = described(
        10.0,
        'Farthest depth of the search.',
        unit='m',
        minimum=0.001,
        maximum=1e5,
        name='depth.max_m',
    )
    cloud_stride: int = cloud_stride_setting()
    map_period_s: float = described(
        1.0, 'Least time between two messages of fused/points.', unit='s', minimum=0.0
    )
    map_file: str = described(
        'depth_ros_map.ply', 'Where the service save_map writes: .ply or .pcd.'
    )
    keep_map: bool = described(
        False, 'Build the cloud although nobody subscribes, for save_map at the end.'
    )

    def check_together(self) -> None:
        """Refuse values that contradict each other."""
        if not self.depth_min_m < self.depth_max_m:
            raise SettingError(
                f'{{depth_min_m}} must be below {{depth_max_m}}, got {self.depth_min_m:g} and '
                f'{self.depth_max_m:g}; correct one of them'
            )
        base_from_camera(self.base_from_camera)

    @property
    def depth_range_m(self) -> tuple[float, float]:
        """Nearest and farthest depth of the search, metres."""
        return self.depth_min_m, self.depth_max_m
