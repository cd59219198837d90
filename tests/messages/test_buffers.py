"""Data of messages in whatever holds bytes: viewed where possible, copied once and said so."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from depth_ros.errors import ImageError
from depth_ros.geometry.depth import organised_cloud
from depth_ros.messages import buffers
from depth_ros.messages.buffers import byte_view, whole_bytes
from depth_ros.messages.clouds import decode_cloud
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.images import announced_size, decode_any_image, decode_image
from tests.kit import message_doubles as doubles
from tests.kit.cloud_messages import CAMERA, cloud_message, ramp_depth, random_rgb

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


class RosidlBuffer:
    """What ``rosidl_buffer.Buffer`` of Lyrical offers: no buffer protocol, no items."""

    backend_type = 'demo'

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.num_copies = 0

    def to_bytes(self) -> bytes:
        self.num_copies += 1
        return self._data

    def __len__(self) -> int:
        return len(self._data)


class OnlyBytes:
    """An object with ``__bytes__`` alone."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data

    def __len__(self) -> int:
        return len(self._data)


class ArrayInterface:
    """NumPy's array interface without the buffer protocol, as some wrappers have it."""

    def __init__(self, data: bytes) -> None:
        self._array = np.frombuffer(data, np.uint8)
        self.__array_interface__ = self._array.__array_interface__

    def __len__(self) -> int:
        return len(self._array)


VIEWED: dict[str, Callable[[bytes], Any]] = {
    'bytes': bytes,
    'bytearray': bytearray,
    'array': lambda data: array('B', data),
    'memoryview': memoryview,
    'numpy': lambda data: np.frombuffer(data, np.uint8),
    'numpy of int8': lambda data: np.frombuffer(data, np.int8),
    'array interface': ArrayInterface,
}
COPIED: dict[str, Callable[[bytes], Any]] = {
    'rosidl_buffer': RosidlBuffer,
    'only __bytes__': OnlyBytes,
    'list': list,
    'strided numpy': lambda data: np.repeat(np.frombuffer(data, np.uint8), 2)[::2],
}


@pytest.fixture(autouse=True)
def untold() -> None:
    buffers._tell_copy.cache_clear()


@pytest.mark.parametrize('kind', [*VIEWED, *COPIED])
def test_every_kind_gives_the_same_image_cloud_and_depth(kind: str) -> None:
    make = (VIEWED | COPIED)[kind]
    image = doubles.image_of(PIXELS, 'rgb8', padding=2)
    image.data = make(bytes(image.data))
    np.testing.assert_array_equal(decode_image(image), PIXELS)
    depth = doubles.image_of(np.full((2, 3), 1.5, np.float32), '32FC1')
    depth.data = make(bytes(depth.data))
    assert (decode_depth(depth) == 1.5).all()
    data = cv2.imencode('.png', PIXELS[:, :, ::-1])[1].tobytes()
    picture = doubles.SimpleNamespace(format='rgb8; png compressed bgr8', data=make(data))
    assert announced_size(picture) == (4, 5)
    np.testing.assert_array_equal(decode_any_image(picture), PIXELS)
    empty = doubles.image_of(PIXELS, 'rgb8')
    empty.data = make(b'')
    with pytest.raises(ImageError, match='data has 0 bytes, 60 expected'):
        decode_image(empty)


@pytest.mark.parametrize('kind', VIEWED)
def test_what_can_be_viewed_is_not_copied(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level('INFO', logger='depth_ros')  # a command that ran before may have raised it
    memory = np.arange(50, dtype=np.uint8)
    data = {
        'bytearray': lambda: memory,
        'array': lambda: array('B', memory.tobytes()),
        'bytes': lambda: memory.tobytes(),
        'memoryview': lambda: memoryview(memory),
        'numpy': lambda: memory,
        'numpy of int8': lambda: memory.view(np.int8),
        'array interface': lambda: ArrayInterface(memory.tobytes()),
    }[kind]()
    first, second = byte_view(data), byte_view(data)
    assert np.shares_memory(first, second) and first.dtype == np.uint8
    assert not caplog.messages


@pytest.mark.parametrize('kind', COPIED)
def test_a_copy_is_made_once_and_said_once(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level('INFO', logger='depth_ros')  # a command that ran before may have raised it
    message = doubles.image_of(PIXELS, 'rgb8')
    message.data = COPIED[kind](bytes(message.data))
    for _ in range(3):
        decode_image(message)
    (line,) = caplog.messages
    assert line.startswith('[copied_data] data in a ') and 'copied once a message' in line
    if isinstance(message.data, RosidlBuffer):
        assert message.data.num_copies == 3 and 'a buffer of demo' in line


def test_a_reader_of_a_backend_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place for whoever reads a GPU's memory without to_bytes."""
    memory = np.arange(60, dtype=np.uint8)
    monkeypatch.setattr(buffers, 'BACKENDS', {'demo': lambda data: memory})
    message = doubles.image_of(PIXELS, 'rgb8')
    message.data = RosidlBuffer(bytes(message.data))
    assert np.shares_memory(decode_image(message), memory)
    assert message.data.num_copies == 0


@pytest.mark.parametrize('data', [None, 7, 'text', [300], ['a'], 2.5, {1: 2}])
def test_what_holds_no_bytes_is_refused(data: object) -> None:
    with pytest.raises(ImageError, match='data of a message must be bytes, got') as refused:
        whole_bytes(data)
    assert refused.value.reason == 'data_type'


def test_a_cloud_of_a_vendor_is_read() -> None:
    cloud = organised_cloud(ramp_depth(), random_rgb(), CAMERA)
    message = cloud_message(cloud)
    plain = decode_cloud(message)
    message.data = RosidlBuffer(bytes(message.data))
    np.testing.assert_array_equal(decode_cloud(message), plain)
