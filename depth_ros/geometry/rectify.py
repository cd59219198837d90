"""Rectification: maps built once for a calibration, then one remap an image.

The distortion models are those of ``sensor_msgs/distortion_models.hpp`` as OpenCV computes them:
Brown's radial and tangential terms, the rational model, and the equidistant fisheye of Kannala
and Brandt (2006). Fixed-point maps (``CV_16SC2``) hold positions to 1/32 pixel and are nearly
twice as fast as floating-point ones.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.calibration.lens import believable_radius
from depth_ros.camera import (
    PinholeCamera,
    StereoCamera,
    aligned_camera,
    rectified_camera,
    stereo_camera,
)
from depth_ros.errors import CalibrationError
from depth_ros.frames import MonoFrame, RectifiedStereo, StereoFrame

RIG_LOGGER = 'depth_ros.geometry.rectify'
"""Tells the accepted rig at level INFO."""

LOGGER = logging.getLogger(RIG_LOGGER)
IDENTITY_TOLERANCE_PX = 1.0 / 64.0
"""Maps that move no pixel farther change nothing: half a step of the fixed-point maps."""

SMALLEST_COVERAGE = 0.05
"""Share of the rectified image that a raw one must fill; zooming out fourfold leaves 6 %."""

GOOD_COVERAGE = 0.6
"""Share below which the rest is told."""

LARGEST_FX_DIFFERENCE = 0.03
"""Of the two P of raw images, as a share, that goes without a word."""

OUTSIDE_PX = np.float32(-1e4)


class MonoRectifier:
    """Rectifies the images of one camera; make another one when the calibration changes.

    Maps are built when the first raw image needs them: rectified ones never do.

    Attributes:
        camera: Calibration of the rectified image: K from P, no distortion, R = I.
    """

    def __init__(self, camera: PinholeCamera) -> None:
        """Remember the calibration; nothing is built yet."""
        self.camera = rectified_camera(camera)
        self._raw = camera
        self._built: _RawMaps | CalibrationError | None = None

    @property
    def is_identity(self) -> bool:
        """Whether the calibration leaves every pixel where it is; errors as ``rectify_image``."""
        return self._maps().fixed is None

    @property
    def covered(self) -> np.ndarray | None:
        """Where a raw image shows something: ``(H, W)`` bool; None where it does everywhere.

        False where a rectified pixel lies outside the raw image, or on a ray beyond those that the
        distortion model can be believed for; it is black then. Errors as ``rectify_image``.
        """
        return self._maps().covered

    def rectify(self, frame: MonoFrame) -> MonoFrame:
        """Rectify a frame, unless it says that it is rectified already.

        Raises:
            CalibrationError: As ``rectify_image``.
        """
        return MonoFrame(
            image=self.rectify_image(frame),
            camera=self.camera,
            stamp_ns=frame.stamp_ns,
            is_rectified=True,
        )

    def rectify_image(self, frame: MonoFrame) -> np.ndarray:
        """Return rectified ``(H, W, 3)`` uint8 image; the frame's own where nothing is done.

        Raises:
            CalibrationError: If the image is not of the calibration's size, or is raw and K is
                unknown (``'calibration_values'``) or next to nothing of it would be seen
                (``'rectified_empty'``).
        """
        self.camera.check_image_size(frame.image.shape[0], frame.image.shape[1])
        maps = None if frame.is_rectified else self._maps().fixed
        if maps is None:
            return frame.image
        return np.asarray(
            cv2.remap(
                frame.image,
                maps.positions,
                maps.fractions,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
            )
        )

    def covered_in(self, frame: MonoFrame) -> np.ndarray | None:
        """Return ``covered`` for a raw frame, None for one that came rectified."""
        return None if frame.is_rectified else self.covered

    def _maps(self) -> _RawMaps:
        if self._built is None:
            try:
                self._built = _raw_maps(self._raw)
            except CalibrationError as error:
                self._built = error
        if isinstance(self._built, CalibrationError):
            raise CalibrationError(self._built.reason, str(self._built))
        return self._built


def rectified_rig(
    left: PinholeCamera,
    right: PinholeCamera,
    *,
    baseline_m: float | None = None,
    is_rectified: bool = False,
) -> StereoCamera:
    """Return the rig that rectified images are of; quick, no maps are built.

    Args:
        left: Left calibration, as ``CameraInfo`` has it.
        right: Right calibration, with ``P[0, 3] = -fx * baseline``.
        baseline_m: Used where the right P has no baseline.
        is_rectified: Whether the right images come rectified, so that both P must agree; raw ones
            are brought to the left camera's rows and focal length.

    Raises:
        CalibrationError: If the two do not make a rig; see ``stereo_camera``.
    """
    seen = right if is_rectified else aligned_camera(right, left)
    return stereo_camera(rectified_camera(left), rectified_camera(seen), baseline_m=baseline_m)


class Rectifier:
    """Rectifies the pairs of one rig; make another one when a calibration changes.

    Attributes:
        camera: The rectified rig.
    """

    def __init__(
        self,
        left: PinholeCamera,
        right: PinholeCamera,
        *,
        baseline_m: float | None = None,
        is_rectified: bool = False,
    ) -> None:
        """Prove the rig; arguments and errors are ``rectified_rig``'s."""
        self.camera: StereoCamera = rectified_rig(
            left, right, baseline_m=baseline_m, is_rectified=is_rectified
        )
        if not is_rectified:
            _warn_of_focal_lengths(left, right)
        self._left = MonoRectifier(left)
        self._right = MonoRectifier(right if is_rectified else aligned_camera(right, left))

    @property
    def is_identity(self) -> bool:
        """Whether both calibrations leave every pixel of raw images where it is."""
        return self._left.is_identity and self._right.is_identity

    @property
    def covered(self) -> np.ndarray | None:
        """As in ``MonoRectifier``, for the left image."""
        return self._left.covered

    def covered_in(self, frame: StereoFrame) -> np.ndarray | None:
        """Return ``covered`` if the left image is raw, None if it came rectified."""
        return self._left.covered_in(frame.left)

    def rectify(self, frame: StereoFrame) -> RectifiedStereo:
        """Rectify a pair; an image that says it is rectified passes through untouched.

        Raises:
            CalibrationError: As ``MonoRectifier.rectify_image``.
        """
        return RectifiedStereo(
            left=self._left.rectify_image(frame.left),
            right=self._right.rectify_image(frame.right),
            camera=self.camera,
            stamp_ns=frame.stamp_ns,
            beside=frame.beside,
            useful=frame.useful,
        )


