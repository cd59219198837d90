"""Depth out of ``sensor_msgs/Image``."""

from __future__ import annotations

import numpy as np

from depth_ros.errors import ImageError
from depth_ros.messages.images import ImageMessage, pixel_rows

_DEPTH_UNITS_M = {'32FC1': ('f4', 1.0), '16UC1': ('u2', 0.001)}
"""Element type and metres of one unit of the encodings of REP 118."""


def decode_depth(message: ImageMessage) -> np.ndarray:
    """Read a depth image as REP 118 has it.

    Returns:
        ``(H, W)`` float32 metres; of ``16UC1`` (millimetres) 0 becomes NaN.

    Raises:
        ImageError: With reason ``'encoding'``, ``'size'``, ``'step'`` or ``'data_length'``.
    """
    if message.encoding not in _DEPTH_UNITS_M:
        raise ImageError(
            'encoding',
            f'depth must be one of {sorted(_DEPTH_UNITS_M)}, got {message.encoding!r}; '
            'remap depth/image to a depth topic',
        )
    kind, unit_m = _DEPTH_UNITS_M[message.encoding]
    dtype = np.dtype(('>' if message.is_bigendian else '<') + kind)
    rows = pixel_rows(message, pixel_bytes=dtype.itemsize)
    values = np.ascontiguousarray(rows).view(dtype).astype(np.float32)
    if dtype.kind == 'u':
        values *= np.float32(unit_m)
        values[values == 0.0] = np.nan
    return values
