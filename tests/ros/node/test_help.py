"""``NODE --help`` prints topics, parameters and an example, and starts nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import pytest

pytest.importorskip('rclpy', reason='ROS is absent')

from depth_ros.ros import entry
from depth_ros.ros.entry import NODES
from depth_ros.ros.node.help import is_help, kinds_of, type_name
from tests.kit.shared_data import REPOSITORY


@pytest.mark.parametrize('name', [name for name in NODES if name != 'doctor'])
def test_help_names_topics_and_parameters(name: str) -> None:
    if name in ('matcher_node', 'odometry_node'):
        pytest.importorskip('tests.kit.built_interfaces')
    done = subprocess.run(
        [sys.executable, '-m', 'depth_ros.ros', name, '--help'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith(f'{name}: ')
    assert f'python -m depth_ros.ros {name} --ros-args \\' in done.stdout
    assert 'Parameters (-p NAME:=VALUE)' in done.stdout
    assert 'Offers:' in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_of_matcher_and_odometry_agrees_with_their_tables() -> None:
    """Both name their topics by hand, because the messages may not be built."""
    pytest.importorskip('tests.kit.built_interfaces')
    matcher = import_module(NODES['matcher_node']).HELP.outputs
    topics = kinds_of(import_module('depth_ros.ros.matcher.topics').OUTPUT_TOPICS)
    assert {name: matcher.get(name) for name in topics} == topics
    odometry = import_module(NODES['odometry_node']).HELP.outputs
    for name, kind in import_module('depth_ros.ros.odometry.topics').KINDS.items():
        assert odometry[name].split()[0] == type_name(kind)


def test_installed_programs_are_those_of_the_table() -> None:
    text = (REPOSITORY / 'setup.py').read_text(encoding='utf-8')
    programs = dict(re.findall(r"'(\w+) = depth_ros\.ros\.entry:(\w+)'", text))
    assert programs == {name: name for name in NODES}
    for name in NODES:
        assert getattr(entry, name).args == (name,)


def test_words_for_ros_are_not_looked_at() -> None:
    assert is_help(['-h']) and is_help(['--help', '--ros-args', '-p', 'a:=b'])
    assert not is_help(['--ros-args', '-p', 'x:=--help', '--help'])
    assert not is_help([])
