"""``sensor_msgs/Image`` and ``CompressedImage``: RGB out of any encoding, arrays in."""

from __future__ import annotations

import sys
from typing import Protocol, cast

import cv2
import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.encodings import encoding_named, samples_to_rgb
from depth_ros.messages.payload import ByteData, set_bytes, unpadded_rows

OUTPUT_FORMATS: dict[str, tuple[str, int]] = {
    'rgb8': ('uint8', 3),
    'bgr8': ('uint8', 3),
    'mono8': ('uint8', 1),
    '16UC1': ('uint16', 1),
    '32FC1': ('float32', 1),
}
"""Element type and channels of the encodings that are published."""


class ImageMessage(Protocol):
    """Fields of ``sensor_msgs/Image``, the header left to the caller."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: ByteData


class CompressedImageMessage(Protocol):
    """Fields of ``sensor_msgs/CompressedImage``."""

    format: str
    data: ByteData


AnyImageMessage = ImageMessage | CompressedImageMessage


def decode_image(message: ImageMessage) -> np.ndarray:
    """Read a ``sensor_msgs/Image`` of any encoding in ``depth_ros.messages.encodings``.

    Padded rows and big-endian 16-bit samples are handled; 16 bits become 8 by
    ``round(value * 255 / 65535)``.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous. For unpadded ``rgb8`` it is a view of the message's
        bytes, so treat it as read-only.

    Raises:
        ImageError: With reason ``'encoding'``, ``'size'``, ``'step'`` or ``'data_length'``.
    """
    encoding = encoding_named(message.encoding)
    rows = pixel_rows(
        message,
        pixel_bytes=encoding.num_channels * encoding.sample_bytes,
        min_size=encoding.min_size,
        even_width=encoding.even_width,
    )
    if encoding.sample_bytes == 2:
        rows = _native_uint16(rows, is_bigendian=bool(message.is_bigendian))
    return samples_to_rgb(rows.reshape(len(rows), -1, encoding.num_channels), encoding)


def decode_compressed_image(message: CompressedImageMessage) -> np.ndarray:
    """Read a ``sensor_msgs/CompressedImage`` holding a whole JPEG or PNG.

    Orientation tags are ignored, because the calibration is that of the sensor.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous, owned by the caller.

    Raises:
        ImageError: With reason ``'compressed'``.
    """
    data = bytes(message.data)
    problem = _compression_problem(data)
    image = None if problem else _decode(data)
    if image is None:
        raise ImageError(
            'compressed',
            f'compressed image of {len(data)} bytes and format {message.format!r} cannot be '
            f'decoded: {problem or "OpenCV refuses it"}; publish whole JPEG or PNG images',
        )
    if _holds_swapped_channels(message.format):
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def decode_any_image(message: AnyImageMessage) -> np.ndarray:
    """Decode a raw or a compressed image; only the latter has a ``format``."""
    if hasattr(message, 'format'):
        return decode_compressed_image(cast(CompressedImageMessage, message))
    return decode_image(message)


def pixel_rows(
    message: ImageMessage,
    *,
    pixel_bytes: int,
    min_size: tuple[int, int] = (1, 1),
    even_width: bool = False,
) -> np.ndarray:
    """Return ``(height, width * pixel_bytes)`` uint8 without padding, a view of the message.

    Raises:
        ImageError: With reason ``'size'``, ``'step'`` or ``'data_length'``.
    """
    _check_size(message, min_size, even_width)
    width = int(message.width)
    return unpadded_rows(
        message,
        height=int(message.height),
        step=int(message.step),
        row_bytes=width * pixel_bytes,
        kind='image',
        row=f'{width} {message.encoding} pixels',
    )


def fill_image(message: ImageMessage, values: np.ndarray, encoding: str) -> None:
    """Set every field of a ``sensor_msgs/Image`` but the header.

    Args:
        message: To be filled; its old bytes are dropped.
        values: ``(H, W)`` or ``(H, W, 3)`` array of the encoding's type.
        encoding: One of ``OUTPUT_FORMATS``.

    Raises:
        ImageError: With reason ``'encoding'`` if the array is not of the encoding's type.
    """
    num_channels = values.shape[2] if values.ndim == 3 else 1
    if OUTPUT_FORMATS.get(encoding) != (values.dtype.name, num_channels):
        raise ImageError(
            'encoding',
            f'{values.dtype}{values.shape} cannot be published as {encoding!r}; '
            f'use one of {OUTPUT_FORMATS!r}',
        )
    message.height, message.width = int(values.shape[0]), int(values.shape[1])
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == 'big')
    message.step = int(values.nbytes // values.shape[0])
    set_bytes(message, values)


def _check_size(message: ImageMessage, min_size: tuple[int, int], even_width: bool) -> None:
    height, width = int(message.height), int(message.width)
    if height < min_size[0] or width < min_size[1]:
        raise ImageError(
            'size',
            f'image is {width}x{height}, {message.encoding} needs at least '
            f'{min_size[1]}x{min_size[0]}; check that the camera streams',
        )
    if even_width and width % 2:
        raise ImageError(
            'size',
            f'image width is {width} but {message.encoding} stores pixels in pairs; '
            'set an even width or another encoding',
        )


def _native_uint16(rows: np.ndarray, *, is_bigendian: bool) -> np.ndarray:
    """Return ``(H, 2 * W)`` bytes as ``(H, W)`` uint16 in the machine's byte order."""
    stored = np.ascontiguousarray(rows).view('>u2' if is_bigendian else '<u2')
    return stored.astype(np.uint16, copy=False)


def _compression_problem(data: bytes) -> str:
    """Return what is wrong with the container; empty if nothing is.

    Some decoders (OpenCV 4.5.5) fill the missing part of a truncated JPEG with grey and only warn.
    Entropy-coded data cannot hold an end marker, so one must follow the last start of scan
    (ITU-T T.81, B.1).
    """
    if not data:
        return 'it is empty'
    if data.startswith(b'\xff\xd8') and data.rfind(b'\xff\xd9') <= data.rfind(b'\xff\xda'):
        return 'the JPEG is truncated'
    if data.startswith(b'\x89PNG') and b'IEND' not in data[-64:]:
        return 'the PNG is truncated'
    return ''


def _decode(data: bytes) -> np.ndarray | None:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if image is None or image.size == 0 else np.asarray(image)


def _holds_swapped_channels(text: str) -> bool:
    """Whether RGB samples were compressed as if they were BGR.

    ``compressed_image_transport`` writes e.g. ``'rgb8; jpeg compressed bgr8'``: what it received,
    and what it handed to the compressor, which takes BGR.
    """
    return 'compressed rgb' in text
