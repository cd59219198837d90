"""Rectification: maps built once for a calibration, then one remap an image.

The distortion models are those of ``sensor_msgs/distortion_models.hpp`` as OpenCV computes them:
Brown's radial and tangential terms, the rational model, and the equidistant fisheye of Kannala
and Brandt (2006). Fixed-point maps (``CV_16SC2``) hold positions to 1/32 pixel and are nearly
twice as fast as floating-point ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.camera import (
    DistortionModel,
    PinholeCamera,
    StereoCamera,
    rectified_camera,
    stereo_camera,
)
from depth_ros.frames import MonoFrame, RectifiedStereo, StereoFrame

IDENTITY_TOLERANCE_PX = 1.0 / 64.0
"""Maps that move no pixel farther change nothing: half a step of the fixed-point maps."""


class MonoRectifier:
    """Rectifies the images of one camera; make another one when the calibration changes.

    Attributes:
        camera: Calibration of the rectified image: K from P, no distortion, R = I.
        is_identity: Whether the calibration leaves every pixel where it is.
        covered: ``(H, W)`` bool, False where a rectified pixel lies outside the raw image and is
            black; None where all are inside.
    """

    def __init__(self, camera: PinholeCamera) -> None:
        """Build the maps."""
        self.camera = rectified_camera(camera)
        maps = _float_maps(camera)
        self.is_identity = _is_identity(maps)
        self.covered = _coverage(maps)
        self._maps = None if self.is_identity else _fixed_maps(maps)

    def rectify(self, frame: MonoFrame) -> MonoFrame:
        """Rectify a frame, unless it says that it is rectified already.

        Raises:
            CalibrationError: If the image is not of the size that the maps were built for.
        """
        return MonoFrame(
            image=self.rectify_image(frame),
            camera=self.camera,
            stamp_ns=frame.stamp_ns,
            is_rectified=True,
        )

    def rectify_image(self, frame: MonoFrame) -> np.ndarray:
        """Return rectified ``(H, W, 3)`` uint8 image; the frame's own where nothing is done."""
        self.camera.check_image_size(frame.image.shape[0], frame.image.shape[1])
        if frame.is_rectified or self._maps is None:
            return frame.image
        return np.asarray(
            cv2.remap(
                frame.image,
                self._maps.positions,
                self._maps.fractions,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
            )
        )

    def covered_in(self, frame: MonoFrame) -> np.ndarray | None:
        """Return ``covered`` for a raw frame, None for one that came rectified."""
        return None if frame.is_rectified else self.covered


def rectified_rig(
    left: PinholeCamera, right: PinholeCamera, *, baseline_m: float | None = None
) -> StereoCamera:
    """Return the rig that rectified images are of; quick, no maps are built.

    Args:
        left: Left calibration, as ``CameraInfo`` has it.
        right: Right calibration, with ``P[0, 3] = -fx * baseline``.
        baseline_m: Used where the right P has no baseline.

    Raises:
        CalibrationError: If the two do not make a rig; see ``stereo_camera``.
    """
    return stereo_camera(rectified_camera(left), rectified_camera(right), baseline_m=baseline_m)


class Rectifier:
    """Rectifies the pairs of one rig; make another one when a calibration changes.

    Attributes:
        camera: The rectified rig.
        is_identity: Whether both calibrations leave every pixel where it is.
        covered: As in ``MonoRectifier``, for the left image.
    """

    def __init__(
        self, left: PinholeCamera, right: PinholeCamera, *, baseline_m: float | None = None
    ) -> None:
        """Build the maps of both cameras; arguments and errors are ``rectified_rig``'s."""
        self.camera: StereoCamera = rectified_rig(left, right, baseline_m=baseline_m)
        self._left, self._right = MonoRectifier(left), MonoRectifier(right)
        self.is_identity = self._left.is_identity and self._right.is_identity
        self.covered = self._left.covered

    def rectify(self, frame: StereoFrame) -> RectifiedStereo:
        """Rectify a pair; an image that says it is rectified passes through untouched.

        Raises:
            CalibrationError: If an image is not of the size that the maps were built for.
        """
        return RectifiedStereo(
            left=self._left.rectify_image(frame.left),
            right=self._right.rectify_image(frame.right),
            camera=self.camera,
            stamp_ns=frame.stamp_ns,
        )


class RectifierCache:
    """Makes rectifiers and keeps the latest: maps are built again only when a calibration changes.

    Not thread-safe: one worker owns it.
    """

    def __init__(self, *, num_kept: int = 1) -> None:
        """Start empty; of single cameras as many are kept, or as one call asks for."""
        self._num_kept = num_kept
        self._cameras: dict[bytes, MonoRectifier] = {}
        self._rig: tuple[tuple[bytes, bytes, float], Rectifier] | None = None

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
        self, left: PinholeCamera, right: PinholeCamera, *, baseline_m: float = 0.0
    ) -> Rectifier:
        """Return a rig's rectifier.

        Args:
            left: Left calibration.
            right: Right calibration.
            baseline_m: Used where the right P has no baseline; 0 where there is none.

        Raises:
            CalibrationError: If the two do not make a rig; see ``stereo_camera``.
        """
        key = (left.fingerprint(), right.fingerprint(), baseline_m)
        if self._rig is None or self._rig[0] != key:
            self._rig = key, Rectifier(left, right, baseline_m=baseline_m or None)
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


def _float_maps(camera: PinholeCamera) -> _FloatMaps:
    size = (camera.width, camera.height)
    projection = np.ascontiguousarray(camera.p[:, :3])
    is_fisheye = camera.distortion_model is DistortionModel.EQUIDISTANT and camera.d.size > 0
    build = cv2.fisheye.initUndistortRectifyMap if is_fisheye else cv2.initUndistortRectifyMap
    coefficients = camera.d if camera.d.size else np.zeros(5)
    x, y = build(camera.k, coefficients, camera.r, projection, size, cv2.CV_32FC1)
    return _FloatMaps(x=x, y=y)


def _fixed_maps(maps: _FloatMaps) -> _FixedMaps:
    positions, fractions = cv2.convertMaps(maps.x, maps.y, cv2.CV_16SC2)
    return _FixedMaps(positions=positions, fractions=fractions)


def _is_identity(maps: _FloatMaps) -> bool:
    height, width = maps.x.shape
    moved_x = np.abs(maps.x - np.arange(width, dtype=np.float32))
    moved_y = np.abs(maps.y - np.arange(height, dtype=np.float32)[:, np.newaxis])
    return bool(max(moved_x.max(), moved_y.max()) <= IDENTITY_TOLERANCE_PX)


def _coverage(maps: _FloatMaps) -> np.ndarray | None:
    height, width = maps.x.shape
    margin = IDENTITY_TOLERANCE_PX
    inside_x = (maps.x >= -margin) & (maps.x <= width - 1 + margin)
    inside_y = (maps.y >= -margin) & (maps.y <= height - 1 + margin)
    covered = inside_x & inside_y
    return None if covered.all() else covered
