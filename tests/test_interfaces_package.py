"""The package of generated messages, and the script that builds it on the wheels."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from depth_ros.errors import EngineError
from depth_ros.ros.node.interfaces import require_interfaces
from tests.kit.shared_data import REPOSITORY

PACKAGE = REPOSITORY / 'depth_ros_interfaces'
COLCON = Path(sys.executable).with_name('colcon')


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The build script, for a virtual environment that is empty."""
    path = REPOSITORY / 'scripts' / 'build_interfaces.py'
    spec = importlib.util.spec_from_file_location('build_interfaces', path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    build = tmp_path / 'build' / 'depth_ros_interfaces'
    monkeypatch.setattr(module, 'PREFIX', tmp_path)
    monkeypatch.setattr(module, 'BUILD', build)
    monkeypatch.setattr(module, 'STAMP', build / 'built_from')
    monkeypatch.setattr(module, 'LOG', tmp_path / 'build' / 'log')
    monkeypatch.setattr(module.sys, 'base_prefix', '/usr/of/somebody')
    monkeypatch.setattr(module, 'installed_package', lambda: tmp_path / 'package')
    return module


def furnish(folder: Path) -> None:
    """Make an environment look complete."""
    for tool in ('cmake', 'ninja'):
        (folder / 'bin').mkdir(exist_ok=True)
        (folder / 'bin' / tool).write_text('#!/bin/sh\necho went wrong >&2\nexit 3\n')
        (folder / 'bin' / tool).chmod(0o755)
    for name in ('ament_cmake', 'rosidl_default_generators', 'sensor_msgs', 'geometry_msgs'):
        (folder / 'share' / name).mkdir(parents=True)


def test_every_definition_is_generated() -> None:
    listed = set(re.findall(r'"((?:msg|srv)/\w+\.\w+)"', (PACKAGE / 'CMakeLists.txt').read_text()))
    present = {f'{path.parent.name}/{path.name}' for path in PACKAGE.glob('*/*.*')}
    assert listed == present != set()


def test_package_names_what_its_definitions_use() -> None:
    root = ElementTree.parse(PACKAGE / 'package.xml').getroot()
    depends = {entry.text for entry in root.iter('depend')}
    used = set()
    for path in [*PACKAGE.glob('msg/*.msg'), *PACKAGE.glob('srv/*.srv')]:
        used |= set(re.findall(r'^(\w+)/\w+ ', path.read_text(encoding='utf-8'), re.MULTILINE))
    assert used == depends
    cmake = (PACKAGE / 'CMakeLists.txt').read_text(encoding='utf-8')
    assert all(f'find_package({name} REQUIRED)' in cmake for name in used)
    assert root.findtext('member_of_group') == 'rosidl_interface_packages'


def test_versions_agree_and_depth_ros_depends_on_it() -> None:
    ours = ElementTree.parse(REPOSITORY / 'package.xml').getroot()
    theirs = ElementTree.parse(PACKAGE / 'package.xml').getroot()
    assert ours.findtext('version') == theirs.findtext('version')
    assert 'depth_ros_interfaces' in {entry.text for entry in ours.iter('exec_depend')}


def test_lines_of_definitions_are_readable() -> None:
    for path in PACKAGE.glob('*/*.*'):
        lines = path.read_text(encoding='utf-8').splitlines()
        assert max(map(len, lines)) <= 110, path.name


@pytest.mark.skipif(not COLCON.is_file(), reason='colcon is not installed')
def test_colcon_finds_both_packages_interfaces_first(tmp_path: Path) -> None:
    for name in ('package.xml', 'setup.py', 'setup.cfg', 'depth_ros_interfaces'):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    command = [
        str(COLCON),
        '--log-base',
        '/dev/null',
        'list',
        '--topological-order',
        '--names-only',
    ]
    command += ['--base-paths', '.', 'depth_ros_interfaces']
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ['depth_ros_interfaces', 'depth_ros'], result.stderr


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace as README says: the checkout, and a link to the package within it."""
    checkout = tmp_path / 'src' / 'depth_ros'
    checkout.mkdir(parents=True)
    for name in ('package.xml', 'setup.py', 'setup.cfg', 'depth_ros_interfaces'):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, checkout / name)
    (tmp_path / 'src' / 'depth_ros_interfaces').symlink_to('depth_ros/depth_ros_interfaces')
    return tmp_path


def test_readme_links_the_package_beside_the_checkout() -> None:
    text = (REPOSITORY / 'README.md').read_text(encoding='utf-8')
    assert 'git clone <this repository> depth_ros && ln -s depth_ros/depth_ros_interfaces' in text
    assert 'rosdep install --from-paths src --ignore-src -y' in text


def test_rosdep_finds_the_dependencies_of_both_packages(workspace: Path) -> None:
    """rosdep asks catkin_pkg, which looks for no package within another one."""
    packages = pytest.importorskip('catkin_pkg.packages', reason='catkin_pkg is not installed')
    found = {
        package.name: package for package in packages.find_packages(workspace / 'src').values()
    }
    assert set(found) == {'depth_ros', 'depth_ros_interfaces'}
    needed = {depend.name for depend in found['depth_ros_interfaces'].buildtool_depends}
    assert needed == {'ament_cmake', 'rosidl_default_generators'}
    (workspace / 'src' / 'depth_ros_interfaces').unlink()
    alone = packages.find_packages(workspace / 'src').values()
    assert [package.name for package in alone] == ['depth_ros'], 'the link has become needless'


@pytest.mark.skipif(not COLCON.is_file(), reason='colcon is not installed')
def test_plain_colcon_build_takes_both_packages_interfaces_first(workspace: Path) -> None:
    command = [str(COLCON), '--log-base', '/dev/null', 'list', '-t', '-n']
    result = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ['depth_ros_interfaces', 'depth_ros'], result.stderr


def test_definitions_alone_are_not_taken_for_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python takes a folder without ``__init__`` for a package: in a checkout all seemed well."""
    for name in ('depth_ros_interfaces', 'depth_ros_interfaces.srv'):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    with pytest.raises(EngineError, match=r'folder of its definitions.*make interfaces'):
        require_interfaces()


def test_up_to_date_build_is_left_alone(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'package').mkdir()
    (tmp_path / 'package' / '__init__.py').touch()
    script.BUILD.mkdir(parents=True)
    script.STAMP.write_text(script.fingerprint_of_sources())
    assert script.main() == 0
    assert capsys.readouterr() == ('', '')
    script.STAMP.write_text('of other files')
    assert script.main() == 1


def test_what_is_missing_is_said_with_the_remedy(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def said() -> str:
        assert script.main() == 1
        return capsys.readouterr().err

    assert 'cmake is missing' in (text := said())
    assert 'pip install -r requirements/interfaces.txt' in text
    furnish(tmp_path)
    monkeypatch.setattr(script.shutil, 'which', lambda name: None)
    assert 'sudo apt install g++' in said()
    monkeypatch.undo()


def test_outside_of_a_virtual_environment(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script.sys, 'base_prefix', script.sys.prefix)
    assert script.main() == 1
    text = capsys.readouterr().err
    assert 'make interfaces' in text and 'colcon build' in text


def test_failed_build_shows_the_end_of_its_log(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    furnish(tmp_path)
    assert script.main() == 1
    text = capsys.readouterr().err
    assert 'ended with 3' in text and 'went wrong' in text
    assert not script.STAMP.exists()
