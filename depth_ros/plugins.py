"""Models that other packages bring: each declares one in the entry point group of ``GROUP``.

In its ``pyproject.toml``, for an entry of that name::

    [project.entry-points.'depth_ros.models']
    toy_stereo = 'toy_stereo:ENTRY'

A package that cannot be used is logged in one sentence and skipped.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from depth_ros.entries import ModelEntry

GROUP = f'{__package__}.models'
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugins:
    """What is installed beside this package.

    Attributes:
        entries: Models that can be used, by name.
        faults: Why another cannot be, by name: one sentence each.
    """

    entries: Mapping[str, ModelEntry]
    faults: Mapping[str, str]


@lru_cache(maxsize=1)
def plugins() -> Plugins:
    """Find and import every declared entry, once; log the faults."""
    entries: dict[str, ModelEntry] = {}
    faults: dict[str, str] = {}
    for point in entry_points(group=GROUP):
        try:
            if point.name in entries:
                raise ValueError('another package declares the same name')
            entries[point.name] = _checked(point, point.load())
        # No error in another package may stop this one.
        except Exception as error:  # noqa: BLE001
            faults[point.name] = _sentence(point, error)
            logger.warning('%s', faults[point.name])
    return Plugins(entries=entries, faults=faults)


def recipe_files() -> dict[str, Path]:
    """Return the recipes of models from other packages, by name."""
    return {
        name: entry.folder / f'{name}.yaml'
        for name, entry in plugins().entries.items()
        if entry.folder is not None
    }


def _checked(point: EntryPoint, entry: object) -> ModelEntry:
    if not isinstance(entry, ModelEntry):
        raise TypeError(f'{point.value} must be a ModelEntry, got {type(entry).__name__}')
    if entry.name != point.name:
        raise ValueError(f'its entry is named {entry.name!r}; declare it under that name')
    if entry.needs_weights and entry.folder is None:
        raise ValueError('it needs weights, so folder must say where its recipe is')
    if entry.folder is not None and not (entry.folder / f'{entry.name}.yaml').is_file():
        raise FileNotFoundError(f'there is no recipe {entry.folder / entry.name}.yaml')
    return entry


def _sentence(point: EntryPoint, error: Exception) -> str:
    package = point.dist.name if point.dist is not None else 'unknown'
    return (
        f'model {point.name!r} of package {package!r} cannot be used '
        f'({type(error).__name__}: {error}); correct or remove the package'
    )
