"""What is printed: 80 columns, lines that a shell takes, nothing that a terminal obeys, JSON."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from depth_ros.ros.doctor import command
from depth_ros.ros.doctor.checks import judge
from depth_ros.ros.doctor.finding import Fault, Finding, Severity
from depth_ros.ros.doctor.report import json_report, text_report
from tests.kit.doctor_doubles import state, well, with_machine, with_node

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


def judge_reports(*paths: Path, words: tuple[str, ...] = ()) -> int:
    return command.main([word for path in paths for word in ('--report', str(path))] + list(words))


def test_the_report_of_a_node_that_ended_is_judged_without_ros(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / 'good.json', tmp_path / 'bad.json'
    counts = {'outputs': 90, 'callback_failures': 0, 'lost_left': 0, 'rate_hz': 9.0}
    good.write_text(json.dumps({**counts, 'dropped': {'superseded': 5, 'shutdown': 1}}))
    spoilt = {'dropped': {'internal': 3}, 'refused': {'zero_stamp': 7}, 'lost_left': 12}
    bad.write_text(json.dumps({**counts, **spoilt}))
    assert judge_reports(good) == 0
    assert 'HEALTHY' in capsys.readouterr().out
    assert judge_reports(good, bad, words=('--json',)) == 1
    record = json.loads(capsys.readouterr().out)
    assert {entry['id'] for entry in record['findings']} == {
        'dropped',
        'messages-lost',
        'node-defect',
    }
    assert 'in its run' in record['findings'][0]['text']


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"outputs": 1}', '[' * 9000, 'NaN', '\x00'])
def test_what_is_no_report_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'report.json'
    path.write_text(text)
    assert judge_reports(path) == 2
    assert 'report' in capsys.readouterr().err
    assert judge_reports(tmp_path / 'missing.json') == 2


def test_counters_of_any_kind_end_nothing(tmp_path: Path) -> None:
    path = tmp_path / 'report.json'
    dropped = {'a': 'b', 'c': None, 'd': [1], 'e': 1e400, 'f\x1b': 5}
    path.write_text(json.dumps({'outputs': 'x', 'dropped': dropped, 'refused': 3}))
    assert judge_reports(path) == 1


def test_nodes_and_what_they_take_in_are_listed_where_that_is_asked_for() -> None:
    seen = with_node(state=state(outputs='90', dropped_superseded='5', dropped='5'))
    text = text_report(seen, [], has_topics=True)
    assert max(map(len, text.splitlines())) <= 80
    assert 'active; no engine; 90 outputs; dropped: superseded 5\n' in text
    assert '/left/image_raw\n' in text
    assert '160x120 mono8' in text and "frame 'left_eye'" in text and '20 ms old' in text
    assert '/left/image_raw\n' not in text_report(seen, [])


def test_json_has_rates_sizes_frames_and_quality_of_service() -> None:
    (node,) = json.loads(json_report(well(), []))['nodes']
    first = node['inputs'][0]
    assert (node['name'], node['lifecycle'], node['use_sim_time']) == (
        '/stereo_node',
        'active',
        False,
    )
    assert first == {
        'topic': '/left/image_raw',
        'type': 'sensor_msgs/msg/Image',
        'rate_hz': 10.0,
        'age_s': 0.02,
        'frame_id': 'left_eye',
        'encoding': 'mono8',
        'width': 160,
        'height': 120,
        'publishers': [{'node': '/driver', 'reliability': 'reliable', 'durability': 'volatile'}],
    }
