"""Progress, tables and timing: what people see while waiting and afterwards."""

from __future__ import annotations

import io
import threading

import pytest

from depth_ros.cli.kit.progress import LineProgress, never_silent, open_progress, time_text
from depth_ros.cli.kit.tables import text_table
from depth_ros.cli.kit.timing import interleave, percentiles


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_nothing_is_said_about_quick_work():
    stream, clock = io.StringIO(), Clock()
    progress = LineProgress(stream, clock=clock)
    for step in range(10):
        clock.now = 0.19 * step
        progress('matching', step / 10)
    assert stream.getvalue() == ''


def test_long_work_tells_a_line_now_and_then():
    stream, clock = io.StringIO(), Clock()
    progress = LineProgress(stream, clock=clock)
    for second in range(21):
        clock.now = float(second)
        progress('matching', second / 20)
    lines = stream.getvalue().splitlines()
    assert lines == [f'depth-ros: matching: {share} %' for share in (10, 35, 60, 85)]


def test_a_phase_without_end_is_told_once_when_it_begins():
    stream = io.StringIO()
    progress = LineProgress(stream, clock=Clock())
    for phase in ('export a', 'export a', 'check a'):
        progress(phase, None)
    assert stream.getvalue().splitlines() == ['depth-ros: export a', 'depth-ros: check a']


def test_a_long_phase_without_steps_is_told_again_and_again():
    told, twice = [], threading.Event()

    def progress(phase, fraction):
        told.append(phase)
        if len(told) >= 4:
            twice.set()

    with never_silent(progress, 'reading frames', every_s=0.01) as report:
        report('making labels', 0.5)
        assert twice.wait(10.0)
    assert told[:2] == ['reading frames', 'making labels']
    assert all(line.startswith('making labels, ') for line in told[2:])


@pytest.mark.parametrize(
    ('seconds', 'text'), [(40, '40 s'), (720, '12 min'), (11_100, '3 h 5 min')]
)
def test_times_are_as_people_say_them(seconds, text):
    assert time_text(seconds) == text


def test_a_terminal_gets_a_bar_that_goes_away():
    pytest.importorskip('rich', reason='bars are drawn by it')
    stream = Terminal()
    with open_progress(stream) as progress:
        progress('matching', 0.25)
        progress('compiling', None)
    assert '\x1b' in stream.getvalue()
    assert 'compiling' in stream.getvalue()


def test_without_rich_a_terminal_gets_lines(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'rich', None)
    monkeypatch.setitem(sys.modules, 'rich.console', None)
    stream = Terminal()
    with open_progress(stream) as progress:
        progress('compiling', None)
    assert stream.getvalue() == 'depth-ros: compiling\n'


def test_table_lines_up_words_left_and_numbers_right():
    text = text_table(('name', 'ms'), [['a', '1.5'], ['long name', '120.0'], ['b', '-']])
    assert text.splitlines() == [
        'name          ms',
        'a            1.5',
        'long name  120.0',
        'b              -',
    ]
    assert text_table(('name',), []) == 'name'


def test_contenders_take_turns():
    calls = []
    fractions = []
    times = interleave(
        {'a': lambda: calls.append('a'), 'b': lambda: calls.append('b')},
        num_rounds=3,
        num_warmups=1,
        report=fractions.append,
    )
    assert ''.join(calls) == 'abababab'
    assert {name: len(values) for name, values in times.items()} == {'a': 3, 'b': 3}
    assert fractions == [0.25, 0.5, 0.75, 1.0]


def test_percentiles_of_known_values():
    assert percentiles([float(value) for value in range(101)]) == {
        'p50': 50.0,
        'p95': 95.0,
        'p99': 99.0,
    }
