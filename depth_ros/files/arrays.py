"""NumPy's files, read without pickle and without believing their headers.

A header may state any shape: the bytes that follow must be enough for it before anything is
allocated. Format: numpy.lib.format, versions 1.0 and 2.0.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.given_file import given_bytes, regular_file
from depth_ros.files.zip_members import ZIP_ERRORS, checked_members

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_KINDS = 'biufcSU'
"""Truth values, whole numbers, floats and texts; no objects, times or records."""

_HEADER_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    SyntaxError,
    EOFError,
    MemoryError,
    RecursionError,
    tokenize.TokenError,
)
"""What NumPy raises on altered headers, which it reads as Python literals."""


def read_array(path: Path) -> np.ndarray:
    """Return the array of an ``.npy`` file, owned by the caller.

    Raises:
        InputError: Reason ``'array_file'``, if it is no such file, or holds anything but numbers
            or texts; ``'file'`` as ``regular_file``.
    """
    try:
        return parse_array(given_bytes(path))
    except ValueError as error:
        raise InputError(
            'array_file', f'{path} is no NumPy array that can be read: {error}; write it again'
        ) from None


def read_arrays(source: Path | IO[bytes]) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` archive by name, owned by the caller.

    Args:
        source: File, or an open one.

    Raises:
        InputError: As ``read_array``.
    """
    if isinstance(source, Path):
        regular_file(source)
    name = source if isinstance(source, Path) else 'the archive'
    try:
        with zipfile.ZipFile(source) as archive:
            members = [m for m in checked_members(archive) if m.filename.endswith('.npy')]
            return {m.filename[: -len('.npy')]: parse_array(archive.read(m)) for m in members}
    except ZIP_ERRORS as error:
        words = ' '.join(str(error).split()) or type(error).__name__
        raise InputError(
            'array_file',
            f'{name} is no archive of arrays (.npz) that can be read: {words}; write it again',
        ) from None


def parse_array(data: bytes) -> np.ndarray:
    """Return the array that the bytes of an ``.npy`` file hold, owned by the caller.

    Raises:
        ValueError: One line that says what is wrong.
    """
    file = io.BytesIO(data)
    try:
        shape, is_fortran, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        count = math.prod(shape)
    except _HEADER_ERRORS as error:
        words = ' '.join(str(error).split())[:200]
        raise ValueError(f'its header is damaged ({words})') from None
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise ValueError(f'it holds {str(dtype)[:80]}, not plain numbers or texts')
    num_bytes = len(data) - file.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize > num_bytes:
        raise ValueError(
            f'its shape {shape} of {dtype} takes {count * dtype.itemsize} bytes, it has '
            f'{num_bytes}'
        )
    flat = np.frombuffer(data, dtype, count, file.tell()) if count else np.zeros(0, dtype)
    return flat.reshape(shape, order='F' if is_fortran else 'C').copy(order='K')
