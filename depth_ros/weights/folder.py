"""Folders of fetched and imported weights."""

from __future__ import annotations

from pathlib import Path

from depth_ros.files.share import cache_root

SUFFIX = '.safetensors'


def weights_folder() -> Path:
    """``weights`` in the user's folder of this package, beside the cached engines."""
    return cache_root() / 'weights'


def downloads_folder() -> Path:
    """Return the folder of fetched files."""
    return weights_folder() / 'downloads'


def imported_weights() -> list[Path]:
    """List what was imported, as ``MODEL/NAME.safetensors`` below the folder."""
    return sorted(weights_folder().glob(f'*/*{SUFFIX}'))
