"""What is printed: 80 columns, lines that a shell takes, nothing that a terminal obeys, JSON."""

from __future__ import annotations

import json
import shlex

import pytest

from depth_ros.ros.doctor.checks import judge
from depth_ros.ros.doctor.finding import Fault, Finding, Severity
from depth_ros.ros.doctor.report import json_report, text_report
from tests.kit.doctor_doubles import well, with_machine

LONG_LINE = (
    'ros2 run depth_ros stereo_node --ros-args -r __node:=left_eye_node -r __ns:=/robot/head '
    "-p qos_overrides./a/b.publisher.durability:=transient_local -p path:='two words'"
)


def finding(*, about: str = '/left', text: str = 'wrong', line: str = 'ls') -> Finding:
    fault = Fault(about=about, text=text, remedy=line)
    return Finding(check='rig', severity=Severity.ERROR, fault=fault)


def typed(text: str) -> str:
    """Give the line of a report as a shell reads it."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith('  $ '))
    command = lines[start].removeprefix('  $ ')
    while command.endswith('\\'):
        start += 1
        command = command[:-1] + lines[start]
    return command


def test_a_healthy_robot_is_three_lines() -> None:
    text = text_report(well(), [])
    assert text.splitlines()[-1].startswith('HEALTHY: 0 errors, 0 warnings, 0 notes of ')
    assert '/stereo_node' in text


def test_every_line_fits_and_a_shell_takes_what_is_to_be_typed() -> None:
    text = text_report(well(), [finding(line=LONG_LINE, text='words ' * 100)])
    assert max(map(len, text.splitlines())) <= 80
    assert shlex.split(typed(text)) == shlex.split(LONG_LINE)
    assert 'NOT WELL: 1 error, 0 warnings' in text


@pytest.mark.parametrize('hostile', ['\x1b[2J\x07', 'a\nb', 'x' * 100_000, '\u202e', ''])
def test_hostile_names_neither_clear_the_screen_nor_fill_it(hostile: str) -> None:
    text = text_report(well(), [finding(about=hostile, text=hostile, line=f'ros2 {hostile}')])
    assert all(letter.isprintable() or letter == '\n' for letter in text)
    assert len(text) < 4000


def test_json_has_every_finding_with_its_line() -> None:
    seen = with_machine(cpu_busy=1.0)
    record = json.loads(json_report(seen, judge(seen)))
    assert record['findings'] == [
        {
            'id': 'cpu-load',
            'severity': 'warning',
            'about': 'cpu',
            'text': record['findings'][0]['text'],
            'type': 'top -o %CPU',
        }
    ]
    assert record['is_healthy'] is False
    assert record['listened_to']['/left/image_raw'] == 20
