"""Pictures of a training: samples of its recipe, and the errors over the samples of a run."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from depth_ros.pictures.panels import write_picture
from depth_ros.training.metrics import read_metrics
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.task import DataFolders

COLOURS = ((60, 140, 255), (200, 60, 40), (40, 150, 60), (150, 60, 170), (20, 150, 150))
PREFIXES = ('train_', 'val_')
"""Columns so named are drawn."""
WIDTH, HEIGHT, MARGIN = 960, 540, 70
SAMPLES_PER_ROW = 2


def draw_curve(metrics: Path, picture: Path) -> None:
    """Draw the curves of a metrics file into a PNG, both axes logarithmic; needs two rows."""
    rows = read_metrics(metrics)
    names = [name for name in (rows[0] if rows else ()) if name.startswith(PREFIXES)]
    found = [(name, _points(rows, name)) for name in names]
    found = [(name, points) for name, points in found if len(points) > 1]
    series = [(name, COLOURS[n % len(COLOURS)], points) for n, (name, points) in enumerate(found)]
    if not series:
        return
    everything = np.concatenate([points for _, _, points in series])
    low, high = np.floor(everything.min(0) * 5) / 5, np.ceil(everything.max(0) * 5) / 5
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    _draw_axes(image, low, high)
    for index, (label, colour, points) in enumerate(series):
        pixels = np.round(_to_pixels(points, low, high)).astype(np.int32)
        cv2.polylines(image, [pixels[:, None]], False, colour, 2, cv2.LINE_AA)
        _write(image, label, (WIDTH - 330, MARGIN + 22 * index), colour)
    write_picture(picture, image[..., ::-1])


def _points(rows: list[dict[str, str]], column: str) -> np.ndarray:
    """Return (N, 2) log10 of samples and value, of the rows that have the column."""
    pairs = [(float(row['samples']), float(row[column])) for row in rows if row.get(column)]
    pairs = [pair for pair in pairs if min(pair) > 0.0]
    return np.log10(np.array(pairs, float).reshape(-1, 2))


def _to_pixels(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    share = (points - low) / np.maximum(high - low, 1e-9)
    x = MARGIN + share[:, 0] * (WIDTH - 2 * MARGIN)
    y = HEIGHT - MARGIN - share[:, 1] * (HEIGHT - 2 * MARGIN)
    return np.stack((x, y), 1)


def _draw_axes(image: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    corner = (MARGIN, MARGIN), (WIDTH - MARGIN, HEIGHT - MARGIN)
    cv2.rectangle(image, *corner, (120, 120, 120), 1)
    for axis in (0, 1):
        for value in _ticks(10.0 ** low[axis], 10.0 ** high[axis]):
            at = low.copy()
            at[axis] = math.log10(value)
            x, y = (round(v) for v in _to_pixels(at[None], low, high)[0])
            end = (x, MARGIN) if axis == 0 else (WIDTH - MARGIN, y)
            cv2.line(image, (x, y), end, (225, 225, 225), 1)
            place = (x - 15, y + 22) if axis == 0 else (8, y + 5)
            _write(image, f'{value:g}', place, (60, 60, 60))
    _write(image, 'samples seen', (WIDTH // 2 - 50, HEIGHT - 18), (60, 60, 60))


def _ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 of every decade within the limits."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def _write(
    image: np.ndarray, text: str, place: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)


def draw_contact_sheet(
    recipe: TrainRecipe, folders: DataFolders, picture: Path, *, samples: int = 20
) -> None:
    """Draw ``samples`` samples into a PNG or JPEG, two in a row."""
    stream = recipe.task.source(folders).batches(batch_size=SAMPLES_PER_ROW)
    # Neighbours in the stream may share a scene; every fifth batch rarely does.
    chosen = islice(stream, 0, 5 * samples // SAMPLES_PER_ROW, 5)
    rows = [
        np.hstack([tile for row in recipe.task.tiles(batch) for tile in row]) for batch in chosen
    ]
    write_picture(picture, np.vstack(rows).astype(np.uint8))
