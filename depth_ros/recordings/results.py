"""What a folder of results holds: figures and ledger of every recording, read back."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.json_text import parse_json
from depth_ros.recordings.figures import COLUMNS
from depth_ros.recordings.ledger import UNAVOIDABLE
from depth_ros.recordings.places import join, matches, read_whole, write_whole
from depth_ros.recordings.plan import result_files
from depth_ros.recordings.unfinished import read_unfinished

ENDING = '.figures.jsonl'
DAMAGE = (ValueError, KeyError, AttributeError, AssertionError, StopIteration, InputError)
"""What reading altered results raises."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Results:
    """Results of one recording.

    Attributes:
        name: Its name.
        bag: Path of the result.
        recording: Path of the input, as it was typed.
        input_topics: Topic of the reference images by task.
        figures: Lines of the table.
        ledger: Lines of the ledger.
        calibration_changes: Times of recording at which calibrations change, by topic.
        is_finished: Whether it is what the job made that was begun last.
    """

    name: str
    bag: str
    recording: str
    input_topics: Mapping[str, str]
    figures: Sequence[Mapping[str, object]]
    ledger: Sequence[Mapping[str, object]]
    calibration_changes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    is_finished: bool = True

    def column(self, name: str) -> np.ndarray:
        """Return a column as ``(N,)`` float64, NaN where a frame does not have it."""
        values = [line.get(name) for line in self.figures]
        return np.array([np.nan if value is None else value for value in values], np.float64)

    @property
    def times_s(self) -> np.ndarray:
        """``(N,)`` seconds of recording since the first frame."""
        times = self.column('log_ns')
        return (times - times.min()) / 1e9 if times.size else times

    @property
    def lost(self) -> Counter[str]:
        """Images that could have become outputs and did not, by reason."""
        return Counter({name: count for name, count in self._reasons if name not in UNAVOIDABLE})

    @property
    def unavoidable(self) -> Counter[str]:
        """Images that could not become outputs in any recording, by reason."""
        return Counter({name: count for name, count in self._reasons if name in UNAVOIDABLE})

    @property
    def empty_tasks(self) -> list[str]:
        """Tasks that made nothing."""
        made = {str(line['task']) for line in self.figures}
        return [task for task in self.input_topics if task not in made]

    @property
    def coverage(self) -> float:
        """Share of the reference images that could become outputs and did; NaN without any."""
        topics = set(self.input_topics.values())
        lost = sum(
            line['topic'] in topics and line['reason'] not in UNAVOIDABLE for line in self.ledger
        )
        total = len(self.figures) + lost
        return len(self.figures) / total if total else float('nan')

    @property
    def _reasons(self) -> Iterable[tuple[str, int]]:
        return Counter(str(line['reason']) for line in self.ledger).items()


def read_results(out: str) -> list[Results]:
    """Return the results of every recording in a folder, by name.

    Raises:
        InputError: If there are none, or a file is damaged.
    """
    paths = matches(join(out, f'*{ENDING}'))
    names = [path.rpartition('/')[2] for path in paths]
    unfinished = read_unfinished(out)
    if not names:
        raise InputError('file', _no_results(out, unfinished))
    found = [_read(out, name.removesuffix(ENDING)) for name in names]
    return [replace(result, is_finished=result.name not in unfinished) for result in found]


def write_table(out: str, results: Sequence[Results]) -> str:
    """Write the figures of all frames as one table and return its name.

    It is Parquet where pyarrow is installed, else CSV.

    Raises:
        DepthRosError: If the disk is full.
    """
    rows = [
        {'recording': result.name, **{name: line.get(name) for name in COLUMNS}}
        for result in results
        for line in result.figures
    ]
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        name = join(out, 'figures.csv')
        write_whole(name, _as_csv(rows))
        return name
    name, buffer = join(out, 'figures.parquet'), io.BytesIO()
    columns = {key: [row[key] for row in rows] for key in ('recording', *COLUMNS)}
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    write_whole(name, buffer.getvalue())
    return name


def _as_csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ('recording', *COLUMNS), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _read(out: str, name: str) -> Results:
    files = result_files(out, name)
    try:
        record = parse_json(read_whole(join(out, f'{name}.json')).decode())
        figures, ledger = _lines(files.figures), _lines(files.ledger)
        assert isinstance(record, dict)
        tasks = record['tasks'].items()
        inputs = {task: values['input'] for task, values in tasks}
        return Results(
            name=name,
            bag=files.bag,
            recording=str(record['recording']),
            input_topics={task: _reference_topic(topics) for task, topics in inputs.items()},
            figures=figures,
            ledger=ledger,
            calibration_changes=record['calibration_changes'],
        )
    except DAMAGE as error:
        raise InputError(
            'file',
            f'the results of {name!r} in {out} are not whole; type the '
            'command that made them again',
        ) from error


def _no_results(out: str, unfinished: Mapping[str, str]) -> str:
    if not unfinished:
        job = 'a job is written by: depth-ros process --init BAG --job job.yaml'
        if matches(join(out, '*.mcap')):
            return (
                f'{out} is a recording or a folder of some; report reads what is made of them; '
                f'type: depth-ros process {out} --out out --job job.yaml, then: depth-ros report '
                f'out; {job}'
            )
        return (
            f'{out} holds no results; make some with: depth-ros process BAG --out {out} '
            f'--job job.yaml; {job}'
        )
    return (
        f'{out} holds no finished results: {", ".join(unfinished.values())} '
        f'{"is" if len(unfinished) == 1 else "are"} unfinished; type the command that began '
        f'{"it" if len(unfinished) == 1 else "them"} again'
    )


def _reference_topic(topics: Mapping[str, str]) -> str:
    """Return the topic of the reference images: the left ones of a rig, else the only ones."""
    names = (topics.get(key, '').strip("'") for key in ('left', 'image'))
    return next(name for name in names if name)


def _lines(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in read_whole(name).decode().splitlines()]
