"""Depth images of REP 118 in either unit and byte order."""

from __future__ import annotations

import struct
from array import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.errors import ImageError
from depth_ros.messages.depth import decode_any_depth, decode_depth
from depth_ros.messages.rvl import decode_rvl
from tests.kit import message_doubles as doubles
from tests.kit.cloud_messages import (
    ramp_depth,
)


def test_depth_in_metres_keeps_every_value() -> None:
    message = doubles.image_of(ramp_depth(), '32FC1', padding=3)
    np.testing.assert_array_equal(decode_depth(message), ramp_depth())


@pytest.mark.parametrize('order', ['<', '>'])
def test_depth_in_millimetres_becomes_metres(order: str) -> None:
    values = np.array([[0, 1], [1500, 65535]], order + 'u2')
    depth = decode_depth(doubles.image_of(values, '16UC1', is_bigendian=int(order == '>')))
    np.testing.assert_allclose(depth, [[np.nan, 0.001], [1.5, 65.535]], rtol=1e-6)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'encoding': 'rgb8'}, 'encoding'),
        ({'height': 0}, 'size'),
        ({'step': 3}, 'step'),
        ({'data': array('B', [0])}, 'data_length'),
    ],
)
def test_broken_depth_is_refused(changes: dict[str, Any], reason: str) -> None:
    message = doubles.image_of(ramp_depth(), '32FC1')
    vars(message).update(changes)
    with pytest.raises(ImageError) as error:
        decode_depth(message)
    assert error.value.reason == reason


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize('unit_m', [0.001, 1 / 5000, 0.00025])
def test_steps_of_any_unit(encoding: str, unit_m: float) -> None:
    steps = np.array([[0, 1], [1500, 65535]], np.uint16)
    depth = decode_any_depth(doubles.image_of(steps, encoding), unit_m=unit_m)
    np.testing.assert_allclose(
        depth, [[np.nan, unit_m], [1500 * unit_m, 65535 * unit_m]], rtol=1e-6
    )


@pytest.mark.parametrize('encoding', ['32FC1', '64FC1'])
def test_floats_without_depth_are_unknown_and_the_unit_is_metres(encoding: str) -> None:
    values = np.array([[0.0, -1.0, 1.5, np.nan, np.inf, -np.inf]])
    stored = values.astype(np.float32 if encoding == '32FC1' else np.float64)
    depth = decode_any_depth(doubles.image_of(stored, encoding), unit_m=0.5)
    expected = [[np.nan, np.nan, 1.5, np.nan, np.inf, -np.inf]]
    np.testing.assert_array_equal(depth, np.array(expected, np.float32))


def rvl(steps: np.ndarray) -> bytes:
    """Compress as Wilson 2017 describes, one piece after the other."""
    pieces: list[int] = []

    def put(value: int) -> None:
        while True:
            low, value = value & 7, value >> 3
            pieces.append(low | (8 if value else 0))
            if not value:
                return

    flat, at, last = steps.ravel().tolist(), 0, 0
    while at < len(flat):
        zeros = next((n for n, v in enumerate(flat[at:]) if v), len(flat) - at)
        rest = flat[at + zeros :]
        known = next((n for n, v in enumerate(rest) if not v), len(rest))
        put(zeros)
        put(known)
        for value in rest[:known]:
            delta, last = value - last, value
            put(2 * delta if delta >= 0 else -2 * delta - 1)
        at += zeros + known
    pieces += [0] * (-len(pieces) % 8)
    words = [
        sum(piece << (28 - 4 * n) for n, piece in enumerate(pieces[i : i + 8]))
        for i in range(0, len(pieces), 8)
    ]
    return struct.pack('<II', steps.shape[1], steps.shape[0]) + struct.pack(
        f'<{len(words)}I', *words
    )


def png(steps: np.ndarray) -> bytes:
    return bytes(cv2.imencode('.png', steps)[1])


