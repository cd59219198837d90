"""Pictures inside CompressedImage: mosaics, hostile headers, what follows the end."""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.errors import ImageError
from depth_ros.messages.images import announced_size, decode_compressed_image
from depth_ros.messages.picture_headers import MAX_SIDE, picture_header
from depth_ros.messages.pictures import decode_rgb

KINDS = ('JPEG', 'PNG', 'BMP', 'PNM', 'TIFF')
PATTERNS = {
    'bayer_rggb': ((0, 1), (1, 2)),
    'bayer_bggr': ((2, 1), (1, 0)),
    'bayer_gbrg': ((1, 2), (0, 1)),
    'bayer_grbg': ((1, 0), (2, 1)),
}


def message(data: bytes, text: str) -> SimpleNamespace:
    return SimpleNamespace(format=text, data=data)


def encoded(extension: str, image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(extension, image)[1])


def smooth() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    return np.dstack([x, y, 255 - x]).astype(np.uint8)


def two_colors() -> np.ndarray:
    rgb = np.empty((48, 64, 3), np.uint8)
    rgb[:, :32], rgb[:, 32:] = (200, 20, 20), (20, 60, 220)
    return rgb


def mosaic(pattern: str, rgb: np.ndarray) -> np.ndarray:
    seen = np.empty(rgb.shape[:2], rgb.dtype)
    for row, column in np.ndindex(2, 2):
        channel = PATTERNS[pattern][row][column]
        seen[row::2, column::2] = rgb[row::2, column::2, channel]
    return seen


@pytest.mark.parametrize('extension', ['.png', '.jpg'])
@pytest.mark.parametrize('pattern', PATTERNS)
def test_a_compressed_mosaic_gives_its_colors(pattern: str, extension: str) -> None:
    data = encoded(extension, mosaic(pattern, two_colors()))
    decoded = decode_compressed_image(message(data, f'{pattern}8; {extension[1:]} compressed '))
    tolerance = 12 if extension == '.jpg' else 0  # a mosaic is what JPEG compresses worst
    for column in (16, 48):
        found = decoded[20:28, column - 4 : column + 4].reshape(-1, 3).mean(axis=0)
        assert np.abs(found - two_colors()[24, column]).max() <= tolerance


def test_a_16_bit_mosaic_in_a_png() -> None:
    data = encoded('.png', mosaic('bayer_grbg', two_colors().astype(np.uint16) * 257))
    decoded = decode_compressed_image(message(data, 'bayer_grbg16; png compressed '))
    np.testing.assert_array_equal(decoded[20:28, 8:16], two_colors()[20:28, 8:16])


def test_a_color_picture_of_a_bayer_camera_is_taken_as_it_is() -> None:
    data = encoded('.png', two_colors()[..., ::-1])
    decoded = decode_compressed_image(message(data, 'bayer_rggb8; png compressed bgr8'))
    np.testing.assert_array_equal(decoded, two_colors())


