"""Progress of long work on stderr: a bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from depth_ros.tensors import Progress

QUIET_S = 2.0
"""Work with a known end that takes less time prints nothing outside a terminal."""

LINE_EVERY_S = 5.0
"""Pause between two lines outside a terminal."""


@contextmanager
def open_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Show progress while the block runs.

    Args:
        stream: Where to; None takes stderr.
    """
    stream = stream or sys.stderr
    if stream.isatty() and (show := _rich_bar(stream)):
        with show as report:
            yield report
    else:
        yield LineProgress(stream)


SILENT_S = 8.0
"""Long work says something at least as often, also where a phase has no steps to count."""


@contextmanager
def never_silent(
    progress: Progress, phase: str, *, every_s: float = SILENT_S
) -> Iterator[Progress]:
    """Pass progress on while the block runs, and say what is being done where none comes.

    Args:
        progress: Who is told.
        phase: What the block begins with; told at once.
        every_s: Silence after which the phase is told again with the time it has taken.
    """
    beat, stop, started_s = threading.Event(), threading.Event(), time.monotonic()
    latest = [phase]

    def report(phase: str, fraction: float | None) -> None:
        latest[0] = phase
        beat.set()
        progress(phase, fraction)

    def watch() -> None:
        while not stop.is_set():
            if not beat.wait(every_s) and not stop.is_set():
                progress(f'{latest[0]}, {time_text(time.monotonic() - started_s)} so far', None)
            beat.clear()

    progress(phase, None)
    thread = threading.Thread(target=watch, name='depth-ros-never-silent', daemon=True)
    thread.start()
    try:
        yield report
    finally:
        stop.set()
        beat.set()
        thread.join()


def time_text(seconds: float) -> str:
    """Return a time as people say it: ``'40 s'``, ``'12 min'``, ``'3 h 5 min'``."""
    minutes = round(seconds / 60.0)
    if seconds < 90.0:
        return f'{seconds:.0f} s'
    return f'{minutes} min' if minutes < 90 else f'{minutes // 60} h {minutes % 60} min'


class LineProgress:
    """Plain lines for logs: none in the first two seconds, then one every five seconds.

    A phase without a known end is printed once, when it begins.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to ``stream``; ``clock`` gives seconds."""
        self._stream = stream
        self._clock = clock
        self._next_s = clock() + QUIET_S
        self._phase = ''

    def __call__(self, phase: str, fraction: float | None) -> None:
        """Write a line if one is due."""
        if fraction is None:
            if phase != self._phase:
                self._write(phase)
            self._phase = phase
        elif self._clock() >= self._next_s:
            self._write(f'{phase}: {100 * fraction:.0f} %')

    def _write(self, line: str) -> None:
        self._next_s = self._clock() + LINE_EVERY_S
        self._stream.write(f'depth-ros: {line}\n')
        self._stream.flush()


def _rich_bar(stream: TextIO) -> _RichProgress | None:
    try:
        return _RichProgress(stream)
    except ImportError:
        return None


class _RichProgress:
    """A bar by rich, with a spinner where the end is not known."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            SpinnerColumn(),
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.percentage:>3.0f} %'),
            TimeElapsedColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task('', total=None)

    def __enter__(self) -> _RichProgress:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def __call__(self, phase: str, fraction: float | None) -> None:
        total = None if fraction is None else 1.0
        self._bar.update(self._task, description=phase, total=total, completed=fraction or 0.0)
