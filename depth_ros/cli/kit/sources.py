"""What image files and bags have in common as inputs of a batch."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from depth_ros.files.bag_reader import SUFFIXES
from depth_ros.frames import MonoFrame, StereoFrame

FrameT_co = TypeVar('FrameT_co', covariant=True)


class FrameItem(Protocol[FrameT_co]):
    """One frame of a source; see ``outputs.Item``."""

    @property
    def name(self) -> str:
        """Name for output files."""

    @property
    def files(self) -> dict[str, Path]:
        """What it is read from."""

    def frame(self) -> FrameT_co:
        """Read it.

        Raises:
            InputError: If it cannot be used.
        """


def add_topic_arguments(
    parser: argparse.ArgumentParser, names: Sequence[str]
) -> argparse._ArgumentGroup:
    """Add an option for each topic of a bag, by its name as an attribute; return their group."""
    group = parser.add_argument_group('bag')
    for name in names:
        option = f'--{name.replace("_", "-")}'
        group.add_argument(option, default='', metavar='TOPIC', help='if it is not clear which')
    return group


def named_topics(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, str]:
    """Return the topics that were named, by attribute."""
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name)}


StampedT = TypeVar('StampedT', MonoFrame, StereoFrame)


@dataclass(frozen=True, slots=True, eq=False)
class BagItem(Generic[StampedT]):
    """One frame of a bag, decoded already.

    Attributes:
        read: The frame.
        file: The bag's storage file.
    """

    read: StampedT
    file: Path

    @property
    def name(self) -> str:
        """Its stamp in nanoseconds, so that names sort as stamps do."""
        return f'{self.read.stamp_ns:019d}'

    @property
    def files(self) -> dict[str, Path]:
        """The bag's storage file."""
        return {'bag': self.file}

    def frame(self) -> StampedT:
        """Return it."""
        return self.read


def storage_file(path: Path) -> Path:
    """Return the first storage file of a bag, to see whether it changed."""
    files: Iterable[Path] = sorted(path.iterdir()) if path.is_dir() else [path]
    return next((file for file in files if file.suffix in SUFFIXES), path)
