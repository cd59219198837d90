"""Parameters of the multi-view node, imported without ROS; see ``node_parameters``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from depth_ros.errors import ParameterError
from depth_ros.models.registry import DEFAULT_MODELS, models_of
from depth_ros.ros.node.parameter_specs import LARGEST_INTEGER, described
from depth_ros.ros.node.parameters import CameraParameters, base_from_camera
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from depth_ros.tasks.multiview.fusion import FusionSettings
    from depth_ros.tasks.multiview.keyframes import KeyframeSettings
    from depth_ros.tasks.multiview.settings import MultiViewSettings


@dataclass(frozen=True, kw_only=True)
class MultiviewParameters(CameraParameters):
    """Every parameter of ``multiview_node``, with its default; described by ``specs()``."""

    model: str = described(
        DEFAULT_MODELS[Task.MULTIVIEW],
        'Network. A change is prepared in the background and swapped between two keyframes.',
        choices=models_of(Task.MULTIVIEW),
        opens_engine=True,
    )
    num_depths: int = described(
        0,
        "Depth hypotheses between depth.min_m and depth.max_m; 0 takes the preset's.",
        minimum=0,
        maximum=1024,
        opens_engine=True,
    )
    num_sources: int = described(
        4, 'Source views of a reference.', minimum=1, maximum=8, opens_engine=True
    )
    sampling: str = described(
        'linear',
        'linear spreads the hypotheses evenly over depth, inverse over inverse depth.',
        choices=('linear', 'inverse'),
        opens_engine=True,
    )
    min_sources: int = described(
        2, 'Fewer sources than this give no depth.', minimum=1, maximum=8, is_read_only=True
    )
    window: int = described(
        10, 'Keyframes that are kept to choose from.', minimum=2, maximum=100, is_read_only=True
    )
    reference: str = described(
        'middle',
        'Which keyframe gets its depth. middle: one with sources before and after it, better and '
        'later. newest: the one that just came.',
        choices=('middle', 'newest'),
        is_read_only=True,
    )
    keyframe_min_baseline_ratio: float = described(
        0.03,
        'Way since the last keyframe, over the typical depth, that makes a new one.',
        minimum=0.0,
        maximum=10.0,
        name='keyframe.min_baseline_ratio',
        is_read_only=True,
    )
    keyframe_min_angle_rad: float = described(
        0.17,
        'Turn since the last keyframe that makes a new one too.',
        unit='rad',
        minimum=0.001,
        maximum=3.2,
        name='keyframe.min_angle_rad',
        is_read_only=True,
    )
    keyframe_max_jump_ratio: float = described(
        1.0,
        'Way between two images, over the typical depth, above which the pose has jumped.',
        minimum=0.01,
        maximum=1000.0,
        name='keyframe.max_jump_ratio',
        is_read_only=True,
    )
    pose_source: str = described(
        'odometry',
        'Where poses come from. odometry: nav_msgs/Odometry on odometry. pose: '
        'geometry_msgs/PoseStamped on pose. tf: the transform from world_frame to the image.',
        choices=('odometry', 'pose', 'tf'),
        is_read_only=True,
    )
    world_frame: str = described(
        'odom', 'For tf: the frame in which the cloud is built.', is_read_only=True
    )
    base_from_camera: str = described(
        '',
        "Place of the camera's optical frame on what the poses are of, as x y z qx qy qz qw "
        '(metres, quaternion). Empty: none if the poses are those of the camera, which they are '
        "taken to be if their child frame is the image's or empty; else by TF.",
        is_read_only=True,
    )
    max_pose_gap_s: float = described(
        0.25,
        'Largest time between two poses that is interpolated.',
        unit='s',
        minimum=0.001,
        maximum=60.0,
        is_read_only=True,
    )
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
    min_confidence: float = described(
        0.0,
        'Depth of less photometric confidence becomes unknown on depth/image and points; the '
        'fused cloud has fusion.min_confidence of its own.',
        minimum=0.0,
        maximum=1.0,
    )
    cloud_stride: int = described(
        1,
        'Every n-th pixel and row becomes a point of points.',
        unit='px',
        minimum=1,
        maximum=64,
    )
    fusion_min_confidence: float = described(
        0.8,
        'Depth of less photometric confidence is not fused.',
        minimum=0.0,
        maximum=1.0,
        name='fusion.min_confidence',
    )
    fusion_max_reprojection_px: float = described(
        1.0,
        'How far from where it left a pixel may come back through another view.',
        unit='px',
        minimum=0.01,
        maximum=100.0,
        name='fusion.max_reprojection_px',
    )
    fusion_max_depth_ratio: float = described(
        0.01,
        'Relative difference of depth with which it may come back.',
        minimum=1e-5,
        maximum=1.0,
        name='fusion.max_depth_ratio',
    )
    fusion_min_views: int = described(
        3, 'Views that must agree on a point.', minimum=1, maximum=8, name='fusion.min_views'
    )
    fusion_window: int = described(
        8,
        'Depth maps that are kept for comparison.',
        minimum=1,
        maximum=100,
        name='fusion.window',
    )
    fusion_stride: int = described(
        2,
        'Every n-th pixel and row may become a point of the fused cloud.',
        unit='px',
        minimum=1,
        maximum=64,
        name='fusion.stride',
    )
    fusion_voxel_size_m: float = described(
        0.02,
        'Points within such a cube become one.',
        unit='m',
        minimum=0.0001,
        maximum=100.0,
        name='fusion.voxel_size_m',
    )
    fusion_max_voxels: int = described(
        2_000_000,
        'Bound of the cloud; beyond it what was not seen for longest goes.',
        minimum=1,
        maximum=LARGEST_INTEGER,
        name='fusion.max_voxels',
    )
    fusion_see_through_ratio: float = described(
        0.95,
        'Points nearer than this share of the depth seen behind them are taken out after a '
        'while; 1 switches that off.',
        minimum=0.01,
        maximum=1.0,
        name='fusion.see_through_ratio',
    )
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
            raise ParameterError(
                f'depth.min_m must be below depth.max_m, got {self.depth_min_m:g} and '
                f'{self.depth_max_m:g}; correct one of them'
            )
        base_from_camera(self.base_from_camera)
        fusion_settings(self)
        keyframe_settings(self)

    @property
    def depth_range_m(self) -> tuple[float, float]:
        """Nearest and farthest depth of the search, metres."""
        return self.depth_min_m, self.depth_max_m


def multiview_settings(parameters: MultiviewParameters) -> MultiViewSettings:
    """Return what the processor runs on."""
    from depth_ros.tasks.multiview.settings import MultiViewSettings

    return MultiViewSettings(
        model=parameters.model,
        **parameters.engine_choice,
        num_depths=parameters.num_depths,
        num_sources=parameters.num_sources,
        sampling=parameters.sampling,
        min_confidence=parameters.min_confidence,
    )


def keyframe_settings(parameters: MultiviewParameters) -> KeyframeSettings:
    """Return how keyframes are chosen.

    Raises:
        ParameterError: If the numbers of views contradict each other.
    """
    from depth_ros.tasks.multiview.keyframes import KeyframeSettings, ReferenceChoice
    from depth_ros.tasks.multiview.view_selection import ViewPolicy

    return KeyframeSettings(
        policy=ViewPolicy(
            min_baseline_ratio=parameters.keyframe_min_baseline_ratio,
            min_angle_rad=parameters.keyframe_min_angle_rad,
        ),
        num_sources=parameters.num_sources,
        min_sources=parameters.min_sources,
        window=parameters.window,
        reference=ReferenceChoice(parameters.reference),
        max_jump_ratio=parameters.keyframe_max_jump_ratio,
    )


def fusion_settings(parameters: MultiviewParameters) -> FusionSettings:
    """Return how maps become a cloud.

    Raises:
        ParameterError: If they contradict each other.
    """
    from depth_ros.geometry.consistency import ConsistencySettings
    from depth_ros.tasks.multiview.fusion import FusionSettings
    from depth_ros.tasks.multiview.voxel_map import VoxelSettings

    return FusionSettings(
        consistency=ConsistencySettings(
            max_reprojection_px=parameters.fusion_max_reprojection_px,
            max_depth_ratio=parameters.fusion_max_depth_ratio,
            min_views=parameters.fusion_min_views,
            min_confidence=parameters.fusion_min_confidence,
        ),
        voxels=VoxelSettings(
            voxel_size_m=parameters.fusion_voxel_size_m,
            max_voxels=parameters.fusion_max_voxels,
        ),
        window=parameters.fusion_window,
        stride=parameters.fusion_stride,
        see_through_ratio=parameters.fusion_see_through_ratio,
    )
