"""Settings of clouds: their filters, and what navigation gets of them. Imported without OpenCV."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from depth_ros.settings import LARGEST_INTEGER, SettingError, Settings, TextForm, described

NUM_NEIGHBORS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudSettings(Settings):
    """What is left out of ``points``, which keeps the shape of its image."""

    max_edge_step: float = described(
        0.02,
        'Flying pixels are left out of clouds: pixels between fore- and background, whose inverse '
        'depth differs by more than this share from both neighbours in a row or column. 0 keeps '
        'them.',
        minimum=0.0,
        maximum=1.0,
    )
    outlier_neighbors: int = described(
        0,
        'Points that are near to fewer than so many of their 8 neighbours in the image are left '
        'out of points; 0 keeps all.',
        minimum=0,
        maximum=NUM_NEIGHBORS,
    )
    outlier_sigma: float = described(
        3.0,
        'A neighbour is near if its distance is at most the mean of the image and so many '
        'standard deviations.',
        minimum=0.0,
        maximum=100.0,
    )
    max_points: int = described(
        0,
        'Largest number of points: cloud_stride is raised until they fit; 0 sets no bound.',
        minimum=0,
        maximum=LARGEST_INTEGER,
    )
    max_rate_hz: float = described(
        0.0,
        'Most clouds a second on points, by their stamps; 0 sends each.',
        unit='Hz',
        minimum=0.0,
        maximum=1000.0,
    )


class Ground(Enum):
    """What becomes of the floor in clouds for navigation."""

    REMOVED = 'removed'
    FITTED = 'fitted'
    KEPT = 'kept'


@dataclass(frozen=True, kw_only=True, slots=True)
class CropBox:
    """A rectangle on the floor of the robot's frame, metres."""

    min_x_m: float
    min_y_m: float
    max_x_m: float
    max_y_m: float


def read_crop_box(text: str) -> CropBox | None:
    """Read ``'min_x min_y max_x max_y'``; empty gives None.

    Raises:
        SettingError: If it is neither.
    """
    if not text.strip():
        return None
    try:
        numbers = [float(word) for word in text.replace(',', ' ').split()]
    except ValueError:
        numbers = []
    is_box = len(numbers) == 4 and all(map(math.isfinite, numbers))
    if not is_box or not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
        raise SettingError(
            f'{{crop_box}} must be min_x min_y max_x max_y in metres, or empty, got {text!r}; '
            'for 5 m ahead and 2 m to both sides set it to: 0 -2 5 2'
        )
    return CropBox(**dict(zip(CropBox.__slots__, numbers, strict=True)))


def crop_box_text(box: object) -> str:
    """Return a box as it is written; None is empty."""
    if not isinstance(box, CropBox):
        return ''
    return ' '.join(f'{getattr(box, name):g}' for name in CropBox.__slots__)


CROP_BOX = TextForm(read=read_crop_box, write=crop_box_text)


@dataclass(frozen=True, kw_only=True, slots=True)
class NavigationSettings(Settings):
    """What costmaps get: ``points/obstacles``, ``points/clearing`` and ``scan``."""

    base_frame: str = described(
        'base_link',
        "The robot's frame, x forward and z up, origin on the floor; heights are measured in it.",
    )
    base_from_camera: str = described(
        '',
        "Place of the camera's optical frame in base_frame, x y z qx qy qz qw; empty asks TF at "
        "the image's stamp.",
    )
    tf_timeout_s: float = described(
        0.2,
        'Longest wait for that transform of an image; then its clouds and scan are left out, with '
        'a warning.',
        unit='s',
        minimum=0.0,
        maximum=10.0,
    )
    min_height_m: float = described(
        0.1, 'What is lower is floor or threshold, no obstacle.', unit='m'
    )
    max_height_m: float = described(
        2.0, 'What is higher is no obstacle: the robot drives below it.', unit='m'
    )
    max_range_m: float = described(
        5.0,
        'Largest horizontal distance from the camera: what is farther is no obstacle, and rays '
        'clear so far.',
        unit='m',
        minimum=0.1,
        maximum=1000.0,
    )
    crop_box: CropBox | None = described(
        None,
        'Rectangle on the floor of base_frame, min_x min_y max_x max_y in metres: obstacles '
        'beyond it are left out and rays of points/clearing end at its edge. A beam of scan that '
        'shows something beyond it is NaN, not free. Empty sets no bound.',
        form=CROP_BOX,
    )
    ground: Ground = described(
        Ground.REMOVED,
        'removed: what is below min_height_m is left out of points/obstacles. fitted: the same, '
        'but heights are measured from the plane of the floor in each image, where one is seen, '
        'for mounts that nod. kept: the floor stays in points/obstacles.',
    )
    stride: int = described(
        2,
        'Every n-th pixel and row is looked at for navigation.',
        unit='px',
        minimum=1,
        maximum=64,
    )
    outlier_neighbors: int = described(
        3,
        'As cloud.outlier_neighbors, for navigation.',
        minimum=0,
        maximum=NUM_NEIGHBORS,
    )
    voxel_size_m: float = described(
        0.05,
        'Of each cube of this size one point is sent, in the middle of its points; 0 sends all.',
        unit='m',
        minimum=0.0,
        maximum=10.0,
    )
    max_points: int = described(
        20000,
        'Largest number of points of each cloud: evenly many are left out; 0 sets no bound.',
        minimum=0,
        maximum=LARGEST_INTEGER,
    )
    max_rate_hz: float = described(
        0.0,
        'Most messages a second on each of the three topics, by their stamps; 0 sends each.',
        unit='Hz',
        minimum=0.0,
        maximum=1000.0,
    )
    scan_frame: str = described(
        '',
        'Frame of scan, with z up; its origin is where beams begin. Empty takes base_frame.',
    )
    scan_increment_rad: float = described(
        0.0087266,
        'Angle between two beams of scan, raised to that between two pixels; half a degree.',
        unit='rad',
        minimum=0.0005,
        maximum=0.5,
    )
    scan_min_points: int = described(
        3,
        'Pixels of a beam of scan that make an obstacle; its range is that of the last of them.',
        minimum=1,
        maximum=1000,
    )
    scan_max_unknown: float = described(
        0.5,
        'A beam without an obstacle is free (+Inf) only if at most this share of its pixels is '
        'unknown; else it is NaN.',
        minimum=0.0,
        maximum=1.0,
    )

    def check_together(self) -> None:
        """Refuse a height band without height, and names that no frame has."""
        _check_frame('base_frame', self.base_frame)
        if self.scan_frame:
            _check_frame('scan_frame', self.scan_frame)
        if not self.min_height_m < self.max_height_m:
            raise SettingError(
                '{min_height_m} must be below {max_height_m}, got '
                f'{self.min_height_m:g} and {self.max_height_m:g}; correct one of them'
            )


def _check_frame(setting: str, frame: str) -> None:
    """Refuse a name that TF knows no frame by."""
    if frame and not frame.startswith('/') and not any(letter.isspace() for letter in frame):
        return
    proposed = ''.join(frame.split()).lstrip('/') or 'base_link'
    raise SettingError(
        f'{{{setting}}} must be the name of a frame, without a slash before it and without '
        f'blanks, got {frame!r}; set it to e.g. {proposed}'
    )
