"""Bytes of a message's ``data``, whatever holds them.

Up to Kilted, rclpy gives ``array.array``. From Lyrical on a field may be a
``rosidl_buffer.Buffer`` of a vendor (ROS 2 documentation, "About rosidl::Buffer backends";
``rosidl_buffer_py``): it has ``backend_type``, ``to_bytes`` and a length, and no buffer protocol,
so that its bytes are copied once. ``BACKENDS`` is where a reader that needs no such copy goes.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, runtime_checkable

import numpy as np

from depth_ros.errors import ImageError

LOGGER = logging.getLogger(__name__)


@runtime_checkable
class VendorBuffer(Protocol):
    """What ``rosidl_buffer.Buffer`` offers."""

    def to_bytes(self) -> bytes:
        """Copy the contents into memory of the CPU."""

    def __len__(self) -> int: ...


ByteData = bytes | bytearray | memoryview | array | np.ndarray | VendorBuffer  # type: ignore[type-arg]

BACKENDS: Mapping[str, Callable[[Any], np.ndarray]] = {}
"""Readers by ``backend_type``; each returns ``(N,) uint8`` without a copy. None is written yet:
that of ``cuda`` would give an engine on the GPU the image where it lies (not measured)."""


def byte_view(data: object) -> np.ndarray:
    """Return the bytes as ``(N,)`` uint8: a view where possible, treat it as read-only.

    What has the buffer protocol or NumPy's array interface is viewed, if it is contiguous. All
    else is copied once, and the log says so once for each kind.

    Raises:
        ImageError: With reason ``'data_type'`` if these are no bytes.
    """
    reader = BACKENDS.get(str(getattr(data, 'backend_type', '')))
    if reader is not None:
        return reader(data)
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        return _other_bytes(data)
    if view.c_contiguous:
        return np.frombuffer(view.cast('B'), np.uint8) if view.nbytes else np.zeros(0, np.uint8)
    _tell_copy(type(data).__name__, 'its bytes do not lie together')
    return np.frombuffer(view.tobytes(), np.uint8)


def whole_bytes(data: object) -> bytes:
    """Return the bytes as one object, for decoders of pictures; errors as ``byte_view``."""
    return data if isinstance(data, bytes) else byte_view(data).tobytes()


def _other_bytes(data: object) -> np.ndarray:
    """Read what has no buffer protocol."""
    kind = type(data).__name__
    backend = getattr(data, 'backend_type', '')
    if hasattr(data, '__array_interface__'):
        found = np.asarray(data)
        _expect(found.dtype == np.uint8, kind, f'numbers of {found.dtype}')
        return found.reshape(-1)
    if callable(getattr(data, 'to_bytes', None)) and not isinstance(data, int):
        _tell_copy(kind, f'it is a buffer of {backend or "a vendor"}')
        return _bytes_of(data.to_bytes(), kind)  # type: ignore[attr-defined]
    if hasattr(data, '__bytes__'):
        _tell_copy(kind, 'it has no buffer protocol')
        return _bytes_of(bytes(data), kind)  # type: ignore[call-overload]
    if isinstance(data, Sequence) and not isinstance(data, str):
        _tell_copy(kind, 'it is a sequence of numbers')
        return _listed(data, kind)
    raise _no_bytes(kind, 'nothing that gives bytes')


def _bytes_of(found: object, kind: str) -> np.ndarray:
    _expect(isinstance(found, bytes | bytearray | memoryview), kind, f'a {type(found).__name__}')
    return np.frombuffer(found, np.uint8) if found else np.zeros(0, np.uint8)  # type: ignore[call-overload]


def _listed(data: Sequence[object], kind: str) -> np.ndarray:
    try:
        return np.frombuffer(bytes(data), np.uint8) if data else np.zeros(0, np.uint8)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise _no_bytes(kind, str(error)) from None


def _expect(is_so: bool, kind: str, what: str) -> None:
    if not is_so:
        raise _no_bytes(kind, what)


def _no_bytes(kind: str, what: str) -> ImageError:
    return ImageError(
        'data_type',
        f'data of a message must be bytes, got {kind} with {what}; give array.array, bytes, a '
        'NumPy array of uint8, or a buffer with to_bytes()',
    )


@cache
def _tell_copy(kind: str, why: str) -> None:
    LOGGER.info(
        '[copied_data] data in a %s is copied once a message: %s; array.array, bytes and NumPy '
        'arrays are not',
        kind,
        why,
    )
