"""tf2_msgs where no distro brings it: its one message, built into a folder of the test run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.kit.child_environment import python_path
from tests.kit.live_node import REPOSITORY

NAME = 'tf2_msgs'
FILES = {
    'msg/TFMessage.msg': 'geometry_msgs/TransformStamped[] transforms\n',
    'CMakeLists.txt': f"""cmake_minimum_required(VERSION 3.8)
project({NAME})
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(${{PROJECT_NAME}} "msg/TFMessage.msg" DEPENDENCIES geometry_msgs)
ament_package()
""",
    'package.xml': f"""<?xml version="1.0"?>
<package format="3">
  <name>{NAME}</name><version>0.0.0</version><description>for tests</description>
  <maintainer email="tests@depth-ros.example">tests</maintainer><license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>geometry_msgs</depend><exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
""",
}
LIMIT_S = 300


def tf_environment(folder: Path) -> dict[str, str]:
    """Give the variables with which a child finds tf2_msgs; build it below ``folder`` if needed.

    Skips the test where it cannot be built; under ``make test`` it fails instead.
    """
    if find_spec(NAME) is not None:
        return {}
    prefix = folder / 'prefix'
    fault = _build(folder, prefix)
    if fault and os.environ.get('DEPTH_ROS_REQUIRE_INTERFACES'):
        pytest.fail(fault)
    if fault:
        pytest.skip(fault)
    packages = next(prefix.rglob(f'{NAME}/msg/__init__.py')).parents[2]
    return {
        'PYTHONPATH': python_path(packages),
        'LD_LIBRARY_PATH': f'{prefix}/lib{os.pathsep}{os.environ.get("LD_LIBRARY_PATH", "")}',
        'AMENT_PREFIX_PATH': f'{prefix}{os.pathsep}{sys.prefix}',
    }


def _build(folder: Path, prefix: Path) -> str:
    """Build; return why that is not possible, empty if it is done."""
    cmake = _tool()
    if cmake is None or not (Path(sys.prefix) / 'share/rosidl_default_generators').is_dir():
        return 'tf2_msgs is not installed and cannot be built; type: make interfaces'
    source, build = folder / NAME, folder / 'build'
    for name, text in FILES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    options = {
        'CMAKE_PREFIX_PATH': sys.prefix,
        'CMAKE_INSTALL_PREFIX': prefix,
        'CMAKE_BUILD_TYPE': 'Release',
        'CMAKE_PROJECT_INCLUDE': REPOSITORY / 'scripts/wheel_fix.cmake',
        'Python3_EXECUTABLE': sys.executable,
        'Python3_FIND_VIRTUALENV': 'ONLY',
        'BUILD_TESTING': 'OFF',
    }
    configure = ['-G', 'Ninja', '-S', str(source), '-B', str(build)]
    configure += [f'-D{name}={value}' for name, value in options.items()]
    for words in (configure, ['--build', str(build)], ['--install', str(build)]):
        result = _run([cmake, *words])
        if result.returncode:
            return f'tf2_msgs was not built:\n{(result.stdout + result.stderr)[-2000:]}'
    return ''


def _tool() -> str | None:
    """Give CMake's program: that of the Python package, else the system's."""
    try:
        import cmake
    except ImportError:
        return shutil.which('cmake')
    return str(Path(cmake.CMAKE_BIN_DIR) / 'cmake')


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        'AMENT_PREFIX_PATH': sys.prefix,
        'PATH': f'{sys.prefix}/bin{os.pathsep}{os.environ["PATH"]}',
        'VIRTUAL_ENV': sys.prefix,
    }
    environment.pop('PYTHONPATH', None)
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
