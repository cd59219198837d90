"""Words on a node's command line that nobody reads are refused, in one sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='ROS is absent')

from depth_ros.errors import ParameterError
from depth_ros.ros import entry
from depth_ros.ros.node.statistics import NodeStatistics
from depth_ros.ros.node.words import check_words
from tests.kit.shared_data import REPOSITORY

REFUSED = [
    (['-p', 'model:=sgbm'], "got '-p' before it; add --ros-args before -p"),
    (['model:=sgbm'], "got 'model:=sgbm' before it; add --ros-args before -p"),
    (['--foo'], "got '--foo'; leave it out"),
    (['--ros-args', '-p', 'a:=1', '--', 'left'], "got 'left'; leave it out"),
    (['--ros-args', '-p', 'model=sgbm'], "got 'model=sgbm'; type -p model:=sgbm"),
    (['--ros-args', '-r', 'left=eye'], "got 'left=eye'; type -r left:=eye"),
    (['--ros-args', '-p'], "-p needs NAME:=VALUE, got ''"),
    (['--ros-args', '--params-file', 'nope.yaml'], "there is none at 'nope.yaml'"),
]


@pytest.mark.parametrize(('words', 'said'), REFUSED)
def test_words_that_nobody_reads_are_named(words: list[str], said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_words(words, name='stereo_node')
    assert said in str(caught.value)


def test_words_for_ros_pass() -> None:
    check_words([], name='stereo_node')
    words = ['--ros-args', '-r', '__ns:=/a', '-p', 'a:=b=c', '--log-level', 'info', '--']
    check_words(words, name='stereo_node')


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (('-p', 'model:=sgbm'), 'add --ros-args before -p'),
        (('--ros-args', '--foo'), "['--foo']"),
        (('--ros-args', '--log-level', 'nope'), '--log-level nope'),
    ],
)
def test_a_node_ends_with_one_sentence(words: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'depth_ros.ros', 'viewer_node', *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert 'Traceback' not in done.stderr and '.c:' not in done.stderr.splitlines()[-1]


def test_help_without_a_node_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(['--help']) == 0
    printed = capsys.readouterr().out
    assert all(f'  {name}\n' in printed for name in entry.NODES)
    assert entry.main([]) == 2
    assert 'expected the name of a node' in capsys.readouterr().err


def test_viewer_help_names_every_topic_it_takes() -> None:
    node = pytest.importorskip('depth_ros.ros.viewer.node')
    values = {spec.name: spec.default for spec in node.SPECS}
    assert {source.topic for source in node.sources(values)} == set(node.HELP.inputs)


def test_the_end_says_why_there_was_no_output() -> None:
    statistics = NodeStatistics()
    assert 'no complete input came' in statistics.snapshot().end_text()
    statistics.drop('no_subscriber', 3)
    assert statistics.snapshot().end_text() == (
        'stopped after 0 outputs: dropped were no_subscriber 3; nobody subscribed to an output: '
        'see it e.g. with ros2 topic echo, or depth in a browser with '
        'python -m depth_ros.ros viewer_node'
    )
    statistics.output({}, valid_fraction=1.0)
    assert statistics.snapshot().end_text() == 'stopped after 1 output'
