"""NumPy archives with object arrays, read without executing pickled code.

The indices of public data sets hold lists of paths and matrices as pickled objects. Here a pickle
may build arrays, numbers, texts and lists, and nothing else.
"""

from __future__ import annotations

import codecs
import pickle
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from depth_ros.errors import InputError

_CORES = ('numpy.core.multiarray', 'numpy._core.multiarray')
"""Before NumPy 2, and since."""
_ALLOWED: dict[tuple[str, str], object] = {
    ('numpy', 'dtype'): np.dtype,
    ('numpy', 'ndarray'): np.ndarray,
    ('_codecs', 'encode'): codecs.encode,
    **{(core, '_reconstruct'): np.zeros(0).__reduce__()[0] for core in _CORES},
    **{(core, 'scalar'): np.float64(0).__reduce__()[0] for core in _CORES},
}
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    MemoryError,
)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}')
        return _ALLOWED[module, name]


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz``.

    Raises:
        InputError: If it is absent, damaged, or holds objects other than arrays and plain values.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith('.npy')]
            return {name[: -len('.npy')]: _read(archive, name) for name in names}
    except _ERRORS as error:
        raise InputError(
            'archive',
            f'{path} cannot be read as an archive of arrays ({error}); download it again',
        ) from error


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as file:
        header = _HEADERS.get(np.lib.format.read_magic(file))
        if header is None:
            raise ValueError(f'{name} has an unknown version of the format')
        _, _, dtype = header(file)
        if dtype.hasobject:
            return _objects(file)
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _objects(file: IO[bytes]) -> np.ndarray:
    value = _ArrayUnpickler(file).load()
    if not isinstance(value, np.ndarray):
        raise ValueError(f'it holds a {type(value).__name__} where an array was expected')
    return value
