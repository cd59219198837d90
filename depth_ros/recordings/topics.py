"""Which topics of a recording a task reads: named in the job, else guessed as ``run`` does."""

from __future__ import annotations

from dataclasses import dataclass

from depth_ros.settings import Settings, described

CALIBRATION = 'Calibration file of any format of docs/cli.md; empty takes that of the recording.'
TAKEN_AS = (
    'raw or rectified images; auto takes those of topics image_rect... as rectified, and what '
    'belongs to a calibration file as that says.'
)
CHOICES = ('auto', 'raw', 'rectified')


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
class CameraTopicNames(Settings):
    """Topics of one camera."""

    image: str = described('', 'Images; empty takes the only ones there are.')
    info: str = described('', 'Its camera_info; empty takes the one beside the images.')
    calibration: str = described('', CALIBRATION)
    images: str = described('auto', TAKEN_AS, choices=CHOICES)
