"""Every encoding decodes to known colours, and what is filled is right on the wire."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.errors import ImageError
from depth_ros.messages.encodings import ENCODINGS
from depth_ros.messages.images import decode_compressed_image, decode_image, fill_image
from tests.kit import message_doubles as doubles

BAYER_ROWS = {
    'rggb': ('RG', 'GB'),
    'bggr': ('BG', 'GR'),
    'gbrg': ('GB', 'RG'),
    'grbg': ('GR', 'BG'),
}
COLOR = {'R': 200, 'G': 120, 'B': 40}


def random_rgb(height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mosaic(pattern: str, height: int, width: int, scale: int, dtype: str) -> np.ndarray:
    """One colour everywhere, seen through the filters of a Bayer pattern."""
    cell = [[COLOR[name] * scale for name in row] for row in BAYER_ROWS[pattern]]
    tiled = np.tile(np.array(cell, dtype), (height // 2 + 1, width // 2 + 1))
    return np.ascontiguousarray(tiled[:height, :width])


def yuv_pair(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """BT.601 video range, ITU-R BT.601-7 section 2.5.3."""
    red, green, blue = (value / 255.0 for value in rgb)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * 0.5 / (1 - 0.114) * (blue - luma)),
        round(128 + 224 * 0.5 / (1 - 0.299) * (red - luma)),
    )


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'channels'),
    [
        ('rgb8', 'RGB'),
        ('bgr8', 'BGR'),
        ('rgba8', 'RGBA'),
        ('bgra8', 'BGRA'),
        ('8UC3', 'BGR'),
        ('8UC4', 'BGRA'),
    ],
)
def test_color_orders(encoding: str, channels: str, padding: int) -> None:
    rgb = random_rgb()
    planes = {'R': rgb[..., 0], 'G': rgb[..., 1], 'B': rgb[..., 2], 'A': np.full((6, 8), 77)}
    stored = np.stack([planes[name] for name in channels], axis=-1).astype(np.uint8)
    decoded = decode_image(doubles.image_of(stored, encoding, padding=padding))
    np.testing.assert_array_equal(decoded, rgb)
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_is_repeated(encoding: str) -> None:
    grey = random_rgb()[..., 0]
    decoded = decode_image(doubles.image_of(grey, encoding, padding=3))
    np.testing.assert_array_equal(decoded, np.dstack([grey] * 3))


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('is_bigendian', [0, 1])
@pytest.mark.parametrize('padding', [0, 3])
def test_16_bit_is_scaled_to_8(encoding: str, is_bigendian: int, padding: int) -> None:
    values = np.array([[0, 256, 32768], [65535, 257, 128]], np.uint16)
    stored = values.astype('>u2' if is_bigendian else '<u2')
    message = doubles.image_of(stored, encoding, padding=padding, is_bigendian=is_bigendian)
    expected = np.rint(values * (255.0 / 65535.0)).astype(np.uint8)
    np.testing.assert_array_equal(decode_image(message)[..., 0], expected)


@pytest.mark.parametrize('bits', ['8', '16'])
@pytest.mark.parametrize('pattern', list(BAYER_ROWS))
def test_bayer_patterns_give_the_color_back(pattern: str, bits: str) -> None:
    scale, dtype = (257, '<u2') if bits == '16' else (1, 'u1')
    message = doubles.image_of(mosaic(pattern, 9, 12, scale, dtype), f'bayer_{pattern}{bits}')
    decoded = decode_image(message)
    assert decoded.shape == (9, 12, 3)
    np.testing.assert_array_equal(decoded[2:-2, 2:-2], np.broadcast_to([200, 120, 40], (5, 8, 3)))


@pytest.mark.parametrize('rgb', [(200, 120, 40), (30, 60, 220), (90, 200, 10)])
@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
def test_yuv_pairs(encoding: str, rgb: tuple[int, int, int]) -> None:
    y, u, v = yuv_pair(rgb)
    pair = [u, y, v, y] if encoding in ('yuv422', 'uyvy') else [y, u, y, v]
    stored = np.tile(np.array(pair, np.uint8).reshape(1, 2, 2), (4, 3, 1))
    decoded = decode_image(doubles.image_of(stored, encoding, padding=2))
    assert decoded.shape == (4, 6, 3)
    assert np.abs(decoded.astype(int) - np.array(rgb)).max() <= 2


def test_every_encoding_of_the_table_decodes_a_small_image() -> None:
    for name, encoding in ENCODINGS.items():
        rows = 6 if encoding.is_semi_planar else 4
        stored = np.zeros((rows, 6, encoding.num_channels * encoding.sample_bytes), np.uint8)
        message = doubles.image_of(stored, name)
        message.height = 4
        assert decode_image(message).shape == (4, 6, 3), name


def test_unpadded_rgb_is_not_copied() -> None:
    message = doubles.image_of(random_rgb(), 'rgb8')
    assert np.shares_memory(decode_image(message), np.frombuffer(message.data, np.uint8))


def test_more_data_than_announced_is_ignored() -> None:
    message = doubles.image_of(random_rgb(), 'rgb8', padding=4)
    message.data.extend([0] * 100)
    np.testing.assert_array_equal(decode_image(message), random_rgb())


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'encoding': '32FC1'}, 'encoding'),
        ({'encoding': ''}, 'encoding'),
        ({'encoding': 'rgb'}, 'encoding'),
        ({'step': 23}, 'step'),
        ({'step': 0}, 'step'),
        ({'width': 0}, 'size'),
        ({'height': 0}, 'size'),
        ({'height': 0, 'width': 0, 'step': 0, 'data': array('B')}, 'size'),
        ({'height': 7}, 'data_length'),
        ({'data': array('B')}, 'data_length'),
        ({'height': 2**32 - 1}, 'data_length'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'step'),
        ({'encoding': 'yuv422', 'width': 7}, 'size'),
        ({'encoding': 'bayer_rggb8', 'width': 2}, 'size'),
    ],
)
def test_hostile_images_are_refused(changes: dict[str, Any], reason: str) -> None:
    message = doubles.image_of(random_rgb(), 'rgb8')
    vars(message).update(changes)
    with pytest.raises(ImageError) as caught:
        decode_image(message)
    assert caught.value.reason == reason
    assert len(str(caught.value)) > 40


@settings(max_examples=200, deadline=None)
@given(
    encoding=st.sampled_from(list(ENCODINGS)),
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    step=st.integers(0, 80),
    length=st.integers(0, 800),
    is_bigendian=st.booleans(),
)
def test_any_image_decodes_or_is_refused(
    encoding: str, height: int, width: int, step: int, length: int, is_bigendian: bool
) -> None:
    message = doubles.image(
        encoding=encoding,
        height=height,
        width=width,
        step=step,
        is_bigendian=is_bigendian,
        data=array('B', bytes(length)),
    )
    try:
        decoded = decode_image(message)
    except ImageError:
        return
    assert decoded.shape == (height, width, 3)
    assert decoded.dtype == np.uint8


def compressed(data: bytes, text: str) -> SimpleNamespace:
    return SimpleNamespace(header=doubles.header(), format=text, data=array('B', data))


def encoded(extension: str, rgb: np.ndarray) -> bytes:
    done, data = cv2.imencode(extension, np.ascontiguousarray(rgb[..., ::-1]))
    assert done
    return bytes(data)


def smooth_rgb() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    return np.dstack([x, y, 255 - x]).astype(np.uint8)


def test_compressed_png_is_exact_and_rgb() -> None:
    rgb = random_rgb(48, 64)
    decoded = decode_compressed_image(
        compressed(encoded('.png', rgb), 'rgb8; png compressed bgr8')
    )
    np.testing.assert_array_equal(decoded, rgb)
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize('text', ['jpeg', 'bgr8; jpeg compressed bgr8', ''])
def test_compressed_jpeg_is_rgb(text: str) -> None:
    decoded = decode_compressed_image(compressed(encoded('.jpg', smooth_rgb()), text))
    assert np.abs(decoded.astype(int) - smooth_rgb()).mean() < 3


def test_jpeg_of_rgb_handed_over_as_bgr_is_understood() -> None:
    data = encoded('.png', smooth_rgb()[..., ::-1])
    decoded = decode_compressed_image(compressed(data, 'rgb8; png compressed rgb8'))
    np.testing.assert_array_equal(decoded, smooth_rgb())


def test_grey_png_gives_three_channels() -> None:
    grey = smooth_rgb()[..., 0]
    data = bytes(cv2.imencode('.png', grey)[1])
    np.testing.assert_array_equal(
        decode_compressed_image(compressed(data, 'mono8; png compressed mono8')),
        np.dstack([grey] * 3),
    )


def test_jpeg_with_trailing_zeros_is_accepted() -> None:
    data = encoded('.jpg', smooth_rgb()) + bytes(300)
    assert decode_compressed_image(compressed(data, 'jpeg')).shape == (48, 64, 3)


def with_orientation(jpeg: bytes, value: int) -> bytes:
    entry = b'\x01\x12\x00\x03\x00\x00\x00\x01' + bytes([0, value, 0, 0])
    tiff = b'MM\x00\x2a\x00\x00\x00\x08\x00\x01' + entry + bytes(4)
    block = b'Exif\x00\x00' + tiff
    return jpeg[:2] + b'\xff\xe1' + (len(block) + 2).to_bytes(2, 'big') + block + jpeg[2:]


def test_orientation_tags_do_not_turn_the_image() -> None:
    data = with_orientation(encoded('.jpg', smooth_rgb()), 6)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (64, 48, 3)
    assert decode_compressed_image(compressed(data, 'jpeg')).shape == (48, 64, 3)


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.0, 0.01, 0.3, 0.6, 0.9, 0.98])
def test_truncated_images_are_refused(extension: str, share: float) -> None:
    whole = encoded(extension, random_rgb(48, 64))
    cause = 'is truncated' if share else 'it is empty'
    with pytest.raises(ImageError, match=f'cannot be decoded: .*{cause}') as caught:
        decode_compressed_image(compressed(whole[: int(share * len(whole))], extension))
    assert caught.value.reason == 'compressed'


@pytest.mark.parametrize('data', [b'hello', bytes(1000), b'\xff\xd8\xff\xd9', b'\x89PNGIEND'])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        decode_compressed_image(compressed(data, 'jpeg'))
    assert caught.value.reason == 'compressed'


@pytest.mark.parametrize(
    ('encoding', 'dtype', 'shape'),
    [
        ('rgb8', 'u1', (5, 7, 3)),
        ('bgr8', 'u1', (5, 7, 3)),
        ('mono8', 'u1', (5, 7)),
        ('16UC1', 'u2', (5, 7)),
        ('32FC1', 'f4', (5, 7)),
    ],
)
def test_filled_image_is_right_on_the_wire(
    encoding: str, dtype: str, shape: tuple[int, ...]
) -> None:
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    message = doubles.image()
    fill_image(message, values, encoding)
    read = doubles.over_the_wire(message, 'sensor_msgs/msg/Image')
    assert (read.height, read.width, read.encoding, read.is_bigendian) == (5, 7, encoding, 0)
    assert read.step == values.nbytes // 5
    assert read.data.tobytes() == values.tobytes()


def test_filling_twice_and_from_strided_arrays() -> None:
    message = doubles.image()
    fill_image(message, np.zeros((9, 9, 3), np.uint8), 'bgr8')
    mirrored = random_rgb()[:, ::-1]
    fill_image(message, mirrored, 'rgb8')
    np.testing.assert_array_equal(decode_image(message), mirrored)


@pytest.mark.parametrize(
    ('values', 'encoding'),
    [
        (np.zeros((2, 2), np.float64), '32FC1'),
        (np.zeros((2, 2), np.float32), 'mono8'),
        (np.zeros((2, 2, 4), np.uint8), 'bgr8'),
        (np.zeros((2, 2), np.uint8), 'jpeg'),
    ],
)
def test_array_that_is_not_of_the_encoding_is_refused(values: np.ndarray, encoding: str) -> None:
    with pytest.raises(ImageError, match='cannot be published'):
        fill_image(doubles.image(), values, encoding)


def test_bytes_are_never_assigned() -> None:
    message = doubles.image(data=b'')
    with pytest.raises(TypeError, match=r'array\.array'):
        fill_image(message, np.zeros((2, 2), np.float32), '32FC1')


def semi_planar(rgb: tuple[int, int, int], encoding: str, padding: int) -> SimpleNamespace:
    """A 4x6 image of one colour: Y rows, then half as many rows of U V (nv12) or V U (nv21)."""
    y, u, v = yuv_pair(rgb)
    chroma = [u, v] if encoding == 'nv12' else [v, u]
    rows = np.vstack([np.full((4, 6), y), np.tile(chroma, (2, 3))]).astype(np.uint8)
    message = doubles.image_of(rows, encoding, padding=padding)
    message.height = 4
    return message


@pytest.mark.parametrize('rgb', [(200, 120, 40), (30, 60, 220)])
@pytest.mark.parametrize('padding', [0, 10])
@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_semi_planar_images(encoding: str, padding: int, rgb: tuple[int, int, int]) -> None:
    decoded = decode_image(semi_planar(rgb, encoding, padding))
    assert decoded.shape == (4, 6, 3)
    assert np.abs(decoded.astype(int) - np.array(rgb)).max() <= 2


def test_semi_planar_step_may_count_the_colors_in() -> None:
    message = semi_planar((200, 120, 40), 'nv12', 0)
    expected = decode_image(message)
    message.step = 9
    np.testing.assert_array_equal(decode_image(message), expected)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [({'height': 3}, 'size'), ({'width': 5}, 'size'), ({'height': 6}, 'data_length')],
)
def test_impossible_semi_planar_images_are_refused(changes: dict, reason: str) -> None:
    message = semi_planar((200, 120, 40), 'nv12', 0)
    vars(message).update(changes)
    with pytest.raises(ImageError) as caught:
        decode_image(message)
    assert caught.value.reason == reason


@pytest.mark.parametrize('low_bits', [16, 12, 10])
@pytest.mark.parametrize('is_bigendian', [0, 1])
@pytest.mark.parametrize(
    ('encoding', 'channels'),
    [('rgb16', 'RGB'), ('bgr16', 'BGR'), ('rgba16', 'RGBA'), ('bgra16', 'BGRA'), ('16UC3', 'BGR')],
)
def test_16_bit_colors(encoding: str, channels: str, is_bigendian: int, low_bits: int) -> None:
    rgb = random_rgb()
    planes = {'R': rgb[..., 0], 'G': rgb[..., 1], 'B': rgb[..., 2], 'A': np.full((6, 8), 77)}
    values = np.stack([planes[name] for name in channels], axis=-1).astype(int)
    stored = ((values * (2**low_bits - 1) + 127) // 255).astype('>u2' if is_bigendian else '<u2')
    message = doubles.image_of(stored, encoding, is_bigendian=is_bigendian)
    np.testing.assert_array_equal(decode_image(message, low_bits=low_bits), rgb)


def test_values_beyond_the_low_bits_are_white() -> None:
    stored = np.array([[0, 1023, 1024, 65535]], np.uint16)
    message = doubles.image_of(stored, 'mono16')
    assert decode_image(message, low_bits=10)[0, :, 0].tolist() == [0, 255, 255, 255]


@pytest.mark.parametrize('name', ['RGB8', 'Mono8', 'NV12', 'YUYV'])
def test_capitals_do_not_matter(name: str) -> None:
    message = doubles.image_of(np.zeros((6, 24), np.uint8), name)
    message.height, message.width = 4, 8
    assert decode_image(message).shape == (4, 8, 3)