def _warn_of_focal_lengths(left: PinholeCamera, right: PinholeCamera) -> None:
    """Say which focal length the baseline is read by, where the two P are of unlike cameras."""
    if right.p[0, 3] and abs(right.fx / left.fx - 1.0) > LARGEST_FX_DIFFERENCE:
        LOGGER.warning(
            '[focal_lengths_differ] fx of P (P[0,0]) is %g left and %g right, though P is of the '
            'rectified images: the baseline is read as -P[0,3] / fx of the right side, %.4f m, '
            'and would be %.4f m by the left fx; calibrate the two cameras as a stereo rig',
            left.fx,
            right.fx,
            -right.p[0, 3] / right.fx,
            -right.p[0, 3] / left.fx,
        )


class RectifierCache:
    """Makes rectifiers and keeps the latest: maps are built again only when a calibration changes.

    Not thread-safe: one worker owns it.
    """

    def __init__(self, *, num_kept: int = 1) -> None:
        """Start empty; of single cameras as many are kept, or as one call asks for."""
        self._num_kept = num_kept
        self._cameras: dict[bytes, MonoRectifier] = {}
        self._rig: tuple[tuple[bytes, bytes, float, bool], Rectifier] | None = None

    def of_camera(self, camera: PinholeCamera) -> MonoRectifier:
        """Return one camera's rectifier."""
        return self.of_cameras([camera])[0]

    def of_cameras(self, cameras: Sequence[PinholeCamera]) -> list[MonoRectifier]:
        """Return the rectifier of each camera; equal calibrations share one."""
        keys = [camera.fingerprint() for camera in cameras]
        for key, camera in zip(keys, cameras, strict=True):
            kept = self._cameras.pop(key, None)
            self._cameras[key] = kept or MonoRectifier(camera)
        for oldest in list(self._cameras)[: -max(self._num_kept, len(set(keys)))]:
            del self._cameras[oldest]
        return [self._cameras[key] for key in keys]

    def of_rig(
        self,
        left: PinholeCamera,
        right: PinholeCamera,
        *,
        baseline_m: float = 0.0,
        is_rectified: bool = False,
    ) -> Rectifier:
        """Return a rig's rectifier; a new rig is described in the log.

        Args:
            left: Left calibration.
            right: Right calibration.
            baseline_m: Used where the right P has no baseline; 0 where there is none.
            is_rectified: As of ``rectified_rig``.

        Raises:
            CalibrationError: If the two do not make a rig; see ``stereo_camera``.
        """
        key = (left.fingerprint(), right.fingerprint(), baseline_m, is_rectified)
        if self._rig is None or self._rig[0] != key:
            rectifier = Rectifier(
                left, right, baseline_m=baseline_m or None, is_rectified=is_rectified
            )
            LOGGER.info('rig accepted: %s', rectifier.camera.describe())
            self._rig = key, rectifier
        return self._rig[1]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _FloatMaps:
    """Where each rectified pixel lies in the raw image: ``(H, W)`` float32 each, pixels."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _FixedMaps:
    """OpenCV's fixed-point maps: ``(H, W, 2)`` int16 and ``(H, W)`` uint16."""

    positions: np.ndarray
    fractions: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _RawMaps:
    """What raw images need: ``fixed`` is None where nothing moves, ``covered`` where all is."""

    fixed: _FixedMaps | None
    covered: np.ndarray | None


