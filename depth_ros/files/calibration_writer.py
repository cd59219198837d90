"""Write cameras as ROS's calibration YAML, as ``camera_info_manager`` loads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.files.whole_file import whole_file


def write_ros_yaml(path: Path, camera: PinholeCamera, *, name: str) -> None:
    """Write one camera; ``name`` becomes its ``camera_name``.

    A model with fewer coefficients than the format's readers expect is filled with zeros.
    """
    import yaml

    record = {
        'image_width': camera.width,
        'image_height': camera.height,
        'camera_name': name,
        'camera_matrix': _matrix(camera.k),
        'distortion_model': camera.distortion_model.value,
        'distortion_coefficients': _matrix(_filled(camera).reshape(1, -1)),
        'rectification_matrix': _matrix(camera.r),
        'projection_matrix': _matrix(camera.p),
    }
    with whole_file(path) as draft:
        text = yaml.safe_dump(record, sort_keys=False, default_flow_style=None, width=99)
        draft.write_text(text, encoding='utf-8')


def _matrix(values: np.ndarray) -> dict[str, object]:
    rows, columns = values.shape
    return {'rows': rows, 'cols': columns, 'data': [float(value) for value in values.ravel()]}


def _filled(camera: PinholeCamera) -> np.ndarray:
    """Return D with all coefficients that the model has: 4 of a fisheye, else 5 at least."""
    count = max(camera.d.size, 4 if camera.is_fisheye else 5)
    return np.concatenate([camera.d, np.zeros(count - camera.d.size)])
