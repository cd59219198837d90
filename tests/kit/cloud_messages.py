"""Clouds and depth images as messages, and the camera and values they are made of."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.messages.clouds import fill_point_cloud
from tests.kit import message_doubles as doubles

HEIGHT, WIDTH = 12, 16
CAMERA = ideal_camera(fx=20.0, fy=20.0, cx=7.5, cy=5.5, height=HEIGHT, width=WIDTH)
FLOAT32, FLOAT64, UINT32 = 7, 8, 6
POINT = np.array([1.5, -2.25, 3.0], np.float32)
ORANGE = (255, 128, 7)


def point_field(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(**values)


def random_rgb() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def ramp_depth() -> np.ndarray:
    depth = np.linspace(1.0, 3.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    depth[0, 0], depth[0, 2], depth[2, 0] = np.nan, np.inf, -np.inf
    return depth


def cloud_message(cloud: np.ndarray) -> SimpleNamespace:
    message = doubles.point_cloud()
    fill_point_cloud(message, cloud, point_field)
    return message


def one_point(
    *, layout: dict[str, str], color: int | None = 0x00FF8007, big: bool = False
) -> SimpleNamespace:
    """A cloud of one point; ``layout`` gives NumPy's type of each field, in order."""
    order = '>' if big else '<'
    dtype = np.dtype([(name, order + kind) for name, kind in layout.items()])
    point = np.zeros(1, dtype)
    point['x'], point['y'], point['z'] = POINT
    for name in ('rgb', 'rgba'):
        if name in layout:
            bits = np.array([color], order + 'u4')
            point[name] = bits.view(dtype[name])
    kinds = {'f4': FLOAT32, 'f8': FLOAT64, 'u4': UINT32}
    fields = [
        point_field(name=name, offset=dtype.fields[name][1], datatype=kinds[kind], count=1)
        for name, kind in layout.items()
    ]
    return SimpleNamespace(
        **{
            **vars(doubles.point_cloud()),
            'height': 1,
            'width': 1,
            'fields': fields,
            'is_bigendian': big,
            'point_step': dtype.itemsize,
            'row_step': dtype.itemsize,
            'data': array('B', point.tobytes()),
        }
    )
