"""``sensor_msgs/Image`` and ``CompressedImage``: RGB out of any encoding, arrays in."""

from __future__ import annotations

import sys
from typing import Protocol, cast

import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.buffers import ByteData, whole_bytes
from depth_ros.messages.encodings import encoding_named, samples_to_rgb
from depth_ros.messages.payload import room, unpadded_rows
from depth_ros.messages.picture_headers import picture_header
from depth_ros.messages.pictures import TRANSPORTED, decode_rgb

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


def decode_image(message: ImageMessage, *, low_bits: int = 16) -> np.ndarray:
    """Read a ``sensor_msgs/Image`` of any encoding in ``depth_ros.messages.encodings``.

    Padded rows and big-endian 16-bit samples are handled; 16 bits become 8 by
    ``round(value * 255 / 65535)``.

    Args:
        message: The image.
        low_bits: Bits that a 16-bit camera fills; see ``samples_to_rgb``.

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
        is_semi_planar=encoding.is_semi_planar,
    )
    if encoding.sample_bytes == 2:
        rows = _native_uint16(rows, is_bigendian=bool(message.is_bigendian))
    samples = rows.reshape(len(rows), -1, encoding.num_channels)
    return samples_to_rgb(samples, encoding, low_bits=low_bits)


def decode_compressed_image(message: CompressedImageMessage, *, low_bits: int = 16) -> np.ndarray:
    """Read a ``sensor_msgs/CompressedImage`` holding a whole JPEG or PNG.

    Orientation tags are ignored, because the calibration is that of the sensor; so are bytes
    after the picture's end. A grey picture whose ``format`` names a Bayer encoding is a mosaic.

    Returns:
        ``(H, W, 3)`` uint8 RGB, C-contiguous, owned by the caller.

    Raises:
        ImageError: With reason ``'compressed'``, or ``'too_large'``.
    """
    data = whole_bytes(message.data)
    try:
        return decode_rgb(data, text=message.format, low_bits=low_bits)
    except ImageError as error:
        raise _undecodable(message, error) from None


def announced_size(message: AnyImageMessage) -> tuple[int, int]:
    """Return ``(height, width)`` as a message or the header of its picture says; decode nothing.

    Raises:
        ImageError: With reason ``'compressed'`` or ``'too_large'``.
    """
    if not hasattr(message, 'format'):
        return int(message.height), int(message.width)
    compressed = cast(CompressedImageMessage, message)
    try:
        header = picture_header(whole_bytes(compressed.data), kinds=TRANSPORTED)
    except ImageError as error:
        raise _undecodable(compressed, error) from None
    return header.height, header.width


def _undecodable(message: CompressedImageMessage, error: ImageError) -> ImageError:
    return ImageError(
        error.reason,
        f'compressed image of {len(message.data)} bytes and format {message.format[:80]!r} cannot '
        f'be decoded: {error}; publish whole JPEG or PNG images',
    )


def decode_any_image(message: AnyImageMessage, *, low_bits: int = 16) -> np.ndarray:
    """Decode a raw or a compressed image; only the latter has a ``format``."""
    if hasattr(message, 'format'):
        return decode_compressed_image(cast(CompressedImageMessage, message), low_bits=low_bits)
    return decode_image(message, low_bits=low_bits)


def pixel_rows(
    message: ImageMessage,
    *,
    pixel_bytes: int,
    min_size: tuple[int, int] = (1, 1),
    even_width: bool = False,
    is_semi_planar: bool = False,
) -> np.ndarray:
    """Return ``(height, width * pixel_bytes)`` uint8 without padding, a view of the message.

    A semi-planar image has half as many rows again.

    Raises:
        ImageError: With reason ``'size'``, ``'step'`` or ``'data_length'``.
    """
    _check_size(message, min_size, even_width)
    height, width, step = int(message.height), int(message.width), int(message.step)
    if is_semi_planar:
        step = _luma_step(message)
        height += height // 2
    return unpadded_rows(
        message,
        height=height,
        step=step,
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
    np.copyto(image_room(message, values.shape, values.dtype, encoding), values)


def image_room(
    message: ImageMessage, shape: tuple[int, ...], dtype: np.dtype, encoding: str
) -> np.ndarray:
    """Set every field of a ``sensor_msgs/Image`` but the header and the pixels.

    Args:
        message: To be filled; its old bytes are dropped.
        shape: ``(H, W)`` or ``(H, W, 3)``.
        dtype: Type of the elements, which must be the encoding's.
        encoding: One of ``OUTPUT_FORMATS``.

    Returns:
        An array of ``shape`` and ``dtype``, the message's own memory, to write the pixels into.

    Raises:
        ImageError: With reason ``'encoding'`` if the array is not of the encoding's type.
    """
    num_channels = shape[2] if len(shape) == 3 else 1
    if OUTPUT_FORMATS.get(encoding) != (dtype.name, num_channels):
        raise ImageError(
            'encoding',
            f'{dtype}{shape} cannot be published as {encoding!r}; use one of {OUTPUT_FORMATS!r}',
        )
    message.height, message.width = int(shape[0]), int(shape[1])
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == 'big')
    message.step = message.width * num_channels * dtype.itemsize
    return room(message, message.step * message.height).view(dtype).reshape(shape)


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


def _luma_step(message: ImageMessage) -> int:
    """Return the step of one row; some drivers count the colours in: bytes over height."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    if height % 2:
        raise ImageError(
            'size',
            f'image height is {height} but {message.encoding} stores the colours of two rows '
            'together; set an even height or another encoding',
        )
    is_all = 2 * step == 3 * width and len(message.data) == step * height
    return width if is_all else step


def _native_uint16(rows: np.ndarray, *, is_bigendian: bool) -> np.ndarray:
    """Return ``(H, 2 * W)`` bytes as ``(H, W)`` uint16 in the machine's byte order."""
    stored = np.ascontiguousarray(rows).view('>u2' if is_bigendian else '<u2')
    return stored.astype(np.uint16, copy=False)
