"""Batches: skip finished inputs, leave out unusable ones, count everything."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from depth_ros import __version__
from depth_ros.cli.kit.commands import EXIT_FAILED
from depth_ros.cli.kit.outputs import SUMMARY, Item, OutputFolder, Record, file_identity
from depth_ros.cli.kit.timing import percentiles
from depth_ros.cli.kit.versions import installed_versions
from depth_ros.errors import CalibrationError, InputError
from depth_ros.files.whole_file import write_json
from depth_ros.tasks.processor import Processor
from depth_ros.tensors import Progress

ItemT = TypeVar('ItemT', bound=Item)
ItemT_co = TypeVar('ItemT_co', bound=Item, covariant=True)
ProcessorT = TypeVar('ProcessorT', bound=Processor)
RunnerT = TypeVar('RunnerT', bound='BatchRunner')


class Told:
    """Warnings; a sentence that comes again is counted instead of printed."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._counts: Counter[str] = Counter()

    def warn(self, text: str) -> None:
        """Print a sentence the first time."""
        self._counts[text] += 1
        if self._counts[text] == 1:
            warn(text)

    def repeats(self) -> None:
        """Print how often each came that came again."""
        for text, count in self._counts.items():
            if count > 1:
                warn(f'{count} times in all: {text.partition(";")[0]}')


@dataclass(slots=True, eq=False)
class Tally:
    """Counts of the inputs by result; updated while running.

    Attributes:
        received: Inputs seen.
        records: Records of finished ones, made now or before.
        skipped: How many of them were done before.
        refused: Inputs that could not be used, by reason.
        seconds: Wall time of those made now.
        told: Reports that were printed.
    """

    received: int = 0
    records: list[Record] = field(default_factory=list)
    skipped: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    told: Told = field(default_factory=Told)

    def refuse(self, reason: str, text: str) -> None:
        """Count and report a refused input."""
        self.refused[reason] += 1
        self.told.warn(text)


