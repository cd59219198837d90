"""The metrics of a run: a CSV file, flushed after every row."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class MetricsLog:
    """A CSV file that grows; after a resume, rows beyond the checkpoint are dropped.

    Args:
        path: The file.
        columns: Names; the first is the step.
        last_step: Rows of later steps are removed on opening.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], *, last_step: int) -> None:
        self._path = path
        self._columns = columns
        kept = [row for row in read_metrics(path) if float(row[columns[0]]) <= last_step]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('w', newline='') as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(kept)

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row; it is on disk when this returns."""
        text = {key: f'{value:.6g}' for key, value in row.items()}
        with self._path.open('a', newline='') as stream:
            csv.DictWriter(stream, self._columns).writerow(text)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Read the rows of a metrics file; none where it does not exist."""
    if not path.is_file():
        return []
    with path.open(newline='') as stream:
        return list(csv.DictReader(stream))
