"""``sensor_msgs/PointCloud2`` and clouds of x, y, z and packed colour."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.buffers import ByteData
from depth_ros.messages.payload import room, unpadded_rows

FLOAT32_FIELD = 7
"""``sensor_msgs/PointField.FLOAT32``."""

POINT_STEP = 16
"""Bytes of one point: x, y, z and the packed colour."""


class PointCloudMessage(Protocol):
    """Fields of ``sensor_msgs/PointCloud2``, the header left to the caller."""

    height: int
    width: int
    fields: list[object]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: ByteData
    is_dense: bool


def fill_point_cloud(
    message: PointCloudMessage, cloud: np.ndarray, point_field_type: Callable[..., object]
) -> None:
    """Set every field of an organised ``sensor_msgs/PointCloud2`` but the header.

    Args:
        message: To be filled; its old bytes are dropped.
        cloud: ``(H, W, 4)`` float32: x, y, z in metres, NaN where unknown, and packed colour.
        point_field_type: ``sensor_msgs.msg.PointField`` or its double.
    """
    np.copyto(cloud_room(message, cloud.shape, point_field_type), cloud)


def cloud_room(
    message: PointCloudMessage,
    shape: tuple[int, ...],
    point_field_type: Callable[..., object],
) -> np.ndarray:
    """Set every field of an organised ``sensor_msgs/PointCloud2`` but the header and the points.

    Args:
        message: To be filled; its old bytes are dropped.
        shape: ``(H, W, 4)``.
        point_field_type: ``sensor_msgs.msg.PointField`` or its double.

    Returns:
        ``shape`` float32, the message's own memory, to write x, y, z and packed colour into.
    """
    message.height, message.width = int(shape[0]), int(shape[1])
    message.fields = [
        point_field_type(name=name, offset=4 * index, datatype=FLOAT32_FIELD, count=1)
        for index, name in enumerate(('x', 'y', 'z', 'rgb'))
    ]
    message.is_bigendian = sys.byteorder == 'big'
    message.point_step = POINT_STEP
    message.row_step = POINT_STEP * int(shape[1])
    message.is_dense = False
    return room(message, message.row_step * message.height).view(np.float32).reshape(shape)


def decode_cloud(message: PointCloudMessage, *, stride: int = 1) -> np.ndarray:
    """Read x, y, z and rgb of a ``sensor_msgs/PointCloud2``, wherever they lie in a point.

    Args:
        message: A cloud of float32 x, y, z; without ``rgb`` or ``rgba`` it is shown grey.
        stride: Step between points, and between rows where there are several.

    Returns:
        ``(h, w, 4)`` float32: x, y, z and the bits ``0x00RRGGBB``.

    Raises:
        ImageError: With reason ``'encoding'``, ``'size'``, ``'step'`` or ``'data_length'``.
    """
    offsets = _field_offsets(message)
    point_step = int(message.point_step)
    rows = _point_rows(message)
    points = rows.reshape(len(rows), -1, point_step)[:: stride if len(rows) > 1 else 1, ::stride]
    cloud = np.zeros((*points.shape[:2], 4), np.float32)
    order = '>f4' if message.is_bigendian else '<f4'
    for index, offset in enumerate(offsets):
        # A colour's bits may be those of a NaN, which a conversion of floats may alter.
        bytes_4 = np.ascontiguousarray(points[..., offset : offset + 4])
        bits = bytes_4.view(order.replace('f', 'u'))[..., 0].astype(np.uint32)
        cloud.view(np.uint32)[..., index] = bits
    if len(offsets) == 3:
        cloud.view(np.uint32)[..., 3] = 0x00C0C0C0
    return cloud


def _point_rows(message: PointCloudMessage) -> np.ndarray:
    height, width = int(message.height), int(message.width)
    if height < 1 or width < 1:
        raise ImageError('size', f'a cloud of {width}x{height} has no point; check its publisher')
    return unpadded_rows(
        message,
        height=height,
        step=int(message.row_step),
        row_bytes=width * int(message.point_step),
        kind='cloud',
        row=f'{width} points',
    )


def _field_offsets(message: PointCloudMessage) -> list[int]:
    """Offsets of x, y, z and, if there is one, of the colour."""
    fields: dict[str, Any] = {str(getattr(item, 'name', '')): item for item in message.fields}
    color = next((name for name in ('rgb', 'rgba') if name in fields), None)
    names = ['x', 'y', 'z', *([color] if color else [])]
    for name in names:
        is_float = name in fields and fields[name].datatype == FLOAT32_FIELD
        is_known = name in fields and (is_float or name == color)
        if not is_known or not 0 <= fields[name].offset <= int(message.point_step) - 4:
            raise ImageError(
                'encoding',
                f'the cloud must have float32 x, y and z within a point, got fields '
                f'{sorted(fields)} and point_step {message.point_step}; remap points',
            )
    return [int(fields[name].offset) for name in names]
