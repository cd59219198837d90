"""Errors of a disparity map, and the table of a run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class DisparityErrors:
    """Errors over the pixels that have both truth and an estimate.

    Attributes:
        epe: Mean absolute error, px; NaN without such pixels.
        bad_1: Share off by more than 1 px, percent.
        bad_2: More than 2 px.
        bad_3: More than 3 px.
        density: Share of the pixels with truth that have an estimate, percent.
    """

    epe: float
    bad_1: float
    bad_2: float
    bad_3: float
    density: float


def disparity_errors(
    found: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None
) -> DisparityErrors:
    """Compare two maps (H, W) in px; NaN is unknown in both, ``mask`` narrows the pixels."""
    has_truth = np.isfinite(truth) if mask is None else np.isfinite(truth) & mask
    both = has_truth & np.isfinite(found)
    error = np.abs(found[both] - truth[both])
    if error.size == 0:
        nan = float('nan')
        return DisparityErrors(epe=nan, bad_1=nan, bad_2=nan, bad_3=nan, density=0.0)
    bad = [100.0 * float((error > limit).mean()) for limit in (1.0, 2.0, 3.0)]
    return DisparityErrors(
        epe=float(error.mean()),
        bad_1=bad[0],
        bad_2=bad[1],
        bad_3=bad[2],
        density=100.0 * float(both.sum()) / float(has_truth.sum()),
    )


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
