"""The demos of a moving camera: each runs the real node on the driving rig, leaves a picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.kit.child_environment import child_environment

pytest.importorskip('rclpy', reason='ROS is absent')
pytest.importorskip('tests.kit.built_interfaces')

from depth_ros.cli.demo.command import DEMOS, RESULTS, clear_results

pytestmark = pytest.mark.ros


@pytest.fixture(scope='module')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('cache')


@pytest.mark.parametrize('task', ['match', 'odometry', 'multiview', 'mono'])
def test_demo_leaves_a_picture(tmp_path: Path, cache: Path, task: str) -> None:
    old = tmp_path / 'out' / 'cloud.ply'
    old.parent.mkdir()
    old.write_text('of an earlier demo')
    words = ['demo', '--task', task, '--duration', '6', '--rate', '3', '--out', 'out']
    environment = child_environment(DEPTH_ROS_CACHE=str(cache), COLUMNS='80')
    done = subprocess.run(
        [sys.executable, '-m', 'depth_ros', *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['outputs'] > 0
    picture = cv2.imread(str(tmp_path / 'out' / f'{task}.png'))
    assert picture is not None and len(np.unique(picture)) > 30
    assert (task in ('multiview', 'mono')) is (tmp_path / 'out' / 'cloud.ply').exists()


def test_every_demo_clears_what_any_demo_writes(tmp_path: Path) -> None:
    assert {f'{name}.png' for name in DEMOS} <= set(RESULTS)
    for name in RESULTS:
        (tmp_path / name).write_text('old')
    (tmp_path / 'mine.txt').write_text('kept')
    clear_results(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']
    clear_results(tmp_path / 'nowhere')
