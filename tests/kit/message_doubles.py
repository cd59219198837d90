"""Message-shaped doubles with rclpy's field types, and their official wire format."""

from __future__ import annotations

from array import array
from dataclasses import fields
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

BYTES = array('B').typecode


def header(frame_id: str = '') -> SimpleNamespace:
    return SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id=frame_id)


def image(**changes: Any) -> SimpleNamespace:
    empty = {
        'header': header(),
        'height': 0,
        'width': 0,
        'encoding': '',
        'is_bigendian': 0,
        'step': 0,
        'data': array(BYTES),
    }
    return SimpleNamespace(**{**empty, **changes})


def image_of(values: np.ndarray, encoding: str, *, padding: int = 0, is_bigendian: int = 0) -> Any:
    """Image message with the bytes of an array as they lie, rows padded with 0xAB."""
    height, width = values.shape[:2]
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xAB)
    return image(
        height=height,
        width=width,
        encoding=encoding,
        step=padded.shape[1],
        is_bigendian=is_bigendian,
        data=array(BYTES, padded.tobytes()),
    )


def roi(**changes: Any) -> SimpleNamespace:
    empty = {'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0, 'do_rectify': False}
    return SimpleNamespace(**{**empty, **changes})


def camera_info(**changes: Any) -> SimpleNamespace:
    empty = {
        'header': header(),
        'height': 0,
        'width': 0,
        'distortion_model': '',
        'd': array('d'),
        'k': np.zeros(9),
        'r': np.zeros(9),
        'p': np.zeros(12),
        'binning_x': 0,
        'binning_y': 0,
        'roi': roi(),
    }
    return SimpleNamespace(**{**empty, **changes})


def disparity_image() -> SimpleNamespace:
    return SimpleNamespace(
        header=header(),
        image=image(),
        f=0.0,
        t=0.0,
        valid_window=roi(),
        min_disparity=0.0,
        max_disparity=0.0,
        delta_d=0.0,
    )


def point_cloud() -> SimpleNamespace:
    return SimpleNamespace(
        header=header(),
        height=0,
        width=0,
        fields=[],
        is_bigendian=False,
        point_step=0,
        row_step=0,
        data=array(BYTES),
        is_dense=True,
    )


def over_the_wire(double: SimpleNamespace, type_name: str) -> Any:
    """Serialise a double by the official definition and read it back.

    Fails where a field is missing, of the wrong type or out of the range of its wire type.
    """
    store = typestore()
    return store.deserialize_cdr(serialized(double, type_name, store), type_name)


def typestore() -> Any:
    typesys = imported('rosbags.typesys')
    return typesys.get_typestore(typesys.Stores.ROS2_JAZZY)


def serialized(double: SimpleNamespace, type_name: str, store: Any) -> Any:
    message = _as_type(double, store.types[type_name], store.types)
    return store.serialize_cdr(message, type_name)


def _as_type(double: Any, message_type: Any, types: Any) -> Any:
    values = {}
    for field in fields(message_type):
        if not str(field.type).startswith('ClassVar'):
            values[field.name] = _as_value(getattr(double, field.name), str(field.type), types)
    return message_type(**values)


def _as_value(value: Any, type_name: str, types: Any) -> Any:
    if isinstance(value, array):
        return np.frombuffer(value, value.typecode) if len(value) else np.zeros(0, value.typecode)
    if isinstance(value, list):
        return [_as_type(item, types['sensor_msgs/msg/PointField'], types) for item in value]
    if isinstance(value, SimpleNamespace):
        return _as_type(value, types[type_name.replace('__', '/')], types)
    return value


def imported(name: str) -> ModuleType:
    """Import a module of rosbags, or skip the test; who writes sample files may lack pytest."""
    try:
        return import_module(name)
    except ImportError:
        import pytest

        pytest.skip('rosbags is not installed')
