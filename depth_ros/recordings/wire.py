"""ROS messages as bytes and back, by their official definitions; no ROS."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.given_file import given_text
from depth_ros.files.share import share_path

HEADER = 'std_msgs/msg/Header'
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
DISPARITY = 'stereo_msgs/msg/DisparityImage'
ODOMETRY = 'nav_msgs/msg/Odometry'
TRANSFORMS = 'tf2_msgs/msg/TFMessage'
POSE = 'geometry_msgs/msg/PoseStamped'
ROTATION = 'geometry_msgs/msg/QuaternionStamped'
DIRECTION = 'geometry_msgs/msg/Vector3Stamped'
MATCHES = 'depth_ros_interfaces/msg/Matches'
KINDS = (
    IMAGE,
    COMPRESSED_IMAGE,
    CAMERA_INFO,
    POINT_CLOUD,
    DISPARITY,
    ODOMETRY,
    TRANSFORMS,
    POSE,
    ROTATION,
    DIRECTION,
    MATCHES,
)
"""Types that jobs write; their places here are part of the numbers in the files."""

OWN_TYPES = {MATCHES: 'depth_ros_interfaces/msg/Matches.msg'}
"""Definitions that no other package has, below the share folders."""

_LITTLE, _BIG = 1, 0
_PLAIN: dict[str, object] = {'string': '', 'bool': False, 'float32': 0.0, 'float64': 0.0}


def parsed(data: bytes, kind: str) -> Any:
    """Return a message of its bytes.

    Raises:
        InputError: Reason ``'message'``, if they are not of that type.
    """
    try:
        return _store().deserialize_cdr(data, kind)
    except _parse_errors() as error:
        raise InputError(
            'message',
            f'{len(data)} bytes are no {kind} ({type(error).__name__}: {error}); record it again',
        ) from None


def header_of(data: bytes) -> tuple[int, str]:
    """Return stamp in nanoseconds and frame of a message that begins with a ``std_msgs/Header``.

    Raises:
        InputError: Reason ``'message'``, if the bytes end before that.
    """
    try:
        order = '<' if data[1] == _LITTLE else '>'
        seconds, nanoseconds, length = struct.unpack_from(f'{order}iII', data, 4)
        frame = struct.unpack_from(f'{max(0, length - 1)}s', data, 16)[0]
    except (struct.error, IndexError, OverflowError, MemoryError):
        raise InputError(
            'message', f'a message of {len(data)} bytes has no header; record it again'
        ) from None
    return seconds * 1_000_000_000 + nanoseconds, frame.decode('utf-8', 'replace')


def blank(kind: str) -> Any:
    """Return a message whose fields are zero or empty; bytes are ``array.array``, to be filled."""
    return _store().types[kind](**{name: make() for name, make in _blank_fields(kind)})


@cache
def _blank_fields(kind: str) -> tuple[tuple[str, Callable[[], object]], ...]:
    """Return what makes each field of a blank message; looked up once, called for every frame."""
    definition = _store().fielddefs[kind][1]
    return tuple((name, _blank_field(field)) for name, field in definition)


def point_field(**values: object) -> Any:
    """Return a ``sensor_msgs/PointField``."""
    return _store().types['sensor_msgs/msg/PointField'](**values)


def blank_transform() -> Any:
    """Return a ``geometry_msgs/TransformStamped`` as ``blank`` does."""
    return blank('geometry_msgs/msg/TransformStamped')


def serialised(message: Any) -> bytes:
    """Return the bytes of a message."""
    return bytes(_store().serialize_cdr(_with_arrays(message), message.__msgtype__))


@cache
def definition_of(kind: str) -> bytes:
    """Return the text of a type's definition, as MCAP's ``ros2msg`` has it."""
    text, _ = _store().generate_msgdef(kind, ros_version=2)
    return str(text).encode()


@cache
def _store() -> Any:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg(given_text(share_path(OWN_TYPES[MATCHES])), MATCHES))
    return store


def _parse_errors() -> tuple[type[Exception], ...]:
    from rosbags.serde import SerdeError

    return (
        SerdeError,
        struct.error,
        ValueError,
        TypeError,
        IndexError,
        AssertionError,
        OverflowError,
        MemoryError,
    )


def _blank_field(definition: Any) -> Callable[[], object]:
    from rosbags.interfaces import Nodetype

    node, content = definition
    if node == Nodetype.BASE:
        return partial(_PLAIN.get, content[0], 0)
    if node == Nodetype.NAME:
        return partial(blank, content)
    element, length = content
    if element[0] == Nodetype.NAME or element[1][0] == 'string':
        return list
    dtype = np.dtype(element[1][0])
    is_array = node == Nodetype.ARRAY or dtype == np.bool_
    return partial(np.zeros, length or 0, dtype) if is_array else partial(array, dtype.char)


@cache
def _field_names(kind: str) -> tuple[str, ...]:
    """Return the fields of a type of messages."""
    return tuple(name for name, _ in _store().fielddefs[kind][1])


def _with_arrays(value: Any) -> Any:
    """Return a message with NumPy arrays where ``array.array`` was filled in."""
    if isinstance(value, array):
        return np.frombuffer(value, value.typecode) if len(value) else np.zeros(0, value.typecode)
    if isinstance(value, list):
        return [_with_arrays(item) for item in value]
    if not hasattr(value, '__msgtype__'):
        return value
    long = _long_fields(value.__msgtype__)
    if not long:
        return value
    fields = {name: getattr(value, name) for name in _field_names(value.__msgtype__)}
    return type(value)(**{**fields, **{name: _with_arrays(fields[name]) for name in long}})


@cache
def _long_fields(kind: str) -> tuple[str, ...]:
    """Return the fields of a type that hold several numbers, or messages that do."""
    return tuple(name for name, field in _store().fielddefs[kind][1] if _is_long(field))


def _is_long(definition: Any) -> bool:
    from rosbags.interfaces import Nodetype

    node, content = definition
    if node == Nodetype.BASE:
        return False
    return bool(_long_fields(content)) if node == Nodetype.NAME else True
