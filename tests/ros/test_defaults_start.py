"""Everything starts as it comes: no settings, an empty cache, no torch, what ships."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.cli.run.command import TASKS
from depth_ros.ros.entry import NODES
from tests.kit import cli_process, sample_folder
from tests.kit.child_environment import python_path

WITHOUT_TORCH = "import sys\n\nsys.modules['torch'] = None\n"
NEEDS_WEIGHTS = 'no weights of {!r} are shipped or exported'
"""What only mono says: no network for one image ships."""
CAMERA_POSE = '0 0 0 -0.5 0.5 -0.5 0.5'
"""Where the sample rig has its left camera; by TF where a distro brings tf2_ros."""
TIMEOUT_S = 120.0

COMMANDS: dict[str, tuple[Sequence[str], int, str]] = {
    'stereo': (('left.png', 'right.png', '--calibration', 'calibration.json'), 0, '1 done'),
    'mono': (('street.jpg',), 2, NEEDS_WEIGHTS.format('monodepth2')),
    'multiview': (('room',), 0, '4 depth maps done'),
    'match': (('a.png', 'b.png'), 0, 'matches hold'),
    'odometry': (('walk',), 0, '20 frames placed'),
}
"""Task: inputs, exit code, and what it says."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a node is connected to the sample camera, and what tells that it works.

    Attributes:
        topic: Output to wait for.
        kind: Its type, as ``package.Name``.
        is_good: Whether a message of it is a result.
        inputs: Remappings and what the recording lacks.
        camera: What the sample camera shows.
    """

    topic: str
    kind: str
    is_good: Callable[[Any], bool]
    inputs: Sequence[str] = ()
    camera: Sequence[str] = ('-p', 'source:=drive')


def _has_depth(message: Any) -> bool:
    return np.isfinite(np.frombuffer(message.data, np.float32)).mean() > 0.5


LEFT = ('-r', 'image_raw:=left/image_raw', '-r', 'camera_info:=left/camera_info')
ONE_CAMERA = ('-p', 'source:=drive', '-p', 'sides:=left')
POSES = ('-r', 'odometry:=ground_truth/odometry', '-p', f"base_from_camera:='{CAMERA_POSE}'")
STARTS: dict[str, Start] = {
    'stereo_node': Start(
        topic='depth/image', kind='sensor_msgs.Image', is_good=_has_depth, camera=()
    ),
    'multiview_node': Start(
        topic='depth/image',
        kind='sensor_msgs.Image',
        is_good=_has_depth,
        inputs=(*LEFT, *POSES),
        camera=ONE_CAMERA,
    ),
    'matcher_node': Start(
        topic='matches',
        kind='depth_ros_interfaces.Matches',
        is_good=lambda message: len(message.confidences) > 50,
        inputs=LEFT,
        camera=ONE_CAMERA,
    ),
    'odometry_node': Start(
        topic='odometry',
        kind='nav_msgs.Odometry',
        is_good=lambda message: message.pose.pose.position.x > 0.0,
    ),
}
OTHER_NODES = {
    'sample_camera': 'feeds the four',
    'perception': 'tests/ros/perception',
    'viewer_node': 'tests/ros/viewer; it computes nothing',
    'doctor': 'tests/ros/doctor; it watches and ends',
    'mono_node': 'test_mono_node_says_which_weights_it_needs',
}


def test_nothing_that_starts_is_left_out() -> None:
    assert set(COMMANDS) == set(TASKS)
    assert set(STARTS) | set(OTHER_NODES) == set(NODES)


@pytest.fixture(autouse=True)
def torchless(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide torch from every process that a test starts, and give it an empty cache."""
    folder = tmp_path_factory.mktemp('torchless')
    (folder / 'sitecustomize.py').write_text(WITHOUT_TORCH)
    monkeypatch.setenv('PYTHONPATH', python_path(folder))
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(folder / 'cache'))


@pytest.fixture(scope='module')
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec('stereodemo') is None:
        pytest.skip('the sample images are not installed')
    return sample_folder.stock(tmp_path_factory.mktemp('samples') / 'work')


def test_torch_is_hidden_from_what_is_tested_here() -> None:
    done = subprocess.run([sys.executable, '-c', 'import torch'], capture_output=True, check=False)
    assert b'ModuleNotFoundError' in done.stderr


@pytest.mark.parametrize('task', COMMANDS)
def test_command_starts(samples: Path, task: str) -> None:
    inputs, code, said = COMMANDS[task]
    cache = Path(os.environ['DEPTH_ROS_CACHE'])
    got = cli_process.depth_ros('run', task, *inputs, cwd=samples, cache=cache)
    assert (got.code, said in got.out + got.err) == (code, True), got


@pytest.fixture(scope='module')
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds nothing but the sample rig's drive, which takes a while to draw."""
    from depth_ros.ros.demo.drive import open_drive

    cache = tmp_path_factory.mktemp('drawn')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DEPTH_ROS_CACHE', str(cache))
        open_drive('room', progress=lambda num_drawn: None)
    return cache


@pytest.mark.ros
@pytest.mark.parametrize('name', STARTS)
def test_node_starts(tmp_path: Path, drawn: Path, name: str) -> None:
    start = STARTS[name]
    package, _, kind = start.kind.partition('.')
    messages = _messages(package)
    from tests.kit.live_node import robot, running

    camera = (*start.camera, '-p', 'wait_for_subscribers:=true')
    with (
        robot(cameras=(), outputs={start.topic: getattr(messages, kind)}, node=name) as driver,
        running(
            tmp_path,
            *start.inputs,
            module=name,
            is_subscribing=False,
            has_known_matcher=False,
        ),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv('DEPTH_ROS_CACHE', str(drawn))
        with running(tmp_path, *camera, module='sample_camera'):
            came = driver.received[start.topic]
            assert driver.spin_until(lambda: any(map(start.is_good, came)), TIMEOUT_S), (
                tmp_path / f'{name}.log'
            ).read_text()


def _messages(package: str) -> Any:
    if package == 'depth_ros_interfaces':
        pytest.importorskip('tests.kit.built_interfaces')
    return pytest.importorskip(f'{package}.msg', reason='ROS is absent')


@pytest.mark.ros
def test_mono_node_says_which_weights_it_needs(tmp_path: Path) -> None:
    pytest.importorskip('rclpy', reason='ROS is absent')
    from tests.kit.live_node import running

    with running(tmp_path, module='mono_node', is_subscribing=False) as node:
        node.wait_for('[no_mono_network]')
        assert node.stop() == 0
    alone = ('-p', 'refine:=none')
    with running(tmp_path, *alone, module='mono_node', is_subscribing=False) as node:
        node.wait_for(NEEDS_WEIGHTS.format('monodepth2'))
        node.wait_for('or leave refine at auto')
        assert node.process.wait(TIMEOUT_S) == 1
