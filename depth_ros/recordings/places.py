"""Files that a job reads and writes, each read by ranges and written whole or not at all.

A name is a path of this machine, or an address as fsspec has them: ``s3://bucket/drive.mcap``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

from depth_ros.errors import InputError
from depth_ros.recordings.local_place import LocalPlace
from depth_ros.recordings.remote_place import remote_place

BLOCK_BYTES = 4 << 20
"""What is held of a file at once where all of it is looked at."""


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""


class FilePlace(Protocol):
    """Where files of one kind of name are."""

    def is_file(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this name."""

    def matches(self, pattern: str) -> list[str]:
        """Return the names that a pattern with ``*`` stands for, in order."""

    def open_to_read(self, name: str) -> BinaryIO:
        """Return a file that can be sought in."""

    def written_whole(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Give a sink; what is written to it becomes the file when the block ends."""

    def remove(self, name: str) -> None:
        """Delete a file, if there is one."""

    def remove_tree(self, name: str) -> None:
        """Delete a folder with all that is in it, if there is one."""

    def sweep(self, folder: str) -> None:
        """Delete what killed writers left half-written."""

    def identity(self, name: str) -> str:
        """Return a text that all names of one file share."""

    def names_in(self, folder: str) -> list[str]:
        """Return the names of what lies in a folder; none where there is no folder."""

    def files_below(self, folder: str) -> list[str]:
        """Return the files below a folder, named from there, in order."""

    def held(self, folder: str) -> AbstractContextManager[None]:
        """Keep other jobs from writing into a folder, where the place can."""


_LOCAL = LocalPlace()
_LOCAL_SCHEMES = ('file', 'local')


def place_of(name: str) -> FilePlace:
    """Return where a name is."""
    scheme, separator, _ = name.partition('://')
    return remote_place(scheme) if separator else _LOCAL


def join(folder: str, *names: str) -> str:
    """Return a name below a folder."""
    return '/'.join([folder.rstrip('/') or '/', *names])


def stem_of(name: str) -> str:
    """Return the last part of a name without its ending."""
    return PurePosixPath(name.rstrip('/')).stem


def is_there(name: str) -> bool:
    """Whether there is a file of this name."""
    return place_of(name).is_file(name)


def is_folder(name: str) -> bool:
    """Whether there is a folder of this name."""
    return place_of(name).is_folder(name)


def matches(pattern: str) -> list[str]:
    """Return the names that a pattern with ``*`` stands for, in order."""
    return place_of(pattern).matches(pattern)


def open_to_read(name: str) -> BinaryIO:
    """Return a file that can be sought in; the caller closes it.

    Raises:
        InputError: Reason ``'file'``, if it cannot be opened.
    """
    return place_of(name).open_to_read(name)


def blocks_of(file: BinaryIO, num_bytes: int) -> Iterator[bytes]:
    """Return the next bytes of a file in blocks, fewer where it ends before."""
    while num_bytes > 0 and (data := file.read(min(BLOCK_BYTES, num_bytes))):
        num_bytes -= len(data)
        yield data


def read_whole(name: str) -> bytes:
    """Return the content of a file; raises as ``open_to_read``."""
    with open_to_read(name) as file:
        return file.read()


@contextmanager
def written_whole(name: str) -> Iterator[Sink]:
    """Give a sink; what is written to it becomes the file when the block ends.

    The content is safe before the name is there: a crash at any moment leaves the former file or
    none, never half of one.

    Raises:
        DepthRosError: If there is no space or the place cannot be written to.
    """
    with place_of(name).written_whole(name) as sink:
        yield sink


def write_whole(name: str, data: bytes) -> None:
    """Write a file at once; raises as ``written_whole``."""
    with written_whole(name) as sink:
        sink.write(data)


def remove(name: str) -> None:
    """Delete a file, if there is one."""
    place_of(name).remove(name)


def remove_tree(name: str) -> None:
    """Delete a folder with all that is in it, if there is one."""
    place_of(name).remove_tree(name)


def sweep(folder: str) -> None:
    """Delete what writers that were killed on this machine left half-written in a folder."""
    place_of(folder).sweep(folder)


def identity(name: str) -> str:
    """Return a text that all names of one file share: links are followed, aliases resolved."""
    scheme, separator, path = name.partition('://')
    if separator and scheme in _LOCAL_SCHEMES:
        return _LOCAL.identity(path)
    return place_of(name).identity(name)


def names_in(folder: str) -> list[str]:
    """Return the names of what lies in a folder; none where there is no folder."""
    return place_of(folder).names_in(folder)


def files_below(folder: str) -> list[str]:
    """Return the files below a folder, named from there, in order; none without a folder."""
    return place_of(folder).files_below(folder)


@contextmanager
def held(folder: str) -> Iterator[None]:
    """Keep other jobs from writing into a folder of this machine; a process that ends lets go.

    Raises:
        DepthRosError: If another job writes into it.
    """
    with place_of(folder).held(folder):
        yield


def named_files(pattern: str) -> list[str]:
    """Return what a pattern stands for; a name without ``*`` stands for itself.

    Raises:
        InputError: Reason ``'file'``, if there is nothing of that kind.
    """
    if '*' not in pattern:
        return [pattern]
    found = matches(pattern)
    if not found:
        raise InputError('file', f'nothing is named like {pattern}; check the pattern')
    return found
