"""Portable float maps, as multi-view data sets keep depth (Debevec's PFM: rows bottom to top)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.given_file import given_bytes

_HEADER = re.compile(
    rb'(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+([+-]?[\d.]{1,20}(?:[eE][+-]?\d{1,3})?)\s'
)


def write_pfm(path: Path, values: np.ndarray) -> None:
    """Write a ``(H, W)`` map as little-endian float32.

    Raises:
        InputError: If it is not a map, reason ``'pfm'``.
    """
    if values.ndim != 2:
        raise InputError('pfm', f'a .pfm map is (H, W), got {values.shape}; give one channel')
    header = f'Pf\n{values.shape[1]} {values.shape[0]}\n-1.0\n'.encode()
    path.write_bytes(header + np.ascontiguousarray(values[::-1], '<f4').tobytes())


def read_pfm(path: Path) -> np.ndarray:
    """Read a map: ``(H, W)`` float32, or ``(H, W, 3)`` for a colour file.

    Raises:
        InputError: If it is no PFM file or is cut short, reason ``'pfm'``.
    """
    data = given_bytes(path)
    header = _HEADER.match(data)
    if header is None:
        raise InputError('pfm', f'{path} does not begin like a .pfm file; check what it is')
    kind, width, height, scale = header.groups()
    channels = 3 if kind == b'PF' else 1
    count = int(width) * int(height) * channels
    body = data[header.end() :]
    if len(body) < 4 * count:
        raise InputError(
            'pfm', f'{path} ends after {len(body)} of {4 * count} bytes; write it again'
        )
    if not count:
        raise InputError('pfm', f'{path} claims no pixel; write it again')
    values = np.frombuffer(body, '<f4' if scale.startswith(b'-') else '>f4', count)
    shape = (int(height), int(width), 3) if channels == 3 else (int(height), int(width))
    return np.ascontiguousarray(values.reshape(shape)[::-1], np.float32)