class BatchRunner(Generic[ProcessorT]):
    """Base of what runs the inputs of a batch; the engine is opened when the first needs it.

    Attributes:
        opening_s: Wall time of opening it; 0 before.
    """

    def __init__(self, open_processor: Callable[[], ProcessorT]) -> None:
        self.opening_s = 0.0
        self._open = open_processor
        self._opened: ProcessorT | None = None

    def __enter__(self: RunnerT) -> RunnerT:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the engine, if one was opened."""
        if self._opened is not None:
            self._opened.close()

    def _processor(self) -> ProcessorT:
        """Return the processor, opening it at the first call."""
        if self._opened is None:
            start = time.perf_counter()
            self._opened = self._open()
            self.opening_s = time.perf_counter() - start
        return self._opened


class ItemSource(Protocol[ItemT_co]):
    """Where the inputs of a batch come from."""

    @property
    def count(self) -> int:
        """How many there will be at most."""

    def __iter__(self) -> Iterator[ItemT_co]:
        """Return them in order, read as they are needed."""


def run_all(
    source: ItemSource[ItemT],
    make: Callable[[ItemT], Record],
    folder: OutputFolder,
    *,
    tally: Tally,
    progress: Progress,
    is_again: bool,
) -> None:
    """Make or skip every result; a bad input among several is reported and counted.

    A bag that is damaged gives the inputs before the damage.

    Args:
        source: Inputs.
        make: Makes one result and gives its record.
        folder: Where results are found again.
        tally: Counts.
        progress: Called with the progress.
        is_again: Whether to make again what is done.

    Raises:
        InputError: If the only input, or what all inputs share, cannot be used.
    """
    try:
        for item in source:
            progress('computing', min(1.0, tally.received / max(1, source.count)))
            tally.received += 1
            done = None if is_again else folder.finished(item)
            if done is None:
                _make(item, make, tally, is_only=source.count == 1)
            else:
                tally.records.append(done)
                tally.skipped += 1
    except InputError as error:
        if error.reason != 'bag' or not tally.records:
            raise
        tally.refuse(error.reason, str(error))


def _make(item: ItemT, make: Callable[[ItemT], Record], tally: Tally, *, is_only: bool) -> None:
    start = time.perf_counter()
    try:
        tally.records.append(make(item))
    except InputError as error:
        if is_only or _concerns_all(error):
            raise
        tally.refuse(error.reason, f'{item.name} left out: {error}')
    tally.seconds += time.perf_counter() - start


def finish_batch(output: Path, summary: Record, lines: Iterable[str], tally: Tally) -> int:
    """Write the summary, print the lines and one at the end, and return the exit code.

    It is 2 if one of several inputs was refused.
    """
    tally.told.repeats()
    write_json(output / SUMMARY, summary)
    for line in lines:
        print(line)
    print(
        f'{summary["outputs"]} done, {summary["skipped"]} done before (depth at 5 / 50 / 95 %); '
        f'files are in {output}, summary in {output / SUMMARY}'
    )
    return EXIT_FAILED if tally.refused else 0


def batch_summary(tally: Tally, *, opening_s: float) -> Record:
    """Return what ``summary.json`` says of any batch.

    Args:
        tally: Counts.
        opening_s: Wall time of opening the engine, within the tally's.
    """
    ran_by = tally.records[-1]['ran_by'] if tally.records else {}
    assert isinstance(ran_by, dict)
    fractions = np.array([record['valid_fraction'] for record in tally.records], np.float64)
    num_made = len(tally.records) - tally.skipped
    return {
        **ran_by,
        'received': tally.received,
        'refused': dict(tally.refused),
        'outputs': num_made,
        'skipped': tally.skipped,
        'rate_hz': round(num_made / (tally.seconds - opening_s), 3) if num_made else 0.0,
        'valid_fraction': round(float(fractions.mean()), 4) if fractions.size else 0.0,
        'stages_ms': _stages(tally.records),
        'versions': installed_versions(),
    }


def identity_of_files(settings: object, inputs: object, files: Iterable[Path]) -> Record:
    """Return what results depend on besides the images, to detect outdated ones."""
    return {
        'version': __version__,
        'settings': repr(settings),
        'rig': repr(inputs),
        'files': [file_identity(path) for given in files for path in _files_at(given)],
    }


def _files_at(path: Path) -> list[Path]:
    """Return a file, or the files of a folder of weights; nothing for an empty path."""
    if path.is_file() or path == Path():
        return [path] if path.is_file() else []
    return sorted(file for file in path.glob('*') if file.is_file())


def line_of(record: Record, *, instead: str = '') -> str:
    """Return how much of an input is known, and its depth, or a word instead of metres."""
    valid = record['valid_fraction']
    assert isinstance(valid, float)
    metres = instead or metres_text(record['depth_m'])
    return f'{record["name"]:<24} {100 * valid:5.1f} % known   {metres}'


def metres_text(depth_m: object) -> str:
    """Return depth percentiles, ``'0.72 / 1.40 / 2.80 m'``."""
    assert isinstance(depth_m, dict)
    if depth_m['p50'] is None:
        return 'no depth'
    return f'{depth_m["p5"]:.2f} / {depth_m["p50"]:.2f} / {depth_m["p95"]:.2f} m'


def warn(text: str) -> None:
    """Print a warning on stderr."""
    print(f'depth-ros: {text}', file=sys.stderr)


def _concerns_all(error: InputError) -> bool:
    """Whether every further input would fail too, because the calibration is wrong."""
    return isinstance(error, CalibrationError) and error.reason != 'calibration_size'


def _stages(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return percentiles of every stage over all results."""
    times: dict[str, list[float]] = {}
    for record in records:
        stages = record['stages_ms']
        assert isinstance(stages, dict)
        for name, value in stages.items():
            times.setdefault(name, []).append(float(value))
    return {name: percentiles(values) for name, values in times.items()}
