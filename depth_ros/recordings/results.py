"""What a folder of results holds: figures and ledger of every recording, read back."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.json_text import parse_json
from depth_ros.recordings.figures import COLUMNS
from depth_ros.recordings.keyframe_blocks import PASSED_OVER
from depth_ros.recordings.places import join, matches, read_whole, write_whole
from depth_ros.recordings.plan import result_files

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
    """

    name: str
    bag: str
    recording: str
    input_topics: Mapping[str, str]
    figures: Sequence[Mapping[str, object]]
    ledger: Sequence[Mapping[str, object]]

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
    def reasons(self) -> Counter[str]:
        """Refused images by reason."""
        return Counter(str(line['reason']) for line in self.ledger)

    @property
    def coverage(self) -> float:
        """Share of the reference images that became outputs; NaN without any.

        Images between keyframes are no loss.
        """
        topics = set(self.input_topics.values())
        lost = sum(
            line['topic'] in topics and line['reason'] != PASSED_OVER for line in self.ledger
        )
        total = len(self.figures) + lost
        return len(self.figures) / total if total else float('nan')


def read_results(out: str) -> list[Results]:
    """Return the results of every recording in a folder, by name.

    Raises:
        InputError: If there are none, or a file is damaged.
    """
    paths = matches(join(out, '*.figures.jsonl'))
    names = [path.rpartition('/')[2] for path in paths]
    if not names:
        raise InputError(
            'file', f'{out} holds no results; make some with: depth-ros process BAG --out {out}'
        )
    return [_read(out, name.removesuffix('.figures.jsonl')) for name in names]


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
        )
    except DAMAGE as error:
        raise InputError(
            'file',
            f'the results of {name!r} in {out} are not whole; type the '
            'command that made them again',
        ) from error


def _reference_topic(topics: Mapping[str, str]) -> str:
    """Return the topic of the reference images: the left ones of a rig, else the only ones."""
    names = (topics.get(key, '').strip("'") for key in ('left', 'image'))
    return next(name for name in names if name)


def _lines(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in read_whole(name).decode().splitlines()]
