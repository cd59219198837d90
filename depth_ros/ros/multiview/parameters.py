"""Parameters of the multi-view node, imported without ROS; see ``node/parameters``."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.geometry.mounting import base_from_camera
from depth_ros.ros.node.parameters import (
    PoseParameters,
    cloud_stride_setting,
)
from depth_ros.settings import described, nested
from depth_ros.tasks.multiview.settings import SearchSettings, SequenceSettings


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
    search: SearchSettings = nested(SearchSettings, prefix='depth.')
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
        base_from_camera(self.base_from_camera)

    @property
    def depth_range_m(self) -> tuple[float, float]:
        """Nearest and farthest depth of the search, metres."""
        return self.search.range_m
