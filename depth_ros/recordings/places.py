"""Files that a job reads and writes, each read by ranges and written whole or not at all.

A name is a path of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.whole_file import whole_file


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""


def join(folder: str, *names: str) -> str:
    """Return a name below a folder."""
    return '/'.join([folder.rstrip('/') or '/', *names])


def stem_of(name: str) -> str:
    """Return the last part of a name without its ending."""
    return Path(name.rstrip('/')).stem


def is_there(name: str) -> bool:
    """Whether there is a file of this name."""
    return Path(name).is_file()


def size_of(name: str) -> int:
    """Return the bytes of a file."""
    return Path(name).stat().st_size


def open_to_read(name: str) -> BinaryIO:
    """Return a file that can be sought in; the caller closes it.

    Raises:
        InputError: Reason ``'file'``, if it cannot be opened.
    """
    try:
        return Path(name).open('rb')
    except OSError as error:
        raise InputError(
            'file', f'{name} cannot be opened ({error.strerror or error}); check the path'
        ) from None


def read_whole(name: str) -> bytes:
    """Return the content of a file; raises as ``open_to_read``."""
    with open_to_read(name) as file:
        return file.read()


@contextmanager
def written_whole(name: str) -> Iterator[Sink]:
    """Give a sink; what is written to it becomes the file when the block ends.

    The content is on the disk before the name is: a crash at any moment leaves the former file
    or none, never half of one.

    Raises:
        DepthRosError: If the disk is full or the folder cannot be written to.
    """
    path = Path(name)
    _make_folder(path.parent)
    with whole_file(path, is_flushed=True) as draft, draft.open('wb') as file:
        yield file
        file.flush()


def write_whole(name: str, data: bytes) -> None:
    """Write a file at once; raises as ``written_whole``."""
    with written_whole(name) as sink:
        sink.write(data)


def sweep(folder: str) -> None:
    """Delete what writers that were killed on this machine left half-written in a folder."""
    for draft in Path(folder).glob('.*.part.*'):
        process = draft.name.split('.part.')[0].rpartition('.')[2]
        if process.isdecimal() and not _is_alive(int(process)):
            draft.unlink(missing_ok=True)


def remove(name: str) -> None:
    """Delete a file, if there is one."""
    Path(name).unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DepthRosError(
            f'cannot make the folder {folder} ({error.strerror or error}); choose another one'
        ) from error


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
