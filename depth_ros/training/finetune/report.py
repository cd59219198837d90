"""The report of a fine-tuning: one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.files.whole_file import whole_file
from depth_ros.training.finetune.figures import Figures, TuningVerdict
from depth_ros.training.finetune.loop import Tile

TILE_WIDTH = 320
JPEG_QUALITY = 88
CURVE_WIDTH, CURVE_HEIGHT = 640, 160

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 1720px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { padding: .25em .9em; text-align: left }
tr + tr { border-top: 1px solid #ddd } td.number { text-align: right }
.kept { color: #176b2c } .refused { color: #9c1c1c }
.row { display: flex; gap: 6px; margin: 6px 0 18px; flex-wrap: wrap } figure { margin: 0 }
figcaption { font-size: 12px; color: #555 } img { display: block; width: 320px }
"""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReportPage:
    """Contents of the page.

    Attributes:
        model: The model's name.
        parent: Weights before.
        frames: Where the frames are from.
        facts: Further facts by name.
        before: Figures before.
        after: Figures after.
        verdict: Whether the new weights are kept.
        history: Steps and gain of every judgement.
        rows: Pictures.
    """

    model: str
    parent: str
    frames: str
    facts: Mapping[str, str]
    before: Figures
    after: Figures
    verdict: TuningVerdict
    history: Sequence[tuple[int, float]]
    rows: Sequence[Sequence[Tile]]


def write_report(page: ReportPage, path: Path) -> None:
    """Write the page.

    Raises:
        DepthRosError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        draft.write_text(_page(page), encoding='utf-8')


def _page(page: ReportPage) -> str:
    title = html.escape(f'Fine-tuning of {page.model}')
    facts = {'model': page.model, 'weights before': page.parent, 'frames': page.frames}
    parts = [
        f'<h1>{title}</h1>',
        _verdict(page.verdict),
        '<h2>Held-out frames</h2>',
        _figures(page.before, page.after),
        '<h2>Gain over the steps</h2>',
        _curve(page.history),
        '<h2>Pictures of held-out frames</h2>',
        '<p>Hatched: left and right disparity do not agree to 1 px.</p>',
        *[_row(row) for row in page.rows],
        '<h2>How it was done</h2>',
        _table([(name, value) for name, value in {**facts, **page.facts}.items()]),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style>{_STYLE}</style></head>\n<body>\n' + '\n'.join(parts) + '\n</body></html>\n'
    )


def _verdict(verdict: TuningVerdict) -> str:
    percent = f'{100.0 * verdict.gain:+.1f} %'
    if verdict.is_better:
        return f'<p class="kept"><b>Kept: {percent} better.</b></p>'
    why = html.escape(verdict.objection)
    return f'<p class="refused"><b>Refused: {why}.</b> The weights before stay in use.</p>'


def _figures(before: Figures, after: Figures) -> str:
    rows = [
        ('photometric error, 0..1, lower is better', before.photometric, after.photometric, 4),
        ('left-right consistency, share of pixels', before.consistency, after.consistency, 3),
        (
            'distance from what several matchers agree on, px',
            before.label_error,
            after.label_error,
            2,
        ),
        ('sharpness of the edges, 0..1', before.sharpness, after.sharpness, 3),
    ]
    cells = ''.join(
        f'<tr><td>{name}</td><td class="number">{_number(old, digits)}</td>'
        f'<td class="number">{_number(new, digits)}</td></tr>'
        for name, old, new, digits in rows
    )
    return f'<table><tr><th></th><th>before</th><th>after</th></tr>{cells}</table>'


def _number(value: float, digits: int) -> str:
    return f'{value:.{digits}f}' if math.isfinite(value) else '-'


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = ''.join(
        f'<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    return f'<table>{cells}</table>'


def _curve(history: Sequence[tuple[int, float]]) -> str:
    """Draw the gain of every judgement as an inline picture."""
    points = [(0, 0.0), *history]
    steps = np.array([step for step, _ in points], float)
    gains = 100.0 * np.array([gain for _, gain in points])
    low, high = min(float(gains.min()), 0.0), max(float(gains.max()), 1.0)
    x = 10 + (CURVE_WIDTH - 20) * steps / max(steps[-1], 1.0)
    y = 10 + (CURVE_HEIGHT - 20) * (high - gains) / (high - low)
    line = ' '.join(f'{a:.1f},{b:.1f}' for a, b in zip(x, y, strict=True))
    zero = 10 + (CURVE_HEIGHT - 20) * high / (high - low)
    return (
        f'<svg width="{CURVE_WIDTH}" height="{CURVE_HEIGHT}" role="img">'
        f'<line x1="10" x2="{CURVE_WIDTH - 10}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="#bbb"/>'
        f'<polyline points="{line}" fill="none" stroke="#2563a8" stroke-width="2"/></svg>'
        f'<p>{steps[-1]:.0f} steps; best {gains.max():+.1f} %, 0 % is the network before.</p>'
    )


def _row(tiles: Sequence[Tile]) -> str:
    return '<div class="row">' + ''.join(_figure(tile) for tile in tiles) + '</div>'


def _figure(tile: Tile) -> str:
    return (
        f'<figure><img alt="{html.escape(tile.title)}" src="data:image/jpeg;base64,'
        f'{_encoded(tile.image)}"><figcaption>{html.escape(tile.title)}</figcaption></figure>'
    )


def _encoded(image: np.ndarray) -> str:
    height = max(1, round(image.shape[0] * TILE_WIDTH / image.shape[1]))
    small = cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode('.jpg', np.ascontiguousarray(small[..., ::-1]), quality)
    return base64.b64encode(data.tobytes()).decode('ascii')
