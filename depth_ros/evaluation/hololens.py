"""Posed frames of a headset with measured depth: the sample of deep-video-mvs.

``images/NAME.png``, ``depth/NAME.png`` (16 bits, millimetres, 0 unknown) in the images' pixels,
``K.txt``, ``poses.txt`` (a row an image of the recording: 4x4 camera to world, metres) and
``frame_rows.csv`` (columns ``file`` and ``pose_row``) for those rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.files.image import read_rgb
from depth_ros.files.maps import read_depth
from depth_ros.files.posed.poses import read_pose_folder

FOLDER = 'hololens_mvs'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PosedFrame:
    """One frame of the recording.

    Attributes:
        name: Stem of its files.
        image_path: Its image.
        depth_path: Its depth.
        k: ``(3, 3)`` of its pixels.
        world_from_camera: ``(4, 4)`` metres.
    """

    name: str
    image_path: Path
    depth_path: Path
    k: np.ndarray
    world_from_camera: np.ndarray

    def camera(self, size: tuple[int, int], *, top: int = 0, left: int = 0) -> PinholeCamera:
        """Return the camera of a window: its (height, width), and where it begins, px."""
        return ideal_camera(
            fx=self.k[0, 0],
            fy=self.k[1, 1],
            cx=self.k[0, 2] - left,
            cy=self.k[1, 2] - top,
            height=size[0],
            width=size[1],
        )

    def image(self) -> np.ndarray:
        """Read the image, ``(H, W, 3)`` uint8 RGB; raises InputError if it cannot be read."""
        return read_rgb(self.image_path)

    def depth(self) -> np.ndarray:
        """Read the depth, ``(H, W)`` float64 m, NaN unknown; raises InputError likewise."""
        return read_depth(self.depth_path).astype(np.float64)


def read_frames(folder: Path) -> dict[str, PosedFrame]:
    """Read which frames there are, by name and in that order.

    Raises:
        InputError: If the files of calibration and poses are damaged.
        OSError: If one is missing.
    """
    return {
        view.name: PosedFrame(
            name=view.name,
            image_path=view.image,
            depth_path=folder / 'depth' / f'{view.name}.png',
            k=view.k,
            world_from_camera=view.world_from_camera,
        )
        for view in read_pose_folder(folder).views
    }
