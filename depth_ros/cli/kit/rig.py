"""A pair of image files and a calibration -> one frame, as a node would get it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera, scaled_camera
from depth_ros.cli.kit.images import PairFiles
from depth_ros.errors import CalibrationError, ImageError, ParameterError
from depth_ros.files.calibration import StereoCalibration, read_stereo_calibration
from depth_ros.files.image import read_rgb, usual_size
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.geometry.rectify import RIG_LOGGER


@dataclass(frozen=True, kw_only=True, slots=True)
class RigSettings:
    """How images and calibration belong together.

    Attributes:
        calibration: Files, as ``read_stereo_calibration`` takes them.
        is_rectified: Whether the images are rectified; None takes the format's convention.
        is_scaled: Whether images of another size are resized ones of the calibrated size.
        fov_deg: Horizontal field of view of the cameras, instead of a calibration; 0 if unknown.
        baseline_m: Distance between the cameras, instead of a calibration; 0 if unknown.
    """

    calibration: tuple[Path, ...]
    is_rectified: bool | None
    is_scaled: bool
    fov_deg: float = 0.0
    baseline_m: float = 0.0

    @property
    def has_metres(self) -> bool:
        """Whether depth in metres follows from disparity."""
        return bool(self.calibration) or self.fov_deg > 0.0


def rig_settings(arguments: argparse.Namespace) -> RigSettings:
    """Read what ``add_pair_arguments`` added.

    Raises:
        ParameterError: If a rough calibration is not whole, or stands beside a file.
    """
    fov_deg, baseline_m = getattr(arguments, 'fov_deg', 0.0), arguments.baseline_m or 0.0
    if fov_deg and not (0.0 < fov_deg < 180.0 and baseline_m > 0.0 and not arguments.calibration):
        raise ParameterError(
            'a rough calibration is --fov-deg within 0..180 with --baseline-m above 0, and no '
            f'--calibration; got {fov_deg:g} and {baseline_m:g}'
        )
    return RigSettings(
        calibration=tuple(arguments.calibration or ()),
        is_rectified=arguments.is_rectified,
        is_scaled=arguments.scale_calibration,
        fov_deg=fov_deg,
        baseline_m=baseline_m,
    )


class Rig:
    """A calibration; the file is read at the first pair.

    Some formats do not state a size: theirs is the one that most images have.
    """

    def __init__(
        self, settings: RigSettings, *, alpha: float = 0.0, images: Sequence[Path] = ()
    ) -> None:
        """Remember the settings; nothing is read yet.

        Args:
            settings: How images and calibration belong together.
            alpha: As of ``ReadOptions``.
            images: Left images of all pairs; empty takes the first pair's for them.
        """
        self._settings = settings
        self._alpha = alpha
        self._images = images
        self._calibration: StereoCalibration | None = None

    @property
    def calibration(self) -> StereoCalibration | None:
        """As the file gives it; None before the first pair."""
        return self._calibration

    def read_frame(self, pair: PairFiles) -> StereoFrame:
        """Read one pair.

        Raises:
            ImageError: If an image cannot be read or the two differ in size.
            CalibrationError: If the calibration cannot be read or is for another size.
        """
        left, right = read_rgb(pair.left), read_rgb(pair.right)
        if left.shape != right.shape:
            raise ImageError(
                'size_mismatch',
                f'{pair.left} is {left.shape[1]}x{left.shape[0]} but {pair.right} is '
                f'{right.shape[1]}x{right.shape[0]}; give two images of one size',
            )
        calibration = self._calibration_for(left, pair.left)
        return StereoFrame(
            left=MonoFrame(
                image=left,
                camera=calibration.left,
                stamp_ns=0,
                is_rectified=calibration.is_rectified,
            ),
            right=MonoFrame(
                image=right,
                camera=calibration.right,
                stamp_ns=0,
                is_rectified=calibration.is_rectified,
            ),
            useful=calibration.useful,
        )

    def describe(self) -> str:
        """Return where the calibration came from and how images are taken."""
        if self._calibration is None:
            return 'not read'
        kind = 'rectified' if self._calibration.is_rectified else 'raw'
        return f'{self._calibration.format}, images taken as {kind}'

    def _calibration_for(self, image: np.ndarray, path: Path) -> StereoCalibration:
        """Read the calibration once and fit it to the image's size."""
        height, width = image.shape[:2]
        if not self._settings.calibration:
            self._calibration = _uncalibrated(self._settings, height, width)
            if not self._settings.has_metres:
                # The log must not tell a baseline that nobody gave.
                logging.getLogger(RIG_LOGGER).setLevel(logging.WARNING)
        if self._calibration is None:
            read = read_stereo_calibration(
                self._settings.calibration,
                image_size=usual_size(self._images) or (height, width),
                image=path,
                alpha=self._alpha,
            )
            is_rectified = self._settings.is_rectified
            if is_rectified is not None:
                read = replace(read, is_rectified=is_rectified)
            self._calibration = read
        left, right = self._calibration.left, self._calibration.right
        is_scaled = self._settings.is_scaled
        read_unsized = partial(read_stereo_calibration, self._settings.calibration)
        return replace(
            self._calibration,
            left=fitted_camera(left, image, is_scaled=is_scaled, read=read_unsized),
            right=fitted_camera(right, image, is_scaled=is_scaled, read=read_unsized),
        )


def _uncalibrated(settings: RigSettings, height: int, width: int) -> StereoCalibration:
    """Return equal cameras side by side; without a field of view their metres mean nothing."""
    half_rad = np.radians(settings.fov_deg or 90.0) / 2.0
    # Where nobody states an angle the longer side has it: no image is refused for a made-up one.
    side = width if settings.fov_deg else max(width, height)
    f_px = side / 2.0 / float(np.tan(half_rad))
    cx, cy = (width - 1) / 2.0, (height - 1) / 2.0
    left = ideal_camera(fx=f_px, fy=f_px, cx=cx, cy=cy, height=height, width=width)
    p = left.p.copy()
    p[0, 3] = -f_px * (settings.baseline_m or 1.0)
    name = f'--fov-deg {settings.fov_deg:g} (rough)' if settings.fov_deg else 'none'
    return StereoCalibration(left=left, right=replace(left, p=p), is_rectified=True, format=name)


def fitted_camera(
    camera: PinholeCamera,
    image: np.ndarray,
    *,
    is_scaled: bool,
    read: Callable[[], object] | None = None,
) -> PinholeCamera:
    """Return the camera of an image.

    Args:
        camera: Calibrated camera.
        image: ``(H, W, 3)`` uint8 image of it.
        is_scaled: Whether images of another size are resized ones of the calibrated size.
        read: Reads the file without a size, to tell whether it states one; None where it does.

    Raises:
        CalibrationError: If the sizes do not fit.
    """
    height, width = image.shape[:2]
    if (camera.height, camera.width) == (height, width):
        return camera
    is_same_shape = abs(camera.height * width / (camera.width * height) - 1.0) < 0.01
    if is_scaled and is_same_shape:
        return scaled_camera(camera, height=height, width=width)
    remedy = 'add --scale-calibration if they are resized' if is_same_shape else 'give its own'
    raise CalibrationError(
        'calibration_size',
        f'the calibration is for {camera.width}x{camera.height}{_source_of_size(read)} but the '
        f'images are {width}x{height}; {remedy}',
    )


def _source_of_size(read: Callable[[], object] | None) -> str:
    try:
        if read is not None:
            read()
    except CalibrationError as error:
        if error.reason == 'calibration_size':
            return ' (its file states no size: that of other images is taken)'
    return ''
