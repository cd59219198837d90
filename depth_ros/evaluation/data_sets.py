"""Data sets of a task that are present in the data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from depth_ros.errors import InputError

ItemT = TypeVar('ItemT')


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet(Generic[ItemT]):
    """One judged set.

    Attributes:
        folder: Name of its folder below the data folder.
        load: Takes that folder and gives what is judged.
    """

    folder: str
    load: Callable[[Path], Iterable[ItemT]]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundSets(Generic[ItemT]):
    """What a data folder has.

    Attributes:
        data: The folder.
        present: The sets that are there, by their names.
        absent: Folders of those that are not.
    """

    data: Path
    present: Mapping[str, DataSet[ItemT]]
    absent: tuple[str, ...]

    @property
    def note(self) -> str:
        """Return what is left out; empty where nothing is."""
        if not self.absent:
            return ''
        return f'{self.data} has no {", ".join(self.absent)}: left out'

    def load(self, name: str) -> Iterable[ItemT]:
        """Read one of the sets that are there.

        Raises:
            InputError: If one of its files is missing or damaged.
        """
        found = self.present[name]
        return found.load(self.data / found.folder)


def find_sets(data: Path, sets: Mapping[str, DataSet[ItemT]]) -> FoundSets[ItemT]:
    """Look for the folders of some sets.

    Args:
        data: Folder that holds them.
        sets: What to look for, by the names in tables.

    Raises:
        InputError: Reason ``'missing'``, if none is there; names them all.
    """
    present = {name: item for name, item in sets.items() if (data / item.folder).is_dir()}
    absent = tuple(item.folder for name, item in sets.items() if name not in present)
    if not present:
        raise InputError(
            'missing',
            f'expected at least one of the folders {", ".join(absent)} in {data}, got '
            f'{"none of them" if data.is_dir() else "no such folder"}; name the folder that '
            'holds them with --data',
        )
    return FoundSets(data=data, present=present, absent=absent)
