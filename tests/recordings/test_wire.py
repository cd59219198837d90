"""Messages as bytes: round trips by the official definitions, and bytes that are no message."""

from __future__ import annotations

import struct
from array import array

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.recordings.wire import KINDS, blank, header_of, parsed, serialised


@pytest.mark.parametrize('kind', KINDS)
def test_a_blank_message_of_every_type_survives_the_wire(kind: str) -> None:
    message = parsed(serialised(blank(kind)), kind)
    assert message.__msgtype__ == kind


def test_header_is_read_without_the_rest() -> None:
    message = blank('sensor_msgs/msg/Image')
    message.header.stamp.sec, message.header.stamp.nanosec = 12, 345
    message.header.frame_id = 'camera_ü'
    message.data = array('B', b'abc')
    assert header_of(serialised(message)) == (12_000_000_345, 'camera_ü')


def test_header_of_a_big_endian_recording() -> None:
    data = b'\x00\x00\x00\x00' + struct.pack('>iII', 3, 4, 4) + b'rig\x00'
    assert header_of(data) == (3_000_000_004, 'rig')


@pytest.mark.parametrize('data', [b'', b'\x00\x01', b'\x00\x01\x00\x00' + b'\xff' * 13])
def test_bytes_without_a_header_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match='has no header'):
        header_of(data)


def test_bytes_of_another_type_are_refused() -> None:
    with pytest.raises(InputError, match=r'are no sensor_msgs/msg/Image'):
        parsed(b'\x00\x01\x00\x00' + bytes(3), 'sensor_msgs/msg/Image')


def test_arrays_of_numbers_keep_their_values() -> None:
    message = blank('sensor_msgs/msg/CameraInfo')
    message.d = array('d', [0.1, 0.2])
    message.k = np.arange(9.0)
    back = parsed(serialised(message), 'sensor_msgs/msg/CameraInfo')
    assert back.d.tolist() == [0.1, 0.2]
    assert back.k.tolist() == list(range(9))
