"""What odometry runs with; every field is also a parameter of ``odometry_node``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum

from depth_ros.errors import ParameterError
from depth_ros.models.registry import DEFAULT_KEYFRAME_MODEL, DEFAULT_MODELS, models_of
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Task


class Source(Enum):
    """Where depth comes from."""

    STEREO = 'stereo'
    RGBD = 'rgbd'
    MONO = 'mono'


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackingSettings:
    """When a pose is believed and when a keyframe is made.

    Attributes:
        min_depth_m: Nearer depth of a keyframe is not used.
        max_depth_m: Farther depth of a keyframe is not used.
        min_brightness: A frame whose mean grey level is below is dark, 0..255.
        min_contrast: A frame whose grey levels have a smaller standard deviation is blank.
        ransac_px: Reprojection error up to which a match agrees with a pose.
        max_matches_per_cell: Matches that are used in each of 8 x 6 cells of the image, so that
            a thing that moves cannot outvote the room by its texture.
        min_inliers: Fewer agreeing matches give no pose.
        good_inliers: Fewer agreeing matches make the state degraded.
        min_inlier_fraction: A smaller share of the matches gives no pose.
        max_residual_px: A larger root mean square error of the inliers gives no pose.
        good_sigma_m: A position that is known less well, relative to its keyframe, makes the
            state degraded.
        max_speed_m_s: A faster camera is a jump, which is not published.
        max_turn_rad_s: A faster turn is a jump.
        lost_after_frames: As many frames in a row without a pose make the state lost.
        max_gap_s: A longer pause between frames makes the state lost.
        keyframe_parallax: Share of the image diagonal by which matches may move, in the median,
            before a new keyframe is made.
        keyframe_overlap: Share of the keyframe's image area, counted in cells with inliers, that
            must still be seen, or a new keyframe is made.
        max_keyframes: Recent keyframes that are kept for relocalisation.
        relocalisation_tries: Keyframes that a lost frame is compared with.
    """

    min_depth_m: float = 0.1
    max_depth_m: float = 20.0
    min_brightness: float = 8.0
    min_contrast: float = 4.0
    ransac_px: float = 2.0
    max_matches_per_cell: int = 16
    min_inliers: int = 15
    good_inliers: int = 40
    min_inlier_fraction: float = 0.2
    max_residual_px: float = 2.0
    good_sigma_m: float = 0.1
    max_speed_m_s: float = 5.0
    max_turn_rad_s: float = 5.0
    lost_after_frames: int = 5
    max_gap_s: float = 1.0
    keyframe_parallax: float = 0.08
    keyframe_overlap: float = 0.6
    max_keyframes: int = 20
    relocalisation_tries: int = 4

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not value >= 0:
                raise ParameterError(f'{entry.name} must be 0 or more, got {value!r}; correct it')
        _require_order(self, 'min_depth_m', 'max_depth_m')
        _require_order(self, 'min_inliers', 'good_inliers')
        # Six numbers need six equations; fewer than six points leave nothing for a covariance.
        _require_least(self, 'min_inliers', 6)
        for name in (
            'max_matches_per_cell',
            'lost_after_frames',
            'max_keyframes',
            'relocalisation_tries',
        ):
            _require_least(self, name, 1)


def _require_order(settings: TrackingSettings, low: str, high: str) -> None:
    below, above = getattr(settings, low), getattr(settings, high)
    if below > above:
        raise ParameterError(
            f'{low} must not exceed {high}, got {below!r} and {above!r}; swap them'
        )


def _require_least(settings: TrackingSettings, name: str, least: int) -> None:
    value = getattr(settings, name)
    if value < least:
        raise ParameterError(f'{name} must be at least {least}, got {value!r}; raise it')


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometrySettings:
    """What to run and how.

    Attributes:
        source: Where depth comes from; ``MONO`` gives directions only.
        frontend: Name of the model that relates two images; a pose network is for ``MONO``.
        matching: Matcher, for every frontend but the pose network; its ``frontend`` is not read.
        stereo: Stereo matcher, for ``STEREO``.
        tracking: When a pose is believed.
    """

    source: Source = Source.STEREO
    frontend: str = DEFAULT_MODELS[Task.MATCHING]
    matching: MatchSettings = field(default_factory=MatchSettings)
    stereo: StereoSettings = field(
        default_factory=lambda: StereoSettings(model=DEFAULT_KEYFRAME_MODEL)
    )
    tracking: TrackingSettings = field(default_factory=TrackingSettings)

    def __post_init__(self) -> None:
        if self.is_pose_network and self.source is not Source.MONO:
            raise ParameterError(
                f'the pose network gives directions only, so frontend {self.frontend} needs '
                f'source mono, got {self.source.value!r}; set source to mono, or frontend to one '
                f'of: {", ".join(models_of(Task.MATCHING))}'
            )

    @property
    def model(self) -> str:
        """Name of the frontend, which is what a node calls its model."""
        return self.frontend

    @property
    def pipeline_key(self) -> tuple[object, ...]:
        """What engines and the state of tracking depend on: anything but the thresholds."""
        return (self.source, self.frontend, self.matching, self.stereo)

    @property
    def is_pose_network(self) -> bool:
        """Whether a network gives the motion itself, instead of matches."""
        return self.frontend in models_of(Task.MOTION)

    @property
    def is_metric(self) -> bool:
        """Whether positions are in metres."""
        return self.source is not Source.MONO
