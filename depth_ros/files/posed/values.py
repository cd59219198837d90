"""Result of every reader: views as files, with the folder's data about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.camera import camera_from_calibration
from depth_ros.errors import CalibrationError, InputError
from depth_ros.files.image import read_rgb
from depth_ros.frames import MonoFrame
from depth_ros.geometry.posed_view import PosedView, check_pose, exact_pose

NS_PER_VIEW = 1_000_000_000
"""Stamps of files that have none: one second apart, in order."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewFile:
    """One image file with its camera and pose.

    Attributes:
        name: Name for messages and output files.
        image: Image file.
        k: ``(3, 3)`` intrinsic matrix of the image as it is in the file.
        world_from_camera: ``(4, 4)`` float64, metres (or the model's unit).
        d: Distortion coefficients in OpenCV's order, empty for none.
        distortion_model: As in CameraInfo; empty for none.
        size: ``(height, width)`` that the calibration is for, None where the folder is silent.
        depth_range_m: Nearest and farthest depth, None where the folder is silent.
        sources: Indices of its source views, best first; None where the folder is silent.
    """

    name: str
    image: Path
    k: np.ndarray
    world_from_camera: np.ndarray
    d: np.ndarray
    distortion_model: str = ''
    size: tuple[int, int] | None = None
    depth_range_m: tuple[float, float] | None = None
    sources: tuple[int, ...] | None = None

    def read(self, *, stamp_ns: int = 0) -> PosedView:
        """Read the image and return the view; raises as ``read_rgb`` and ``view``."""
        return self.view(read_rgb(self.image), stamp_ns=stamp_ns)

    def view(self, image: np.ndarray, *, stamp_ns: int) -> PosedView:
        """Join the file's image, ``(H, W, 3)`` uint8 RGB, with camera and pose.

        Raises:
        XX: Reason ``'size_mismatch'`` if the image has another size than the
                calibration, or a pose is not rigid.
        """
        height, width = image.shape[:2]
        if self.size is not None and self.size != (height, width):
            raise InputError(
                'size_mismatch',
                f'{self.image} is {width}x{height}, but its calibration is for '
                f'{self.size[1]}x{self.size[0]}; use the images the model was made from',
            )
        try:
            camera = camera_from_calibration(
                k=self.k.ravel(),
                d=self.d,
                distortion_model=self.distortion_model,
                r=np.zeros(9),
                p=np.zeros(12),
                height=height,
                width=width,
            )
        except CalibrationError as error:
            raise CalibrationError(error.reason, f'view {self.name!r}: {error}') from None
        is_rectified = not (np.any(self.d) or camera.is_fisheye)
        frame = MonoFrame(image=image, camera=camera, stamp_ns=stamp_ns, is_rectified=is_rectified)
        check_pose(self.world_from_camera, what=f'the pose of view {self.name!r}')
        pose = exact_pose(self.world_from_camera)
        return PosedView(frame=frame, world_from_camera=pose, name=self.name)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PosedFolder:
    """Everything a folder holds.

    Attributes:
        layout: ``'mvsnet'``, ``'colmap'`` or ``'poses'``.
        views: Views in order.
        is_sequence: Whether they are in the order they were taken, so that keyframes can be
            chosen as they come.
        is_metric: Whether lengths are metres; a structure-from-motion model's are not.
        points: ``(N, 3)`` sparse points of the world, or empty.
        refused: Views that the folder names but whose camera or pose cannot be used: name and
            why. They are in no other field.
    """

    layout: str
    views: tuple[ViewFile, ...]
    is_sequence: bool
    is_metric: bool
    points: np.ndarray
    refused: tuple[tuple[str, InputError], ...] = ()


def damaged(path: Path, what: str, remedy: str) -> InputError:
    """Make the error for a file that cannot be read, naming it; reason ``'posed_file'``."""
    return InputError('posed_file', f'{path}: {what}; {remedy}')
