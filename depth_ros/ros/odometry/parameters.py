"""Parameters of the odometry node, imported without ROS; see ``node_parameters``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from depth_ros.errors import ParameterError
from depth_ros.models.registry import DEFAULT_KEYFRAME_MODEL, DEFAULT_MODELS, models_of
from depth_ros.ros.node.frontend_parameters import FrontendParameters
from depth_ros.ros.node.parameter_specs import described
from depth_ros.ros.node.parameters import base_from_camera, check_depth_range
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from depth_ros.tasks.odometry.settings import OdometrySettings


@dataclass(frozen=True, kw_only=True)
class OdometryParameters(FrontendParameters):
    """Every parameter of ``odometry_node``, with its default; described by ``specs()``."""

    model: str = described(
        DEFAULT_MODELS[Task.MATCHING],
        'What relates two images, a matcher; monodepth2_pose is a pose network, for source mono: '
        'direction and relative step only. A change starts a new origin.',
        choices=models_of(Task.MATCHING, Task.MOTION),
        name='frontend',
        opens_engine=True,
    )
    source: str = described(
        'stereo',
        'stereo: left and right images. rgbd: one image and depth/image registered to it. mono: '
        'one image, which gives rotation and direction only, no metres.',
        choices=('stereo', 'rgbd', 'mono'),
        is_read_only=True,
    )
    input: str = described(
        'raw',
        'raw: subscribe to image_raw (left/ and right/ of it for stereo) and rectify by '
        'camera_info. rectified: subscribe to image_rect and take it as it is. auto: whichever '
        'has a publisher first.',
        choices=('raw', 'rectified', 'auto'),
        is_read_only=True,
    )
    stereo_model: str = described(
        DEFAULT_KEYFRAME_MODEL,
        'Stereo matcher that gives depth of keyframes.',
        choices=models_of(Task.STEREO),
        name='stereo.model',
        opens_engine=True,
    )
    stereo_weights: str = described(
        '',
        'Its checkpoint; empty takes shipped or exported weights.',
        name='stereo.weights',
        opens_engine=True,
    )
    baseline_m: float = described(
        0.0,
        'Distance between the cameras, for a right camera_info whose P[0, 3] is 0; '
        '0 takes it from camera_info.',
        unit='m',
        minimum=0.0,
        maximum=100.0,
        opens_engine=True,
    )
    max_stamp_difference_s: float = described(
        0.01,
        'Largest difference of stamps of left and right, or of image and depth.',
        unit='s',
        minimum=0.0,
        maximum=10.0,
    )
    sync_queue_size: int = described(
        10, 'Images of one side that may wait for the other side.', minimum=1, maximum=1000
    )
    odom_frame: str = described('odom', 'Frame of the poses, REP 105.', is_read_only=True)
    base_frame: str = described(
        '',
        "Frame whose pose is published, e.g. base_link; empty takes the camera's optical frame.",
        is_read_only=True,
    )
    base_from_camera: str = described(
        '',
        "Pose of the camera's optical frame on base_frame as x y z qx qy qz qw; empty takes TF.",
        is_read_only=True,
    )
    publish_tf: bool = described(
        True,
        'Publish odom_frame to base_frame on /tf; set it to false where a filter does that.',
        is_read_only=True,
    )
    max_path_poses: int = described(
        2000, 'Poses kept in path; the oldest go.', minimum=1, maximum=1_000_000
    )
    silence_s: float = described(
        1.0,
        'Without a frame for this long tracking is lost.',
        unit='s',
        minimum=0.05,
        maximum=3600.0,
    )
    min_depth_m: float = described(
        0.1, 'Nearer depth of a keyframe is not used.', unit='m', minimum=0.0
    )
    max_depth_m: float = described(
        20.0, 'Farther depth of a keyframe is not used.', unit='m', minimum=0.0
    )
    min_brightness: float = described(
        8.0, 'A frame whose mean grey level is below is dark.', minimum=0.0, maximum=255.0
    )
    min_contrast: float = described(
        4.0,
        'A frame whose grey levels deviate by less is blank.',
        minimum=0.0,
        maximum=255.0,
    )
    ransac_px: float = described(
        2.0,
        'Reprojection error up to which a match agrees with a pose.',
        unit='px',
        minimum=0.1,
        maximum=100.0,
    )
    max_matches_per_cell: int = described(
        16,
        'Matches used in each of 8 x 6 cells of the image, so that a thing that moves cannot '
        'outvote the room by its texture.',
        minimum=1,
        maximum=10_000,
    )
    min_inliers: int = described(
        15, 'Fewer agreeing matches give no pose.', minimum=6, maximum=10_000
    )
    good_inliers: int = described(
        40, 'Fewer agreeing matches make the state degraded.', minimum=6, maximum=10_000
    )
    min_inlier_fraction: float = described(
        0.2, 'A smaller share of agreeing matches gives no pose.', minimum=0.0, maximum=1.0
    )
    max_residual_px: float = described(
        2.0,
        'A larger root mean square error of the inliers gives no pose.',
        unit='px',
        minimum=0.01,
        maximum=100.0,
    )
    good_sigma_m: float = described(
        0.1,
        'A position known less well, relative to its keyframe, makes the state degraded.',
        unit='m',
        minimum=0.0,
    )
    max_speed_m_s: float = described(
        5.0, 'A faster camera is a jump, which is not published.', unit='m/s', minimum=0.0
    )
    max_turn_rad_s: float = described(
        5.0, 'A faster turn is a jump, which is not published.', unit='rad/s', minimum=0.0
    )
    lost_after_frames: int = described(
        5,
        'As many frames in a row without a pose make the state lost.',
        minimum=1,
        maximum=10_000,
    )
    max_gap_s: float = described(
        1.0,
        'A longer time between the stamps of two frames makes the state lost.',
        unit='s',
        minimum=0.01,
        maximum=3600.0,
    )
    keyframe_parallax: float = described(
        0.08,
        'Share of the image diagonal by which matches may move before a new keyframe is taken.',
        minimum=0.001,
        maximum=1.0,
    )
    keyframe_overlap: float = described(
        0.6,
        'Share of a keyframe that must be seen, or a new one is taken.',
        minimum=0.0,
        maximum=1.0,
    )
    max_keyframes: int = described(
        20, 'Recent keyframes kept for relocalisation.', minimum=1, maximum=1000
    )
    relocalisation_tries: int = described(
        4, 'Keyframes that a lost frame is compared with.', minimum=1, maximum=1000
    )

    def check_together(self) -> None:
        """Refuse values that contradict each other."""
        check_depth_range(self.min_depth_m, self.max_depth_m)
        base_from_camera(self.base_from_camera)
        if self.min_inliers > self.good_inliers:
            raise ParameterError(
                f'min_inliers must not exceed good_inliers, got {self.min_inliers} and '
                f'{self.good_inliers}; correct one of them'
            )
        if self.model in models_of(Task.MOTION) and self.source != 'mono':
            raise ParameterError(
                f'frontend {self.model} needs source mono, got {self.source!r}: the pose '
                'network gives directions only; set source to mono, or another frontend'
            )
        if not self.odom_frame or self.odom_frame == self.base_frame:
            raise ParameterError(
                'odom_frame must have a name other than base_frame, got '
                f'{self.odom_frame!r} and {self.base_frame!r}; odom and base_link are usual'
            )


def odometry_settings(parameters: OdometryParameters) -> OdometrySettings:
    """Return what the processor runs on; engine settings are the frontend's."""
    from depth_ros.tasks.matching.settings import MatchSettings
    from depth_ros.tasks.odometry.settings import (
        OdometrySettings,
        Source,
        TrackingSettings,
    )
    from depth_ros.tasks.stereo.settings import StereoSettings

    matching = MatchSettings(
        variant=parameters.variant,
        **parameters.engine_choice,
        max_keypoints=parameters.max_keypoints,
    )
    stereo = StereoSettings(
        model=parameters.stereo_model,
        engine=parameters.engine,
        weights=parameters.stereo_weights,
        num_threads=parameters.num_threads,
        tensorrt=parameters.tensorrt,
        baseline_m=parameters.baseline_m,
    )
    names = (entry.name for entry in fields(TrackingSettings))
    return OdometrySettings(
        source=Source(parameters.source),
        frontend=parameters.model,
        matching=matching,
        stereo=stereo,
        tracking=TrackingSettings(**{name: getattr(parameters, name) for name in names}),
    )
