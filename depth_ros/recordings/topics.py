"""Which topics of a recording a task reads: named in the job, else guessed as ``run`` does."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.geometry.mounting import base_from_camera
from depth_ros.settings import Settings, described

CALIBRATION = 'Calibration file of any format of docs/cli.md; empty takes that of the recording.'
TAKEN_AS = (
    'raw or rectified images; auto takes those of topics image_rect... as rectified, and what '
    'belongs to a calibration file as that says.'
)
CHOICES = ('auto', 'raw', 'rectified')
INFO = 'Its camera_info; empty takes the one beside the images.'


@dataclass(frozen=True, kw_only=True, slots=True)
class PairTopicNames(Settings):
    """Topics of a rig."""

    left: str = described('', 'Left images; empty takes the only pair named left and right.')
    right: str = described('', 'Right images.')
    left_info: str = described('', 'Left camera_info; empty takes the one beside the images.')
    right_info: str = described('', 'Right camera_info.')
    max_stamp_difference_s: float = described(
        0.0,
        'Largest difference of the stamps of a pair.',
        unit='s',
        minimum=0.0,
        maximum=1.0,
    )
    calibration: str = described('', CALIBRATION)
    images: str = described('auto', TAKEN_AS, choices=CHOICES)


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometryTopicNames(PairTopicNames):
    """Topics of a rig, or of one camera with or without depth, as the source says."""

    image: str = described('', 'Images of source rgbd or mono; empty takes the only ones.')
    info: str = described('', INFO)
    depth: str = described('', 'Depth of source rgbd; empty takes the only topic of depth.')
    depth_info: str = described(
        '', 'Calibration of the depth; empty takes the one beside it, else that of the images.'
    )
    depth_unit_m: float = described(
        0.001, 'Metres of one step of 16-bit depth.', unit='m', minimum=1e-6, maximum=1.0
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraTopicNames(Settings):
    """Topics of one camera."""

    image: str = described('', 'Images; empty takes the only ones there are.')
    info: str = described('', INFO)
    calibration: str = described('', CALIBRATION)
    images: str = described('auto', TAKEN_AS, choices=CHOICES)


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchTopicNames(CameraTopicNames):
    """Topics of one camera, and which of its images are matched."""

    pair_step: int = described(
        1, 'Each image is matched with the one so many before it.', minimum=1, maximum=1000
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PosedTopicNames(CameraTopicNames):
    """Topics of one camera and of its poses."""

    poses: str = described(
        '',
        'nav_msgs/Odometry or geometry_msgs/PoseStamped; empty takes the only topic of them.',
    )
    base_from_camera: str = described(
        '',
        "Place of the camera's optical frame on what the poses are of, as x y z qx qy qz qw "
        '(metres, quaternion). Empty: none, the poses are those of the camera.',
    )
    max_pose_gap_s: float = described(
        0.25,
        'Largest time between two poses that is interpolated.',
        unit='s',
        minimum=0.001,
        maximum=60.0,
    )

    def check_together(self) -> None:
        """Refuse a mounting that is none."""
        base_from_camera(self.base_from_camera)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyframeTopicNames(PosedTopicNames):
    """Topics of one camera and of its poses, and how keyframes are chosen among its images."""

    block_s: float = described(
        5.0,
        'Keyframes are chosen anew in every such stretch of the recording, with one before and '
        'one behind it: a segment then needs no more of the recording than that.',
        unit='s',
        minimum=0.1,
        maximum=3600.0,
    )
