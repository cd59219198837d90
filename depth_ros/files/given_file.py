"""Read a file that somebody names: a regular file of bounded size, nothing that hangs or streams.

Readers of this package begin here, so that a pipe without a writer cannot stop a node and
``/dev/zero`` cannot fill the memory.
"""

from __future__ import annotations

import stat
from pathlib import Path

from depth_ros.errors import InputError

MAX_TEXT_BYTES = 16 << 20
"""Largest text file that is read: calibrations, trajectories, tables."""

MAX_FILE_BYTES = 1 << 30
"""Largest image, map or cloud that is read at once."""

_MAX_SHOWN = 300


def regular_file(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> Path:
    """Return ``path`` if it is a regular file (or a link to one) of at most ``max_bytes``.

    Raises:
        InputError: Reason ``'file'``, if it is missing, a folder, a pipe, a device, too large, or
            its name is impossible.
    """
    name = printable_path(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise InputError('file', f'there is no file {name} ({reason}); check the path') from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            'file',
            f'{name} must be a regular file, but it is {_kind(status.st_mode)}; name a file, or '
            'copy what it gives into one',
        )
    if status.st_size > max_bytes:
        raise InputError(
            'file',
            f'{name} has {status.st_size / 2**20:.0f} MiB, at most {max_bytes / 2**20:.0f} MiB '
            'are read of such a file; check that it is the right one',
        )
    return path


def given_bytes(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return what a file holds.

    Raises:
        InputError: As ``regular_file``, and if it cannot be read.
    """
    try:
        return regular_file(path, max_bytes=max_bytes).read_bytes()
    except OSError as error:
        name = printable_path(path)
        raise InputError(
            'file',
            f'{name} cannot be read ({error.strerror or error}); check its permissions',
        ) from None


def given_text(path: Path, *, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a UTF-8 file, a byte order mark left out.

    Raises:
        InputError: As ``given_bytes``, and if it is no UTF-8.
    """
    try:
        return given_bytes(path, max_bytes=max_bytes).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        name = printable_path(path)
        raise InputError(
            'file',
            f'{name} is no text in UTF-8 ({error.reason} at byte {error.start}); check it',
        ) from None


def printable_path(path: Path) -> str:
    """Return a path as one line of text, whatever is in its name; a long one is cut in front."""
    text = str(path)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _MAX_SHOWN else f'...{text[-_MAX_SHOWN:]}'


def _kind(mode: int) -> str:
    return next((name for is_kind, name in _KINDS if is_kind(mode)), 'something else')


_KINDS = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a pipe'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
    (stat.S_ISSOCK, 'a socket'),
)
