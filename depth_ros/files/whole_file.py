"""Write a file whole or not at all: under a temporary name, renamed at the end."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from depth_ros.errors import DepthRosError


@contextmanager
def whole_file(path: Path, *, is_flushed: bool = False) -> Iterator[Path]:
    """Return a draft of the same ending beside ``path``; what is written there becomes ``path``.

    If the block raises, nothing is left of it and an older ``path`` stays. The temporary name is
    this process's own, so that concurrent writers are safe and the last one wins.

    Args:
        path: The file to make or replace.
        is_flushed: Whether to wait until the content is on the disk before the rename, so that
            not even a power cut leaves half of it.

    Raises:
        DepthRosError: If the disk is full or the folder cannot be written to.
    """
    if '\0' in str(path):
        raise DepthRosError(f'the name {str(path)!r} holds a NUL character; correct it')
    draft = path.with_name(f'.{path.stem}.{os.getpid()}.part{path.suffix}')
    try:
        yield draft
        if is_flushed:
            flush_path(draft)
        draft.replace(path)
    except OSError as error:
        raise DepthRosError(
            f'cannot write {path} ({error.strerror or error}); {_remedy(path, error)}'
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _remedy(path: Path, error: OSError) -> str:
    if path.is_dir():
        return 'it is a folder, name a file in it'
    if not path.parent.is_dir():
        return f'make the folder {path.parent}, or choose another folder'
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f'allow writing in {path.parent}, or choose another folder'
    return 'free some space, or choose another folder'


def write_json(path: Path, record: Mapping[str, object] | Sequence[object]) -> None:
    """Write JSON, whole or not at all.

    Raises:
        DepthRosError: As ``whole_file``.
    """
    with whole_file(path) as draft:
        draft.write_text(json.dumps(record, indent=2) + '\n', encoding='utf-8')


def flush_path(path: Path) -> None:
    """Wait until a file's or folder's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