@pytest.mark.parametrize('low_bits', [16, 12, 10])
@pytest.mark.parametrize('channels', [1, 3])
def test_16_bit_pictures_are_scaled_as_raw_ones_are(channels: int, low_bits: int) -> None:
    values = ((smooth().astype(int) * (2**low_bits - 1) + 127) // 255).astype(np.uint16)
    stored = values[..., 0] if channels == 1 else values[..., ::-1]
    decoded = decode_rgb(encoded('.png', stored), low_bits=low_bits)
    expected = np.dstack([smooth()[..., 0]] * 3) if channels == 1 else smooth()
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize('tail', [b'\0' * 300, b'\xff\xd8\xff\xda\x00', b'ftypmp42 \xff\xda'])
@pytest.mark.parametrize('extension', ['.png', '.jpg'])
def test_what_follows_the_picture_does_not_matter(extension: str, tail: bytes) -> None:
    whole = encoded(extension, smooth())
    expected = decode_compressed_image(message(whole, ''))
    np.testing.assert_array_equal(decode_compressed_image(message(whole + tail, '')), expected)


@pytest.mark.parametrize('extension', ['.png', '.jpg'])
def test_a_cut_picture_is_refused_whatever_follows(extension: str) -> None:
    cut = encoded(extension, smooth())[:-40] + b'\x00' * 400
    with pytest.raises(ImageError, match='truncated'):
        decode_compressed_image(message(cut, ''))


@pytest.mark.parametrize(
    ('extension', 'name'), [('.tiff', 'TIFF'), ('.bmp', 'BMP'), ('.ppm', 'PNM'), ('.webp', 'WebP')]
)
def test_only_jpeg_and_png_reach_the_decoder(
    extension: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(extension, smooth())
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('it was decoded'))
    with pytest.raises(ImageError, match=f'it is a {name}.*publish whole JPEG or PNG'):
        decode_compressed_image(message(data, f'{extension[1:]} compressed'))


def jpeg_that_claims(height: int, width: int) -> bytes:
    data = bytearray(encoded('.jpg', smooth()))
    at = data.index(b'\xff\xc0')
    data[at + 5 : at + 9] = struct.pack('>HH', height, width)
    return bytes(data)


def png_that_claims(height: int, width: int) -> bytes:
    data = bytearray(encoded('.png', smooth()))
    data[16:24] = struct.pack('>II', width, height)
    data[29:33] = struct.pack('>I', zlib.crc32(bytes(data[12:29])))
    return bytes(data)


@pytest.mark.parametrize(
    'data',
    [
        jpeg_that_claims(16000, 65500),
        jpeg_that_claims(32000, 32000),
        jpeg_that_claims(1, MAX_SIDE + 1),
        png_that_claims(2**31 - 1, 2**31 - 1),
        png_that_claims(100_000, 100),
    ],
)
def test_a_huge_claim_is_refused_before_decoding(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('it was decoded'))
    with pytest.raises(ImageError, match='claims') as caught:
        decode_compressed_image(message(data, 'jpeg'))
    assert caught.value.reason == 'too_large'


@pytest.mark.parametrize('data', [jpeg_that_claims(0, 64), jpeg_that_claims(48, 0)])
def test_a_picture_without_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match='claims'):
        decode_compressed_image(message(data, 'jpeg'))


@pytest.mark.parametrize('extension', ['.png', '.jpg'])
def test_the_size_is_known_without_decoding(
    extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(extension, smooth())
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('it was decoded'))
    assert announced_size(message(data, '')) == (48, 64)


@pytest.mark.parametrize('extension', ['.png', '.jpg', '.bmp', '.ppm', '.pgm', '.tiff'])
def test_headers_of_image_files(extension: str) -> None:
    image = smooth()[..., 0] if extension == '.pgm' else smooth()
    header = picture_header(encoded(extension, image), kinds=KINDS)
    assert (header.height, header.width) == (48, 64)


def test_a_progressive_jpeg_with_a_thumbnail_in_it() -> None:
    thumbnail = encoded('.jpg', smooth()[:8, :8])
    parameters = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    whole = bytes(cv2.imencode('.jpg', smooth(), parameters)[1])
    segment = b'\xff\xe1' + struct.pack('>H', len(thumbnail) + 2) + thumbnail
    data = whole[:2] + segment + whole[2:] + b'more'
    assert announced_size(message(data, '')) == (48, 64)
    with pytest.raises(ImageError, match='truncated'):
        announced_size(message(whole[:2] + segment, ''))


SEEDS = {
    extension: encoded(extension, smooth()) for extension in ('.png', '.jpg', '.bmp', '.tiff')
}


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(sorted(SEEDS)),
    at=st.integers(0, 400),
    new=st.binary(max_size=12),
    end=st.none() | st.integers(0, 4000),
)
def test_altered_pictures_decode_or_are_refused(
    seed: str, at: int, new: bytes, end: int | None
) -> None:
    data = SEEDS[seed]
    data = (data[:at] + new + data[at + len(new) :])[:end]
    try:
        decoded = decode_rgb(data, kinds=KINDS)
    except ImageError as error:
        assert '\n' not in str(error)
        return
    assert decoded.dtype == np.uint8 and decoded.shape[2] == 3


def test_more_than_two_kinds_are_listed_with_one_and() -> None:
    with pytest.raises(ImageError, match='only JPEG, PNG and BMP are decoded'):
        picture_header(b'nothing like a picture', kinds=('JPEG', 'PNG', 'BMP'))
