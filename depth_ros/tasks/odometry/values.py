"""Inputs and outputs of odometry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.frames import check_rgb_image
from depth_ros.results import DepthResult

DepthSource = Callable[[], DepthResult | None]


class OdometryState(Enum):
    """Tracking state."""

    INITIALISING = 'initialising'
    TRACKING = 'tracking'
    DEGRADED = 'degraded'
    LOST = 'lost'


class Reason(Enum):
    """Reason of a state; the value names it in counters."""

    NONE = ''
    WAITING = 'waiting'
    RESET = 'reset'
    CLOCK = 'clock'
    DARK = 'dark'
    BLANK = 'blank'
    NO_DEPTH = 'no_depth'
    FEW_MATCHES = 'few_matches'
    FEW_INLIERS = 'few_inliers'
    RESIDUAL = 'residual'
    UNSURE = 'unsure'
    DISPUTED = 'disputed'
    JUMP = 'jump'
    GAP = 'gap'
    NO_FRAMES = 'no_frames'
    RELOCALISED = 'relocalised'
    NO_PARALLAX = 'no_parallax'
    DIRECTION_ONLY = 'direction_only'


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """What is wrong: the reason as a code, and as a sentence."""

    reason: Reason
    text: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OdometryFrame:
    """One rectified image and the function that computes its depth.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB, free of distortion.
        camera: Its camera; ``p`` projects.
        stamp_ns: Acquisition time.
        depth: Gives the image's metric depth, or None where there is none. Called only for
            keyframes, because stereo depth costs time.
    """

    image: np.ndarray
    camera: PinholeCamera
    stamp_ns: int
    depth: DepthSource

    def __post_init__(self) -> None:
        check_rgb_image(self.image, what='image')
        self.camera.check_image_size(self.image.shape[0], self.image.shape[1])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pose:
    """Where the camera is.

    Attributes:
        world_from_camera: ``(4, 4)`` float64, metres; the world is the first keyframe's camera.
        covariance: ``(6, 6)`` float64 in the world's axes: x y z, then rotations about the fixed
            axes (m², m rad, rad²). It grows from keyframe to keyframe, as drift does.
        local_covariance: The same without the keyframe's own: how sure the last step is.
    """

    world_from_camera: np.ndarray
    covariance: np.ndarray
    local_covariance: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Direction:
    """Direction of travel; the distance is unknown.

    Attributes:
        reference_from_camera: ``(3, 3)`` rotation since the reference frame.
        translation: ``(3,)`` unit vector in the reference camera's axes, or zeros where the
            motion shows no direction; of relative length for the pose network.
        reference_stamp_ns: Stamp of the frame it is counted from.
    """

    reference_from_camera: np.ndarray
    translation: np.ndarray
    reference_stamp_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchCounts:
    """Counts that support a frame's pose.

    Attributes:
        num_matches: Matches with the keyframe whose depth is known.
        num_inliers: Of them, those that agree with the pose.
        residual_px: Root mean square reprojection error of the inliers; NaN without a pose.
    """

    num_matches: int = 0
    num_inliers: int = 0
    residual_px: float = math.nan

    @property
    def inlier_fraction(self) -> float:
        """Share of inliers, 0 without matches."""
        return self.num_inliers / self.num_matches if self.num_matches else 0.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OdometryOutput:
    """Result of one frame, or of an interruption.

    Attributes:
        stamp_ns: Stamp of the frame; of the last one where none came.
        state: State after it.
        reason: Why; NONE while all is well.
        text: The same in words, empty while all is well.
        pose: Set only if this frame was placed; never a former frame's pose.
        direction: Set only in monocular use.
        counts: What the pose stands on.
        is_keyframe: Whether the frame became a keyframe.
        num_keyframes: Keyframes kept.
        num_frames: Frames processed since start or reset.
        num_lost: How often tracking was lost since start or reset.
        session: Grows with every new origin; poses of two sessions do not belong together.
        last_pose_ns: Stamp of the newest pose, 0 before the first.
        stages_s: Wall seconds by stage: ``rectify``, ``track``.
    """

    stamp_ns: int
    state: OdometryState
    reason: Reason = Reason.NONE
    text: str = ''
    pose: Pose | None = None
    direction: Direction | None = None
    counts: MatchCounts = MatchCounts()
    is_keyframe: bool = False
    num_keyframes: int = 0
    num_frames: int = 0
    num_lost: int = 0
    session: int = 0
    last_pose_ns: int = 0
    stages_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def valid_fraction(self) -> float:
        """Share of matches that agree with the pose."""
        return self.counts.inlier_fraction
