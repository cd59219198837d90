"""Files of this machine, as ``places`` wants them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # no POSIX
    fcntl = None  # type: ignore[assignment]

from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.whole_file import whole_file

LOCK = '.lock'
"""Name of the file that a job holds locked; it is empty and stays."""


class LocalPlace:
    """Paths."""

    def is_file(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return Path(name).is_file()

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this name."""
        return Path(name).is_dir()

    def matches(self, pattern: str) -> list[str]:
        """Return the names that a pattern with ``*`` stands for, in order."""
        return sorted(glob(pattern))  # noqa: PTH207 - patterns may be absolute

    def open_to_read(self, name: str) -> BinaryIO:
        """Return a file that can be sought in."""
        try:
            return Path(name).open('rb')
        except OSError as error:
            raise InputError(
                'file', f'{name} cannot be opened ({error.strerror or error}); check the path'
            ) from None

    @contextmanager
    def written_whole(self, name: str) -> Iterator[BinaryIO]:
        """Give a sink; what is written to it is on the disk before it has the name."""
        path = Path(name)
        _make_folder(path.parent)
        with whole_file(path, is_flushed=True) as draft, draft.open('wb') as file:
            yield file
            file.flush()

    def remove(self, name: str) -> None:
        """Delete a file, if there is one."""
        Path(name).unlink(missing_ok=True)

    def remove_tree(self, name: str) -> None:
        """Delete a folder with all that is in it, if there is one."""
        shutil.rmtree(name, ignore_errors=True)

    def identity(self, name: str) -> str:
        """Return the path behind all links."""
        return str(Path(name).resolve())

    def names_in(self, folder: str) -> list[str]:
        """Return the names of what lies in a folder; none where there is no folder."""
        return (
            sorted(path.name for path in Path(folder).iterdir()) if self.is_folder(folder) else []
        )

    def files_below(self, folder: str) -> list[str]:
        """Return the files below a folder, named from there, in order."""
        root = Path(folder)
        return sorted(
            path.relative_to(root).as_posix() for path in root.rglob('*') if path.is_file()
        )

    @contextmanager
    def held(self, folder: str) -> Iterator[None]:
        """Lock a folder; the system unlocks it when the process ends, however it does."""
        if fcntl is None:
            yield
            return
        _make_folder(Path(folder))
        try:
            file = (Path(folder) / LOCK).open('ab')
        except OSError as error:
            raise DepthRosError(
                f'cannot write into {folder} ({error.strerror or error}); choose another folder'
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DepthRosError(
                    f'another depth-ros process writes into {folder}; wait for its end, or name '
                    'another --out'
                ) from None
            except OSError:
                pass  # a file system without locks
            yield

    def sweep(self, folder: str) -> None:
        """Delete what writers that were killed on this machine left half-written."""
        for draft in Path(folder).glob('.*.part.*'):
            process = draft.name.split('.part.')[0].rpartition('.')[2]
            if process.isdecimal() and not _is_alive(int(process)):
                draft.unlink(missing_ok=True)


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
