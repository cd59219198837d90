"""The demo as a newcomer runs it: real processes, real images, and what it leaves on disk."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.kit.child_environment import child_environment

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus
from rich.console import Console

from depth_ros.cli.demo import command as demo
from depth_ros.cli.demo.processes import DemoSettings, NodeGraph
from depth_ros.cli.demo.report import pace_lines
from depth_ros.errors import DepthRosError
from depth_ros.files.cloud import read_ply
from depth_ros.ros.demo.observer import preparing

REPOSITORY = Path(__file__).resolve().parents[3]
HAS_IMAGES = importlib.util.find_spec('stereodemo') is not None
PROMISED = {
    'model',
    'engine',
    'precision',
    'size',
    'sent',
    'lost_in_transport',
    'received',
    'paired',
    'unpaired_left',
    'unpaired_right',
    'refused',
    'outputs',
    'dropped',
    'rate_hz',
    'valid_fraction',
    'stages_ms',
    'versions',
}


class RunningProcess:
    """A process that does not end."""

    def poll(self) -> None:
        return None


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = child_environment()
    command = [sys.executable, '-m', 'depth_ros', 'demo', '--rate', '4', *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, check=False
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not HAS_IMAGES:
        pytest.skip('the sample images are absent (pip install --no-deps stereodemo==0.7)')
    output = tmp_path_factory.mktemp('demo')
    result = run_demo('--duration', '4', '--out', str(output))
    assert result.returncode == 0, result.stderr + result.stdout
    for name in ('stereo.png', 'cloud.ply', 'summary.json'):
        assert str(output / name) in result.stdout.replace('\n', '')
    assert 'CC BY 4.0' in result.stdout
    return output


@pytest.fixture(scope='module')
def summary(folder: Path) -> dict:
    return json.loads((folder / 'summary.json').read_text(encoding='utf-8'))


def test_summary_has_what_is_promised_and_its_books_balance(summary: dict) -> None:
    assert set(summary) >= PROMISED
    assert summary['outputs'] > 0
    assert summary['sent'] == summary['received'] + summary['lost_in_transport']
    assert summary['lost_in_transport'] >= 0
    assert summary['received'] == (
        summary['paired'] + summary['unpaired_left'] + summary['waiting_left']
    )
    assert summary['paired'] == summary['outputs'] + sum(summary['dropped'].values())
    assert summary['refused'] == {}
    for times in summary['stages_ms'].values():
        assert 0 <= times['p50'] <= times['p95'] <= times['p99']


def test_picture_shows_three_tiles_in_colour(folder: Path) -> None:
    picture = cv2.imread(str(folder / 'stereo.png'))
    assert picture is not None and picture.shape[1] > 3 * 640
    saturation = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)[..., 1]
    left, _, depth = np.array_split(saturation, 3, axis=1)
    assert left.mean() < 30, 'the left tile is a grey photograph'
    assert (depth > 100).mean() > 0.4, 'the depth tile is mostly coloured'


def test_cloud_is_a_room_in_metres(folder: Path, summary: dict) -> None:
    """Something between half a metre and the demo's limit, in front of the camera."""
    points, colors = read_ply(folder / 'cloud.ply')
    assert len(points) == len(colors) > 50_000
    assert np.isfinite(points).all()
    depth = points[:, 2]
    assert depth.min() > 0.2 and depth.max() <= 8.0
    assert 0.5 < np.median(depth) < 4.0
    assert 0.3 < summary['valid_fraction'] <= 1.0


def test_a_node_that_cannot_start_is_shown_with_its_own_words(tmp_path: Path) -> None:
    if not HAS_IMAGES:
        pytest.skip('the sample images are absent (pip install --no-deps stereodemo==0.7)')
    cache = {'DEPTH_ROS_CACHE': str(tmp_path / 'cache')}
    os.environ.update(cache)
    try:
        result = run_demo('--duration', '2', '--model', 'crestereo', '--out', str(tmp_path))
    finally:
        del os.environ['DEPTH_ROS_CACHE']
    assert result.returncode == 2
    assert 'depth-ros build crestereo' in result.stderr, result.stderr
    assert 'Traceback' not in result.stderr


def test_results_slower_than_images_are_told_with_what_to_type() -> None:
    words = {'camera_hz': 15.0, 'faster': '--model sgbm'}
    (line,) = pace_lines('stereo_node', rate_hz=4.2, **words)
    assert line.startswith('pace:        4.2 results a second of 15 images')
    assert line.endswith('faster: --model sgbm')
    assert pace_lines('stereo_node', rate_hz=14.0, **words) == []
    assert pace_lines('mono_node', rate_hz=1.0, camera_hz=15.0, faster='') == []


class BuildingNode:
    """Stands for the observer of a node that builds its engine, and then gives nothing."""

    def __init__(self, states: list[str]) -> None:
        self._states = states
        self.preparing = ''

    def spin(self, duration_s: float) -> None:
        time.sleep(duration_s / 10)
        self.preparing = self._states.pop(0) if self._states else ''


def test_building_an_engine_is_not_a_start_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, 'START_TIMEOUT_S', 0.05)
    (tmp_path / 'stereo_node.log').write_text('compiling')
    states = ['', *['preparing: compile'] * 20]
    observer, said = BuildingNode(states), io.StringIO()
    graph = NodeGraph(processes={'stereo_node': RunningProcess()}, folder=tmp_path)
    arguments = (graph, observer, lambda: not states, 'nothing came', Console(file=said))
    demo.wait(*arguments)
    assert said.getvalue().count('preparing: compile') == 1
    states[:] = ['']
    never = (graph, observer, lambda: False, *arguments[3:])
    with pytest.raises(DepthRosError, match=r'nothing came within (.|\n)*compiling'):
        demo.wait(*never)


def test_a_node_prepares_until_a_model_runs_or_it_has_failed() -> None:
    nothing_runs = {'model': '', 'outputs': '0'}
    assert preparing(DiagnosticStatus.WARN, 'compile', nothing_runs) == 'compile'
    assert preparing(DiagnosticStatus.ERROR, 'no weights', nothing_runs) == ''
    assert preparing(DiagnosticStatus.OK, '4 Hz', {'model': 'sgbm'}) == ''
    assert preparing(DiagnosticStatus.OK, '2 clients', {'clients': '2'}) == ''


def test_what_is_missing_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    settings = DemoSettings(duration_s=1.0, rate_hz=1.0, model='', out=tmp_path, view=False)
    with pytest.raises(DepthRosError, match='make demo'):
        demo.check_requirements(settings)


def test_users_own_domain_and_transport_profile_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', '42')
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', 'mine.xml')
    environment = demo.private_environment()
    assert environment['ROS_DOMAIN_ID'] == '42'
    assert 'FASTDDS_DEFAULT_PROFILES_FILE' not in environment


@pytest.mark.skipif(not Path('/proc/self/task').is_dir(), reason='needs /proc')
def test_a_demo_that_is_terminated_says_so_in_a_line_and_ends_its_nodes(tmp_path: Path) -> None:
    if not HAS_IMAGES:
        pytest.skip('the sample images are absent (pip install --no-deps stereodemo==0.7)')
    command = [sys.executable, '-m', 'depth_ros', 'demo', '--model', 'sgbm', '--duration', '60']
    process = subprocess.Popen(
        [*command, '--out', str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )
    listed = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    end = time.monotonic() + 60.0
    while not (children := listed.read_text().split()):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.terminate()
    _, words = process.communicate(timeout=60)
    assert (process.returncode, words) == (130, 'depth-ros: interrupted\n')
    assert not any(Path(f'/proc/{child}').exists() for child in children)
