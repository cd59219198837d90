"""Settings of odometry; imported without OpenCV and ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from depth_ros.models.registry import DEFAULT_KEYFRAME_MODEL, models_of
from depth_ros.settings import SettingError, Settings, check_depth_range, described, nested
from depth_ros.tasks.matching.settings import MatcherSettings, MatchSettings
from depth_ros.tasks.pipeline import model_setting
from depth_ros.tasks.stereo.settings import StereoSettings, baseline_setting
from depth_ros.tensors import Task


class Source(Enum):
    """Where depth comes from."""

    STEREO = 'stereo'
    RGBD = 'rgbd'
    MONO = 'mono'


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackingSettings(Settings):
    """When a pose is believed and when a keyframe is made."""

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
        """Require that ranges are some."""
        check_depth_range(self.min_depth_m, self.max_depth_m)
        if self.min_inliers > self.good_inliers:
            raise SettingError(
                f'{{min_inliers}} must not exceed {{good_inliers}}, got {self.min_inliers} and '
                f'{self.good_inliers}; correct one of them'
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometrySettings(MatcherSettings):
    """What to run and how; the engine is that of ``model``."""

    model: str = model_setting(
        Task.MATCHING,
        Task.MOTION,
        description='What relates two images: a matcher, or monodepth2_pose, a pose network, for '
        'source mono: direction and relative step only. A change starts a new origin.',
        noun='model',
        formerly='frontend',
    )
    source: Source = described(
        Source.STEREO,
        'stereo: left and right images. rgbd: one image and depth/image registered to it. mono: '
        'one image, which gives rotation and direction only, no metres.',
        is_read_only=True,
        opens_engine=True,
    )
    depth_model: str = model_setting(
        Task.STEREO,
        description='Stereo matcher that gives depth of keyframes.',
        noun='stereo model',
        default=DEFAULT_KEYFRAME_MODEL,
        formerly='stereo.model',
    )
    depth_weights: str = described(
        '',
        'Its checkpoint; empty takes shipped or exported weights.',
        formerly='stereo.weights',
        opens_engine=True,
    )
    baseline_m: float = baseline_setting(opens_engine=True)
    tracking: TrackingSettings = nested(TrackingSettings, words='--set')

    def check_together(self) -> None:
        """Refuse a model that the source cannot use."""
        if self.is_pose_network and self.source is not Source.MONO:
            raise SettingError(
                f'{{model}} {self.model} needs {{source}} mono, got {self.source.value!r}: the '
                'pose network gives directions only; set {source} to mono, or another {model}'
            )

    @property
    def is_pose_network(self) -> bool:
        """Whether a network gives the motion itself, instead of matches."""
        return self.model in models_of(Task.MOTION)

    @property
    def is_metric(self) -> bool:
        """Whether positions are in metres."""
        return self.source is not Source.MONO

    @property
    def matching(self) -> MatchSettings:
        """Settings of the matcher."""
        return MatchSettings(
            model=self.model,
            engine=self.engine,
            variant=self.variant,
            max_keypoints=self.max_keypoints,
        )

    @property
    def stereo(self) -> StereoSettings:
        """Settings of the stereo matcher for keyframe depth: f32, default size, own weights."""
        engine = replace(
            self.engine, precision='f32', preset='', size=None, weights=self.depth_weights
        )
        return StereoSettings(model=self.depth_model, engine=engine, baseline_m=self.baseline_m)
