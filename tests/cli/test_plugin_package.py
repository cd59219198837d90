"""The package that docs/development.md walks through: installed, built, run, and in a node."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import PairOnDisk
from tests.kit.child_environment import python_path
from tests.kit.cli_process import depth_ros
from tests.kit.shared_data import REPOSITORY

EXAMPLE = REPOSITORY / 'docs' / 'examples' / 'toy_stereo'


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the example is installed, exported and built, as a user does it."""
    pytest.importorskip('torch', reason='torch is not installed')
    folder = tmp_path_factory.mktemp('plugin')
    shutil.copytree(EXAMPLE, folder / 'source')
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    offline = ['--no-deps', '--no-build-isolation', '--no-index', '--target', 'site']
    subprocess.run([*pip, *offline, './source'], cwd=folder, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', python_path(folder / 'site'))
        patch.setenv('DEPTH_ROS_CACHE', str(folder / 'cache'))
        weights = [sys.executable, '-m', 'toy_stereo.network', 'toy_stereo.npz']
        subprocess.run(weights, cwd=folder, check=True)
        outcome = depth_ros('build', 'toy_stereo', '--weights', 'toy_stereo.npz', cwd=folder)
        assert outcome.code == 0 and 'built and checked' in outcome.out, outcome.err
        yield folder


def test_the_example_is_five_files() -> None:
    assert sorted(path.name for path in EXAMPLE.rglob('*') if path.is_file()) == [
        '__init__.py', 'model.py', 'network.py', 'pyproject.toml', 'toy_stereo.yaml',
    ]  # fmt: skip


def test_info_lists_it_with_its_licence(installed: Path) -> None:
    outcome = depth_ros('info', cwd=installed)
    (row,) = [
        line for line in outcome.out.splitlines() if line.split()[:2] == ['toy_stereo', 'stereo']
    ]
    assert row.split()[:4] == ['toy_stereo', 'stereo', 'needed', '(Apache-2.0)']
    assert 'cannot be used' not in outcome.out + outcome.err


def test_run_stereo_gives_metres_with_it(installed: Path, pair: PairOnDisk) -> None:
    words = (pair.left, pair.right, '--calibration', pair.calibration, '-o', 'out')
    outcome = depth_ros('run', 'stereo', *words, '--model', 'toy_stereo', cwd=installed)
    assert outcome.code == 0, outcome.err
    (file,) = (installed / 'out').glob('*_depth.npy')
    depth, truth = np.load(file), pair.view.left.depth
    known = np.isfinite(depth) & np.isfinite(truth) & ~pair.view.left_occluded
    assert np.median(np.abs(depth[known] / truth[known] - 1.0)) < 0.1


@pytest.mark.ros
def test_a_live_stereo_node_runs_it(installed: Path) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from tests.kit.live_node import DEPTH_M, floats, robot, running

    options = ('-p', 'model:=toy_stereo', '-p', 'diagnostics_period_s:=0.1')
    with running(installed, *options, has_known_matcher=False), robot() as driver:
        driver.connect()
        driver.send_infos()
        depth = floats(driver.good_pair())
    assert np.nanmedian(np.abs(depth[8:-8, 40:-8] - DEPTH_M)) < 0.05