def _raw_maps(camera: PinholeCamera) -> _RawMaps:
    """Build the maps of raw images.

    Raises:
        CalibrationError: If K is unknown, or next to nothing of the raw image would be seen.
    """
    camera.check_raw_intrinsics()
    maps = _float_maps(camera)
    covered = _coverage(maps)
    if covered is not None and covered.mean() < SMALLEST_COVERAGE:
        raise CalibrationError(
            'rectified_empty',
            f'K, D, R and P together put {covered.mean():.1%} of the rectified image inside the '
            f'raw one, expected over {SMALLEST_COVERAGE:.0%}: R turns the camera away or P is of '
            'another image; calibrate the cameras again, or set R to the identity and P to [K|0] '
            'for a single camera',
        )
    if covered is not None and covered.mean() < GOOD_COVERAGE:
        LOGGER.warning(
            '[rectified_black] %.0f %% of the rectified image lie outside the raw one and are '
            'black and unknown; check D, and that P is of these cameras',
            100.0 * (1.0 - covered.mean()),
        )
    return _RawMaps(fixed=None if _is_identity(maps) else _fixed_maps(maps), covered=covered)


def _float_maps(camera: PinholeCamera) -> _FloatMaps:
    size = (camera.width, camera.height)
    projection = np.ascontiguousarray(camera.p[:, :3])
    build = (
        cv2.fisheye.initUndistortRectifyMap if camera.is_fisheye else cv2.initUndistortRectifyMap
    )
    coefficients = camera.d if camera.d.size else np.zeros(4)
    with np.errstate(all='ignore'):
        x, y = build(camera.k, coefficients, camera.r, projection, size, cv2.CV_32FC1)
    if camera.k[0, 1] != 0.0:
        # OpenCV leaves the skew of K out: u = fx x + skew y + cx.
        x += np.float32(camera.k[0, 1] / camera.k[1, 1]) * (y - np.float32(camera.k[1, 2]))
    _forget_unbelievable(x, y, camera)
    return _FloatMaps(x=x, y=y)


def _forget_unbelievable(x: np.ndarray, y: np.ndarray, camera: PinholeCamera) -> None:
    """Move pixels outside whose rays no raw pixel shows, though the formulas give them one.

    Rays behind the camera, and those beyond where the distortion polynomial turns back.
    """
    radius = believable_radius(camera.distortion_model, camera.d)
    rays_from_pixels = np.linalg.inv(camera.p[:, :3] @ camera.r)
    if _reaches(rays_from_pixels, _corners(camera), radius):
        return
    rows, columns = np.mgrid[: camera.height, : camera.width].reshape(2, -1).astype(np.float64)
    pixels = np.stack([columns, rows, np.ones_like(rows)])
    is_lost = ~_is_believable(rays_from_pixels @ pixels, radius).reshape(x.shape)
    _warn_of_turn(is_lost & _is_inside(x, y), radius)
    x[is_lost] = y[is_lost] = OUTSIDE_PX


def _corners(camera: PinholeCamera) -> np.ndarray:
    """Return the four corners as ``(3, 4)`` homogeneous pixels."""
    right, bottom = camera.width - 1.0, camera.height - 1.0
    return np.array([[0.0, right, 0.0, right], [0.0, 0.0, bottom, bottom], [1.0] * 4])


def _reaches(rays_from_pixels: np.ndarray, corners: np.ndarray, radius: float) -> bool:
    """Whether every ray of the image is believable: the corners' are the outermost."""
    return bool(_is_believable(rays_from_pixels @ corners, radius).all())


def _is_believable(rays: np.ndarray, radius: float) -> np.ndarray:
    """Tell of ``(3, N)`` rays which are in front and within the radius."""
    return np.asarray((rays[2] > 0.0) & (np.hypot(rays[0], rays[1]) <= radius * rays[2]))


def _warn_of_turn(is_folded: np.ndarray, radius: float) -> None:
    """Say how many pixels are lost that the formulas would have filled."""
    if is_folded.any():
        LOGGER.warning(
            '[distortion_turns_back] the distortion polynomial turns back at %.0f degrees from '
            'the axis: %.1f %% of the rectified image lie beyond and are unknown; calibrate '
            'again with corners near the borders of the image, or publish a P that shows less',
            np.rad2deg(np.arctan(radius)),
            100.0 * is_folded.mean(),
        )


def _fixed_maps(maps: _FloatMaps) -> _FixedMaps:
    positions, fractions = cv2.convertMaps(maps.x, maps.y, cv2.CV_16SC2)
    return _FixedMaps(positions=positions, fractions=fractions)


def _is_identity(maps: _FloatMaps) -> bool:
    height, width = maps.x.shape
    moved_x = np.abs(maps.x - np.arange(width, dtype=np.float32))
    moved_y = np.abs(maps.y - np.arange(height, dtype=np.float32)[:, np.newaxis])
    return bool(max(moved_x.max(), moved_y.max()) <= IDENTITY_TOLERANCE_PX)


def _coverage(maps: _FloatMaps) -> np.ndarray | None:
    covered = _is_inside(maps.x, maps.y)
    return None if covered.all() else covered


def _is_inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Tell which positions lie in the raw image, which has the size of the maps."""
    height, width = x.shape
    margin = IDENTITY_TOLERANCE_PX
    inside_x = (x >= -margin) & (x <= width - 1 + margin)
    return np.asarray(inside_x & (y >= -margin) & (y <= height - 1 + margin))
