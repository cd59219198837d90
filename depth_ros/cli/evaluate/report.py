"""Shared by all tasks of ``depth-ros evaluate``: data folder, notes, figures as JSON."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from depth_ros.evaluation.data_sets import DataSet, FoundSets, find_sets
from depth_ros.files.whole_file import write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ItemT = TypeVar('ItemT')


def add_report_arguments(
    parser: argparse.ArgumentParser, *, folders: Iterable[str], is_required: bool = True
) -> None:
    """Add the data folder and the file for figures.

    Args:
        parser: Of the task.
        folders: Sets that are looked for in the data folder.
        is_required: Whether nothing else can be judged.
    """
    add_json_argument(parser)
    parser.add_argument(
        '--data',
        type=Path,
        required=is_required,
        help=f'folder with {" and ".join(folders)}; what is not there is left out',
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add the file for figures alone."""
    parser.add_argument('--json', type=Path, metavar='FILE', help='file to write the figures to')


def present_sets(args: argparse.Namespace, sets: Mapping[str, DataSet[ItemT]]) -> FoundSets[ItemT]:
    """Return the sets that are in the data folder; say on stderr which are left out.

    Raises:
        InputError: If none is there.
    """
    found = find_sets(args.data, sets)
    say(found.note)
    return found


def say_untrained(is_untrained: bool) -> None:
    """Print on stderr that weights are synthetic, if they are."""
    say('the weights are made up (untrained): these figures mean nothing' if is_untrained else '')


def say(note: str) -> None:
    """Print a note on stderr, so that stdout has only the table; nothing if it is empty."""
    if note:
        print(f'depth-ros: {note}', file=sys.stderr)


def report(args: argparse.Namespace, text: str, rows: Iterable[DataclassInstance]) -> int:
    """Print the text, write the figures where they were asked for, and return the exit code."""
    print(text)
    write_figures(args.json, rows)
    return 0


def write_figures(path: Path | None, rows: Iterable[DataclassInstance]) -> None:
    """Write rows as a JSON list, if a file was named; what is not known (NaN) becomes null."""
    if path is None:
        return
    write_json(path, [known_only(asdict(row)) for row in rows])


def known_only(value: object) -> object:
    """Put None where a number is not finite, in mappings and sequences too."""
    if isinstance(value, Mapping):
        return {name: known_only(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [known_only(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
