"""A folder that is being made: renamed when finished, else removed, whatever ends the process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ATTEMPTS = 5
_OPEN: set[Path] = set()
"""Drafts of this process; threads add and remove whole entries."""


@contextmanager
def draft_folder(parent: Path, *, prefix: str) -> Iterator[Path]:
    """Make a folder below ``parent``; remove what is left of it after the block."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    _OPEN.add(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _OPEN.discard(folder)


def remove_drafts() -> None:
    """Remove every draft of this process, for one that ends while a thread still writes."""
    for folder in tuple(_OPEN):
        for _ in range(_ATTEMPTS):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
