"""Files in an object store or on a server, through fsspec, as ``places`` wants them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from posixpath import normpath
from typing import Any, BinaryIO

from depth_ros.errors import DepthRosError, InputError

BLOCK_BYTES = 256 << 10
"""What is read beyond what was asked for: indexes are read in small pieces, chunks at once."""
_SCHEME = '://'


class RemotePlace:
    """Addresses of one scheme."""

    def __init__(self, scheme: str) -> None:
        """Open the file system.

        Raises:
            DepthRosError: If fsspec or its package for the scheme is missing.
        """
        try:
            import fsspec

            self._files: Any = fsspec.filesystem(scheme)
        except (ImportError, ValueError) as error:
            raise DepthRosError(
                f'addresses that begin with {scheme}:// need fsspec and its package for them '
                f'({error}); type: pip install {_PACKAGES.get(scheme, "fsspec")}'
            ) from None
        self._scheme = scheme

    def is_file(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with _reported(name):
            return bool(self._files.isfile(name))

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this name."""
        with _reported(name):
            return bool(self._files.isdir(name))

    def matches(self, pattern: str) -> list[str]:
        """Return the addresses that a pattern with ``*`` stands for, in order."""
        with _reported(pattern):
            found = self._files.glob(pattern)
        return sorted(name if _SCHEME in name else f'{self._scheme}://{name}' for name in found)

    def open_to_read(self, name: str) -> BinaryIO:
        """Return a file whose reads are requests of ranges."""
        with _reported(name):
            file: BinaryIO = self._files.open(
                name, 'rb', cache_type='readahead', block_size=BLOCK_BYTES
            )
        return file

    @contextmanager
    def written_whole(self, name: str) -> Iterator[BinaryIO]:
        """Give a sink; its content gets the name when the block ends, or is dropped."""
        try:
            file = self._files.open(name, 'wb', autocommit=False)
            try:
                yield file
                file.close()
            except BaseException:
                file.discard()
                raise
            file.commit()
        except OSError as error:
            raise DepthRosError(
                f'cannot write {name} ({error}); check the address, its space and permissions, '
                'and type the same command again'
            ) from error

    def remove(self, name: str) -> None:
        """Delete a file, if there is one."""
        if self.is_file(name):
            with _reported(name):
                self._files.rm_file(name)

    def remove_tree(self, name: str) -> None:
        """Delete everything below a name, if there is anything."""
        if self.is_folder(name):
            with _reported(name):
                self._files.rm(name, recursive=True)

    def identity(self, name: str) -> str:
        """Return the address with one spelling of its scheme and without detours."""
        protocol = self._files.protocol
        first = protocol if isinstance(protocol, str) else protocol[0]
        return f'{first}{_SCHEME}{normpath(self._files._strip_protocol(name))}'

    def names_in(self, folder: str) -> list[str]:
        """Return the names of what lies in a folder; none where there is no folder."""
        with _reported(folder):
            try:
                found = self._files.ls(folder, detail=False)
            except FileNotFoundError:
                found = []
        return sorted(name.rstrip('/').rpartition('/')[2] for name in found)

    def files_below(self, folder: str) -> list[str]:
        """Return the files below a folder, named from there, in order."""
        root = self._files._strip_protocol(folder).rstrip('/') + '/'
        with _reported(folder):
            found = self._files.find(folder)
        return sorted(name.removeprefix(root) for name in found)

    @contextmanager
    def held(self, folder: str) -> Iterator[None]:
        """Do nothing: stores have no locks."""
        yield

    def sweep(self, folder: str) -> None:
        """Do nothing: what was not written whole has no name."""


@cache
def remote_place(scheme: str) -> RemotePlace:
    """Return the place of a scheme; connections are shared within a process."""
    return RemotePlace(scheme)


@contextmanager
def _reported(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            'file',
            f'{name} cannot be read ({error}); check the address and your access',
        ) from error


_PACKAGES = {
    's3': 's3fs',
    's3a': 's3fs',
    'gs': 'gcsfs',
    'gcs': 'gcsfs',
    'az': 'adlfs',
    'abfs': 'adlfs',
    'http': 'aiohttp',
    'https': 'aiohttp',
    'sftp': 'paramiko',
}
