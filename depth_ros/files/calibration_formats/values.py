"""What calibration files give, and how two cameras without R and P become a rig."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera, camera_from_calibration, ideal_camera
from depth_ros.errors import CalibrationError, InputError
from depth_ros.files.calibration_formats.stated import Stated, check_stated
from depth_ros.files.given_file import given_text
from depth_ros.frames import UsefulPart

ImageSize = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoCalibration:
    """Two cameras as a file gives them.

    Attributes:
        left: Left camera.
        right: Right camera; its ``p[0, 3]`` carries the baseline where the file has one.
        is_rectified: Whether images of this calibration are rectified by convention; formats that
            describe raw cameras say False.
        format: Name of the format; empty where it came from no file.
        depth_range_m: Nearest and farthest depth that the file calls useful, or None.
        valid_region: Left, top, right, bottom of what the left image shows usefully, in shares of
            its sides, or None.
    """

    left: PinholeCamera
    right: PinholeCamera
    is_rectified: bool
    format: str = ''
    depth_range_m: tuple[float, float] | None = None
    valid_region: tuple[float, float, float, float] | None = None

    @property
    def useful(self) -> UsefulPart:
        """What the file calls useful; all else is unknown."""
        return UsefulPart(region=self.valid_region, depth_range_m=self.depth_range_m)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoCalibration:
    """One camera as a file gives it.

    Attributes:
        camera: The camera.
        is_rectified: As in ``StereoCalibration``.
        format: Name of the format.
    """

    camera: PinholeCamera
    is_rectified: bool
    format: str = ''


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadOptions:
    """What a reader may need besides the file.

    Attributes:
        image_size: ``(height, width)`` of the images, for formats that do not state it.
        image: One of the left images, whose folder tells KITTI's grey from its colour pair.
        alpha: As of OpenCV's ``stereoRectify``, where R and P are computed: 0 shows only valid
            pixels, 1 keeps every raw one.
    """

    image_size: ImageSize | None = None
    image: Path | None = None
    alpha: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RawCamera:
    """A camera without R and P.

    Attributes:
        k: ``(3, 3)`` float64.
        d: ``(n,)`` coefficients in OpenCV's order.
        distortion_model: CameraInfo's name.
        size: ``(height, width)``.
        name: Of the camera, for its frame.
    """

    k: np.ndarray
    d: np.ndarray
    size: ImageSize
    distortion_model: str = 'plumb_bob'
    name: str = ''

    def camera(self, *, r: np.ndarray | None = None, p: np.ndarray | None = None) -> PinholeCamera:
        """Return the camera with R and P; without them it is its own rectified camera."""
        return camera_from_calibration(
            k=self.k,
            d=self.d,
            distortion_model=self.distortion_model,
            r=np.eye(3) if r is None else r,
            p=np.zeros(12) if p is None else p,
            height=self.size[0],
            width=self.size[1],
            frame_id=self.name,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Extrinsics:
    """``x_right = r @ x_left + t_m``: the right camera from the left one, as OpenCV has it."""

    r: np.ndarray
    t_m: np.ndarray = field()


def rectified_pair(
    *,
    focal: tuple[float, float],
    left_center: tuple[float, float],
    right_center: tuple[float, float],
    baseline_m: float,
    size: ImageSize,
    name: str,
    stated: Stated | None = None,
) -> StereoCalibration:
    """Return a rig of images that are rectified already; lengths in pixels.

    Raises:
        CalibrationError: As ``check_stated``, where the file's key of the baseline is given.
    """

    def camera(center: tuple[float, float], tx: float) -> PinholeCamera:
        return ideal_camera(
            fx=float(focal[0]),
            fy=float(focal[1]),
            cx=float(center[0]),
            cy=float(center[1]),
            height=size[0],
            width=size[1],
            tx=tx,
        )

    left, right = camera(left_center, 0.0), camera(right_center, -float(focal[0]) * baseline_m)
    if stated is not None:
        check_stated(stated, baseline_m, rise_m=0.0)
    return StereoCalibration(
        left=left,
        right=right,
        is_rectified=True,
        format=name,
    )


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn what a broken file raises into one sentence that names it.

    Raises:
        CalibrationError: Reason ``'calibration_file'``; those of the calibration itself keep their
            reason and gain the path.
    """
    try:
        yield
    except CalibrationError as error:
        named = str(error) if str(path) in str(error) else f'{path}: {error}'
        raise CalibrationError(error.reason, named) from None
    except _BROKEN as error:
        detail = _in_words(error)
        raise CalibrationError(
            'calibration_file',
            f'{path} looks like {what} but cannot be read ({detail}); '
            'write it again from the calibration tool',
        ) from None


def _in_words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f'{error} is missing'
    return (str(error) or type(error).__name__).splitlines()[0]


_BROKEN = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)


def calibration_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        CalibrationError: Reason ``'calibration_file'``.
    """
    try:
        return given_text(path)
    except InputError as error:
        raise CalibrationError('calibration_file', str(error)) from None


def stated_size(path: Path, size: ImageSize | None) -> ImageSize:
    """Return a size, or say that the file has none.

    Raises:
        CalibrationError: Reason ``'calibration_size'``.
    """
    if size is None:
        raise CalibrationError(
            'calibration_size',
            f'{path} does not state the image size; pass image_size (--size WIDTHxHEIGHT)',
        )
    return size
