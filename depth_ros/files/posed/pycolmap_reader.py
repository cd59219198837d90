"""COLMAP models through COLMAP's own Python module, for files newer than ``colmap`` knows.

pycolmap is optional; both the names of version 0.6 and those of 3.12 and later are understood.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from depth_ros.errors import DepthRosError
from depth_ros.files.posed.colmap import REMEDY, ColmapImage, ColmapModel, checked_camera
from depth_ros.files.posed.values import damaged


def read_by_pycolmap(place: Path) -> ColmapModel:
    """Read the model in a folder.

    Raises:
        DepthRosError: If pycolmap is not installed.
        InputError: Reason ``'posed_file'`` if it cannot read the model.
    """
    try:
        pycolmap = import_module('pycolmap')
    except ImportError as error:
        raise DepthRosError(
            'reading with pycolmap needs that module, which is missing; type: pip install '
            'pycolmap, or leave it to the reader of this package'
        ) from error
    try:
        model = pycolmap.Reconstruction(str(place))
    except (RuntimeError, ValueError, IndexError) as error:
        raise damaged(place, f'pycolmap cannot read it ({error})', REMEDY) from error
    cameras = {
        key: checked_camera(
            place, _name(camera), (camera.height, camera.width), np.array(camera.params)
        )
        for key, camera in model.cameras.items()
    }
    images = [_image(image) for image in model.images.values() if _has_pose(image)]
    points = np.array([point.xyz for point in model.points3D.values()], np.float64)
    return ColmapModel(cameras=cameras, images=images, points=points.reshape(-1, 3))


def _name(camera: Any) -> str:
    return str(getattr(camera.model, 'name', camera.model))


def _has_pose(image: Any) -> bool:
    return bool(getattr(image, 'has_pose', True))


def _image(image: Any) -> ColmapImage:
    motion = image.cam_from_world
    motion = motion() if callable(motion) else motion
    x, y, z, w = motion.rotation.quat
    return ColmapImage(
        name=image.name,
        camera=image.camera_id,
        quaternion=np.array([w, x, y, z]),
        translation=np.array(motion.translation),
    )
