"""Where optional shared test data lies; tests skip by name where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_root() -> Path:
    """Folder with ``data``, ``parity`` and ``weights``; may not exist."""
    return Path(os.environ.get('DEPTH_ROS_SHARED', REPOSITORY.parent / 'shared'))


def shared_path(relative: str) -> Path:
    """Path below the shared folder; skips the calling test where it is absent."""
    path = shared_root() / relative
    if not path.exists():
        import pytest

        pytest.skip(f'shared test data {relative!r} is absent (DEPTH_ROS_SHARED)')
    return path
