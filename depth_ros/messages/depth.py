"""Metric depth out of ``sensor_msgs/Image`` and the messages of ``compressedDepth``."""

from __future__ import annotations

import re
import struct
from typing import cast

import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.buffers import whole_bytes
from depth_ros.messages.images import (
    AnyImageMessage,
    CompressedImageMessage,
    ImageMessage,
    pixel_rows,
)
from depth_ros.messages.pictures import decode_samples
from depth_ros.messages.rvl import decode_rvl

MILLIMETRES = 0.001

_ELEMENTS = {'32FC1': 'f4', '64FC1': 'f8', '16UC1': 'u2', 'mono16': 'u2'}
"""Element types of the encodings of REP 118, and what drivers publish beside them."""

_HEADER = struct.Struct('<iff')
"""Before the payload of ``compressedDepth``: a number of its format, then the two parameters of
the quantisation of floats (``compressed_depth_image_transport/compression_common.hpp``)."""


def decode_depth(message: ImageMessage, *, unit_m: float = MILLIMETRES) -> np.ndarray:
    """Read a depth image as REP 118 has it.

    Args:
        message: Floats in metres (``32FC1``, ``64FC1``), or steps (``16UC1``, ``mono16``).
        unit_m: Metres of one step.

    Returns:
        ``(H, W)`` float32 metres; NaN where it is 0 or below, which no depth is. Infinities stay.

    Raises:
        ImageError: With reason ``'encoding'``, ``'size'``, ``'step'`` or ``'data_length'``.
    """
    if message.encoding not in _ELEMENTS:
        raise ImageError(
            'encoding',
            f'depth must be one of {sorted(_ELEMENTS)}, got {message.encoding!r}; '
            'remap depth/image to a depth topic',
        )
    dtype = np.dtype(('>' if message.is_bigendian else '<') + _ELEMENTS[message.encoding])
    rows = pixel_rows(message, pixel_bytes=dtype.itemsize)
    return _metres(np.ascontiguousarray(rows).view(dtype), unit_m)


def decode_any_depth(message: AnyImageMessage, *, unit_m: float = MILLIMETRES) -> np.ndarray:
    """Read a raw or a compressed depth image; only the latter has a ``format``.

    Raises:
        ImageError: As ``decode_depth`` and ``decode_compressed_depth``.
    """
    if hasattr(message, 'format'):
        return decode_compressed_depth(cast(CompressedImageMessage, message), unit_m=unit_m)
    return decode_depth(message, unit_m=unit_m)


def decode_compressed_depth(
    message: CompressedImageMessage, *, unit_m: float = MILLIMETRES
) -> np.ndarray:
    """Read what ``compressed_depth_image_transport`` sends: steps or floats, as PNG or RVL.

    Floats are sent as steps of the inverse depth: ``Z = a / (step - b)``. A 16-bit PNG without
    the transport's header is read as steps too.

    Args:
        message: ``format`` as in ``'16UC1; compressedDepth rvl'``.
        unit_m: Metres of one step of ``16UC1``.

    Returns:
        As ``decode_depth``.

    Raises:
        ImageError: With reason ``'compressed'`` or ``'too_large'``.
    """
    data = whole_bytes(message.data)
    try:
        return _decompressed(data, message.format, unit_m)
    except ImageError as error:
        raise ImageError(
            error.reason,
            f'compressed depth of {len(data)} bytes and format {message.format[:80]!r} cannot be '
            f'decoded: {error}; publish 16UC1 or 32FC1 by compressedDepth (PNG or RVL)',
        ) from None


def _decompressed(data: bytes, text: str, unit_m: float) -> np.ndarray:
    if data.startswith(b'\x89PNG'):
        return _metres(_steps(data), unit_m)
    encoding = re.match(r'\s*(\w*)', text)[1]  # type: ignore[index]
    if encoding not in ('16UC1', 'mono16', '32FC1'):
        raise ImageError('compressed', f'it is of {encoding!r}, which is no depth')
    if len(data) < _HEADER.size:
        raise ImageError('compressed', 'it is truncated')
    _, a, b = _HEADER.unpack_from(data)
    payload = data[_HEADER.size :]
    is_rvl = 'rvl' in text.lower().rpartition('compresseddepth')[2]
    steps = decode_rvl(payload) if is_rvl else _steps(payload)
    return _from_inverse(steps, a, b) if encoding == '32FC1' else _metres(steps, unit_m)


def _steps(data: bytes) -> np.ndarray:
    steps = decode_samples(data, kinds=('PNG',))
    if steps.dtype != np.uint16:
        raise ImageError('compressed', 'the PNG has 8 bits, depth has 16')
    return steps


def _metres(values: np.ndarray, unit_m: float) -> np.ndarray:
    """Return float32 metres, NaN where there is no depth."""
    metres = values.astype(np.float32)
    if values.dtype.kind == 'u':
        metres *= np.float32(unit_m)
    metres[~(metres > 0.0) & np.isfinite(metres)] = np.nan
    return metres


def _from_inverse(steps: np.ndarray, a: float, b: float) -> np.ndarray:
    if not (np.isfinite(a) and np.isfinite(b) and a > 0.0):
        raise ImageError('compressed', f'its parameters are {a:g} and {b:g}')
    with np.errstate(divide='ignore', invalid='ignore'):
        metres = np.float32(a) / (steps.astype(np.float32) - np.float32(b))
    metres[(steps == 0) | ~(metres > 0.0) | ~np.isfinite(metres)] = np.nan
    return metres
