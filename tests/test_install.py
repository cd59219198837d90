"""The installed package: what a robot has after colcon or pip, outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.kit.shared_data import REPOSITORY

COPIED = (
    'depth_ros',
    'launch',
    'config',
    'engines',
    'resource',
    'weights',
    'depth_ros_interfaces',
)
TESTS = ('tests', 'docs', 'benchmarks')
FILES = ('setup.py', 'setup.cfg', 'pyproject.toml', 'package.xml', 'LICENSE', 'README.md')
COLCON = shutil.which('colcon', path=f'{Path(sys.executable).parent}:{os.environ["PATH"]}')


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    return subprocess.run(
        command, cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources that builds cannot spoil."""
    folder = tmp_path_factory.mktemp('ws') / 'src' / 'depth_ros'
    folder.mkdir(parents=True)
    for name in (*COPIED, *TESTS):
        if (REPOSITORY / name).is_dir():
            ignore = shutil.ignore_patterns('__pycache__')
            shutil.copytree(REPOSITORY / name, folder / name, ignore=ignore)
    for name in FILES:
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture(scope='module')
def prefix(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed by pip below a prefix of its own."""
    target = tmp_path_factory.mktemp('installed')
    command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-build-isolation']
    # Without --ignore-installed pip removes the checkout's own installation first.
    command += ['--no-deps', '--no-index', '--ignore-installed', '--prefix', str(target)]
    command += [str(source)]
    result = run(command, source)
    assert result.returncode == 0, result.stderr
    return target


def site_packages(prefix: Path) -> Path:
    return next(prefix.rglob('depth_ros/__init__.py')).parents[1]


def test_ament_finds_the_package(prefix: Path) -> None:
    share = next(prefix.rglob('share/depth_ros'))
    assert (share.parent / 'ament_index/resource_index/packages/depth_ros').is_file()
    for relative in ('package.xml', 'launch/stereo.launch.py', 'config/stereo.yaml'):
        assert (share / relative).is_file(), relative
    for relative in (
        'config/fastdds.xml',
        'config/stereo.rviz',
        'config/foxglove/stereo.json',
        'engines/crestereo.yaml',
        'depth_ros_interfaces/msg/Matches.msg',
    ):
        assert (share / relative).is_file(), relative


def test_installed_copy_finds_its_own_files(prefix: Path, tmp_path: Path) -> None:
    share = next(prefix.rglob('share/depth_ros'))
    program = (
        'from depth_ros.files.share import share_path;'
        'from depth_ros.engines.recipe import load_recipe;'
        'print(share_path("config/stereo.yaml")); print(load_recipe("crestereo").name)'
    )
    environment = {
        'PYTHONPATH': str(site_packages(prefix)),
        'AMENT_PREFIX_PATH': str(share.parents[1]),
    }
    result = run([sys.executable, '-c', program], tmp_path, **environment)
    assert result.returncode == 0, result.stderr
    path, name = result.stdout.split()
    assert Path(path) == share / 'config/stereo.yaml'
    assert name == 'crestereo'


def test_package_xml_and_setup_agree() -> None:
    package = ElementTree.parse(REPOSITORY / 'package.xml').getroot()
    setup = (REPOSITORY / 'setup.py').read_text(encoding='utf-8')
    assert package.findtext('name') == 'depth_ros'
    assert f"version='{package.findtext('version')}'" in setup
    assert package.findtext('license') == 'Apache-2.0' and "license='Apache-2.0'" in setup
    from depth_ros import __version__

    assert package.findtext('version') == __version__


@pytest.mark.skipif(COLCON is None, reason='colcon is not installed')
def test_colcon_builds_and_puts_the_node_where_ros2_run_looks(source: Path) -> None:
    workspace = source.parents[1]
    environment = {'AMENT_PREFIX_PATH': sys.prefix, 'CMAKE_PREFIX_PATH': sys.prefix}
    command = [str(COLCON), '--log-base', 'log', 'build', '--base-paths', 'src/depth_ros']
    result = run(command, workspace, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    executables = workspace / 'install/depth_ros/lib/depth_ros'
    for name in ('stereo_node', 'mono_node', 'sample_camera'):
        assert os.access(executables / name, os.X_OK), name
    assert (workspace / 'install/depth_ros/share/depth_ros/launch/stereo.launch.py').is_file()
    command = [str(COLCON), '--log-base', 'log', 'test', '--base-paths', 'src/depth_ros']
    command += ['--pytest-args', '-q', 'tests/test_camera.py']
    result = run(command, workspace, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    listing = run([str(COLCON), 'test-result', '--verbose'], workspace)
    assert '0 errors, 0 failures' in listing.stdout, listing.stdout
    assert 'test_camera' in next((workspace / 'build').rglob('pytest.xml')).read_text()
