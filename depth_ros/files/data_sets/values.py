"""What a data set's folder holds: files by frame, with stamps and calibration."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetCamera:
    """A pinhole camera without distortion, in pixels.

    Attributes:
        fx: Focal length.
        fy: Focal length.
        cx: Column of the principal point; the centre of the first pixel is 0.
        cy: Row of it.
        size: ``(height, width)`` that they are for; None takes them for images as they are.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    size: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthFiles:
    """One image with its depth.

    Attributes:
        image: Image file.
        depth: Depth image of 16-bit steps.
        stamp_ns: Time of the image.
    """

    image: Path
    depth: Path
    stamp_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthSet:
    """Images with depth.

    Attributes:
        frames: In order of time.
        camera: Of the images.
        depth_camera: Of the depth, None where it is registered to the images.
        unit_m: Metres of one step of depth.
        unknown_steps: Steps that mean "unknown", besides 0.
        notes: What an operator should know.
    """

    frames: tuple[DepthFiles, ...]
    camera: DataSetCamera
    unit_m: float
    depth_camera: DataSetCamera | None = None
    unknown_steps: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoFiles:
    """One pair.

    Attributes:
        name: Name for results; unique in the set.
        left: Left image.
        right: Right image.
        stamp_ns: Time of the left image.
        calibration: Files as ``read_stereo_calibration`` takes them.
        is_rectified: Whether the images are rectified; None goes by the calibration's format.
    """

    name: str
    left: Path
    right: Path
    stamp_ns: int
    calibration: tuple[Path, ...]
    is_rectified: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoSet:
    """Pairs in order of time.

    Attributes:
        pairs: The pairs.
        unpaired: Left images without a right one.
        notes: What an operator should know.
    """

    pairs: tuple[StereoFiles, ...]
    unpaired: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def expected(folder: Path, what: str) -> InputError:
    """Make the error for a folder that is not laid out so; reason ``'layout'``."""
    return InputError(
        'layout', f'{folder} must hold {what}; name that folder, or another --layout'
    )


def some(folder: Path, items: Sized, what: str) -> None:
    """Require that something was found.

    Raises:
        InputError: Reason ``'layout'``.
    """
    if not items:
        raise expected(folder, what)
