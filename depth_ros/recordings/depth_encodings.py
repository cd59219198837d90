"""Depth in metres as whole units, and as the image that ``compressed_depth_image_transport`` has.

Its message is 12 bytes (how inverse depth was quantised; zeros here, as depth is in whole units)
and a PNG.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np

from depth_ros.errors import ImageError

LARGEST = 65535
_HEAD = struct.Struct('<iff')
FORMAT = '16UC1; compressedDepth png'


def whole_units(depth: np.ndarray, unit_m: float) -> np.ndarray:
    """Return depth as ``(H, W)`` uint16 in units; 0 is unknown, out of range or too far to write.

    Args:
        depth: ``(H, W)`` float32 metres; NaN and infinities as REP 117 has them.
        unit_m: Metres of one unit.
    """
    units = np.rint(depth * np.float32(1.0 / unit_m))
    units[~((units >= 1) & (units <= LARGEST))] = 0
    return units.astype(np.uint16)


def metres(units: np.ndarray, unit_m: float) -> np.ndarray:
    """Return ``(H, W)`` float32 metres of whole units; 0 becomes NaN."""
    depth = (units * np.float64(unit_m)).astype(np.float32)
    depth[units == 0] = np.nan
    return depth


def compressed_depth(units: np.ndarray) -> bytes:
    """Return the data of a ``compressedDepth`` message."""
    _, png = cv2.imencode('.png', units)
    return _HEAD.pack(0, 0.0, 0.0) + png.tobytes()


def decompressed_depth(data: bytes) -> np.ndarray:
    """Return ``(H, W)`` uint16 units of the data of a ``compressedDepth`` message.

    Raises:
        ImageError: Reason ``'compressed'``, if it is no such message.
    """
    buffer = np.frombuffer(data[_HEAD.size :], np.uint8)
    units = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
    if units is None or units.dtype != np.uint16:
        raise ImageError(
            'compressed',
            f'{len(data)} bytes are no compressedDepth of 16UC1; record the topic again',
        )
    return np.asarray(units)
