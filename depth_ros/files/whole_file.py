"""Write a file whole or not at all: under a temporary name, renamed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from depth_ros.errors import DepthRosError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Return temporary path of the same ending beside ``path``; what is written becomes ``path``.

    If the block raises, nothing is left of it and an older ``path`` stays.

    Raises:
        DepthRosError: If the disk is full or the folder cannot be written to.
    """
    draft = path.with_name(f'.{path.stem}.part{path.suffix}')
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise DepthRosError(
            f'cannot write {path} ({error.strerror or error}); free some space, or choose '
            'another folder'
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
