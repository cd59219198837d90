"""The report as HTML: one page for all recordings, and one for each; no script, no other file."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import numpy as np

from depth_ros.recordings.measures import MEASURES, RecordingMeasure, ranked
from depth_ros.recordings.results import Results

STYLE = """\
body{font:15px/1.45 sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
td,th{padding:.25rem .45rem;text-align:right;
border-bottom:1px solid #ddd;white-space:nowrap}td:first-child,th:first-child{text-align:left}
.bad{background:#c92a2a;color:#fff}.good{background:#2b8a3e;color:#fff}
figure{margin:1rem 0}figcaption{color:#555}
svg{background:#f8f9fa}svg text{font:11px sans-serif;fill:#555}img{max-width:100%}
"""
GOOD, UNFINISHED = 'nothing marked', 'unfinished'
WIDTH_PX, HEIGHT_PX, MARGIN_PX = 880, 130, 46
MAX_DOTS = 60
MAX_POINTS = 600
"""Points of a curve; of more frames the worst of each stretch is drawn."""


def overview_page(results: Sequence[Results], unfinished: Mapping[str, str]) -> str:
    """Return the page of all recordings, the one with most marks first.

    Args:
        results: Those there are.
        unfinished: Paths of recordings that a job has begun and not finished, by their names.
    """
    order = sorted(results, key=lambda result: (-num_marks(result), result.name))
    labels = ''.join(
        f'<th title="{html.escape(measure.label, quote=True)}">{name.replace("_", " ")}</th>'
        for name, measure in MEASURES.items()
    )
    rows = ''.join(
        f'<tr><td><a href="{_address(result)}">{html.escape(result.name)}</a></td>'
        f'{_verdict_cell(result)}<td>{len(result.figures)}</td>{_cells(result)}</tr>'
        for result in order
    )
    names = {result.name for result in results}
    rows += ''.join(
        f'<tr><td>{html.escape(name)}</td><td class="bad">{UNFINISHED}, no results yet</td></tr>'
        for name in sorted(unfinished.keys() - names)
    )
    note = 'Values are of the worst tenth of each recording; red is beyond the limit.'
    return _page(
        'Recordings',
        f'<p>{note}</p><table><tr><th>recording</th><th>verdict</th><th>outputs</th>{labels}</tr>{rows}</table>',
    )


def recording_page(result: Results, pictures: Mapping[str, str]) -> str:
    """Return the page of one recording.

    Args:
        result: Its results.
        pictures: ``data:`` addresses by what they show.
    """
    measures = ''.join(
        f'<tr><td>{html.escape(measure.label)}</td>{_cell(measure, measure.value(result))}</tr>'
        for measure in MEASURES.values()
    )
    figures = ''.join(
        f'<figure><img src="{address}" alt=""><figcaption>{html.escape(label)}</figcaption>'
        '</figure>'
        for label, address in pictures.items()
    )
    return _page(
        result.name,
        f'<p><a href="index.html">all recordings</a>; made from '
        f'{html.escape(result.recording)}</p>'
        f'<table><tr><td>verdict</td>{_verdict_cell(result)}</tr>{measures}</table>'
        f'<h2>Lost</h2>{_counts(result.lost)}'
        f'<h2>Could not become outputs</h2>{_counts(result.unavoidable)}'
        f'<h2>Over time</h2>{_curves(result)}<h2>Frames</h2>{figures or "<p>none</p>"}',
    )


def _counts(reasons: Counter[str]) -> str:
    rows = ''.join(
        f'<tr><td>{html.escape(reason)}</td><td>{number}</td></tr>'
        for reason, number in reasons.most_common()
    )
    return f'<table>{rows}</table>' if rows else '<p>none</p>'


def page_name(result: Results) -> str:
    """Return the file name of a recording's page."""
    return f'bag_{result.name}.html'


def num_marks(result: Results) -> int:
    """Return how many things of a recording are not as they should be."""
    return len(_faults(result))


def verdict(result: Results) -> str:
    """Return in a few words whether a recording is as it should be, else what is not."""
    return ', '.join(_faults(result)) or GOOD


def worst_lines(results: Sequence[Results], name: str) -> list[str]:
    """Return the recordings by a measure in words, the worst first."""
    measure = MEASURES[name]
    return [
        f'{result.name}: {measure.label} {measure.text(value)}'
        f'{" (beyond the limit)" if measure.is_bad(value) else ""}'
        for result, value in ranked(list(results), name)
    ]


def _faults(result: Results) -> list[str]:
    """Return what is not as it should be: measures beyond their limits, and what is missing."""
    marks = [
        name.replace('_', ' ')
        for name, measure in MEASURES.items()
        if measure.is_bad(measure.value(result))
    ]
    empty = [f'{task} made nothing' for task in result.empty_tasks]
    return [UNFINISHED] * (not result.is_finished) + empty + marks


def _verdict_cell(result: Results) -> str:
    is_good = not _faults(result)
    return f'<td class="{"good" if is_good else "bad"}">{html.escape(verdict(result))}</td>'


def _cells(result: Results) -> str:
    return ''.join(_cell(measure, measure.value(result)) for measure in MEASURES.values())


def _cell(measure: RecordingMeasure, value: float) -> str:
    mark = ' class="bad"' if measure.is_bad(value) else ''
    return f'<td{mark}>{html.escape(measure.text(value))}</td>'


def _curves(result: Results) -> str:
    return ''.join(
        _curve(measure, result.times_s, measure.scale * result.column(measure.column))
        for measure in MEASURES.values()
        if measure.column and np.isfinite(result.column(measure.column)).any()
    )


def _curve(measure: RecordingMeasure, times_s: np.ndarray, values: np.ndarray) -> str:
    """Draw a column over the whole time, its limit as a red line where that is in the picture.

    Few values are also points: a line between two of them was not measured.
    """
    is_known = np.isfinite(values)
    times, known = _thinned(times_s[is_known], values[is_known], measure.is_high_bad)
    limit = measure.scale * measure.limit
    high = max(float(known.max()), limit if measure.is_high_bad else 0.0) or 1.0
    span = max(float(times_s.max()), 1e-9)

    def place(time: float, value: float) -> str:
        x = MARGIN_PX + (WIDTH_PX - MARGIN_PX - 8) * time / span
        return f'{x:.1f},{8 + (HEIGHT_PX - 30) * (1 - max(0.0, value) / high):.1f}'

    places = list(map(place, times.tolist(), known.tolist()))
    points = ' '.join(places)
    dots = ''.join(map(_dot, places)) if len(places) <= MAX_DOTS else ''
    ends = ' '.join(place(time, limit) for time in (0.0, span))
    line = f'<polyline points="{ends}" stroke="#c92a2a" fill="none"/>' if limit <= high else ''
    return (
        f'<figure><svg width="{WIDTH_PX}" height="{HEIGHT_PX}">{line}'
        f'<polyline points="{points}" stroke="#1864ab" fill="none"/>{dots}'
        f'<text x="2" y="16">{high:.3g}</text><text x="2" y="{HEIGHT_PX - 22}">0</text>'
        f'<text x="{WIDTH_PX - 70}" y="{HEIGHT_PX - 6}">{span:.1f} s</text></svg>'
        f'<figcaption>{html.escape(f"{measure.label} {measure.unit}".strip())}</figcaption>'
        '</figure>'
    )


def _dot(place: str) -> str:
    x, y = place.split(',')
    return f'<circle cx="{x}" cy="{y}" r="2.5" fill="#1864ab"/>'


def _thinned(
    times: np.ndarray, values: np.ndarray, is_high_bad: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return at most ``MAX_POINTS`` points: of each stretch the worst."""
    choose = np.argmax if is_high_bad else np.argmin
    pieces = np.array_split(np.arange(values.size), min(MAX_POINTS, values.size))
    rows = [int(piece[choose(values[piece])]) for piece in pieces]
    return times[rows], values[rows]


def _address(result: Results) -> str:
    return html.escape(quote(page_name(result)), quote=True)


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<title>{html.escape(title)}</title><style>{STYLE}</style>'
        f'<h1>{html.escape(title)}</h1>{body}</html>\n'
    )