def compressed(payload: bytes, text: str, *, a: float = 0.0, b: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(format=text, data=struct.pack('<iff', 0, a, b) + payload)


LONG_NUMBER = struct.pack('<IIII', 4, 4, 2**32 - 1, 2**32 - 16)
CODECS = {'png': png, 'rvl': rvl}
STEPS = (
    np.random.default_rng(2).integers(0, 3, (7, 9)).astype(np.uint16)
    * np.arange(0, 63, dtype=np.uint16).reshape(7, 9)
    * np.uint16(500)
)


@pytest.mark.parametrize('codec', CODECS)
def test_compressed_steps(codec: str) -> None:
    message = compressed(CODECS[codec](STEPS), f'16UC1; compressedDepth {codec}')
    expected = np.where(STEPS > 0, STEPS / 5000.0, np.nan)
    np.testing.assert_allclose(decode_any_depth(message, unit_m=1 / 5000), expected, rtol=1e-6)


def test_the_older_format_does_not_name_the_codec() -> None:
    message = compressed(png(STEPS), '16UC1; compressedDepth')
    expected = np.where(STEPS > 0, STEPS * 0.001, np.nan)
    np.testing.assert_allclose(decode_any_depth(message), expected, rtol=1e-6)


@pytest.mark.parametrize('codec', CODECS)
def test_compressed_floats_are_steps_of_inverse_depth(codec: str) -> None:
    """As compressed_depth_image_transport quantises with depth_quantization 100, depth_max 10."""
    a = 100.0 * 101.0
    b = 1.0 - a / 10.0
    metres = np.array([[0.5, 1.0, 2.0], [4.0, 9.5, np.nan]])
    steps = np.nan_to_num(a / metres + b).astype(np.uint16)
    message = compressed(CODECS[codec](steps), f'32FC1; compressedDepth {codec}', a=a, b=b)
    np.testing.assert_allclose(decode_any_depth(message, unit_m=0.5), metres, rtol=2e-3)


def test_a_bare_png_of_16_bits_is_depth_too() -> None:
    message = SimpleNamespace(format='16UC1; png compressed ', data=png(STEPS))
    expected = np.where(STEPS > 0, STEPS * 0.001, np.nan)
    np.testing.assert_allclose(decode_any_depth(message), expected, rtol=1e-6)


@pytest.mark.parametrize('shape', [(1, 1), (48, 64), (3, 501)])
def test_rvl_gives_every_step_back(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(3)
    steps = generator.integers(0, 65536, shape).astype(np.uint16)
    steps[generator.random(shape) < 0.4] = 0
    np.testing.assert_array_equal(decode_rvl(rvl(steps)), steps)


@pytest.mark.parametrize(
    ('message', 'words'),
    [
        (SimpleNamespace(format='16UC1; compressedDepth png', data=b''), 'truncated'),
        (compressed(b'', '16UC1; compressedDepth png'), 'empty'),
        (compressed(b'', '16UC1; compressedDepth rvl'), 'truncated'),
        (compressed(rvl(STEPS)[:-8], '16UC1; compressedDepth rvl'), 'ends'),
        (compressed(struct.pack('<II', 60000, 60000), '16UC1; compressedDepth rvl'), 'claims'),
        (compressed(LONG_NUMBER, '16UC1; compressedDepth rvl'), 'bits'),
        (compressed(struct.pack('<III', 4, 4, 0), '16UC1; compressedDepth rvl'), 'ends'),
        (compressed(png(STEPS.astype(np.uint8)), '16UC1; compressedDepth png'), '8 bits'),
        (compressed(png(STEPS), '32FC1; compressedDepth png'), 'parameters'),
        (compressed(png(STEPS), '32FC1; compressedDepth png', a=float('nan')), 'parameters'),
        (compressed(png(STEPS), 'rgb8; compressedDepth png'), 'no depth'),
        (SimpleNamespace(format='bgr8; jpeg', data=b'\xff\xd8\xff' * 9), 'no depth'),
    ],
)  # fmt: skip
def test_hostile_compressed_depth_is_refused(message: SimpleNamespace, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        decode_any_depth(message)


@settings(max_examples=100, deadline=None)
@given(
    codec=st.sampled_from(sorted(CODECS)),
    kind=st.sampled_from(['16UC1', '32FC1']),
    at=st.integers(0, 60),
    new=st.binary(max_size=8),
    end=st.none() | st.integers(0, 200),
)
def test_altered_depth_is_read_or_refused(
    codec: str, kind: str, at: int, new: bytes, end: int | None
) -> None:
    message = compressed(CODECS[codec](STEPS), f'{kind}; compressedDepth {codec}', a=10.0, b=1.0)
    message.data = (message.data[:at] + new + message.data[at + len(new) :])[:end]
    try:
        depth = decode_any_depth(message)
    except ImageError as error:
        assert '\n' not in str(error)
        return
    assert depth.dtype == np.float32 and depth.ndim == 2
