"""Build depth_ros_interfaces into the virtual environment this runs in; standard library only.

Type ``.venv/bin/python scripts/build_interfaces.py`` (``make interfaces`` does). Nothing is done
if what is there was built from the same files. On a robot with a ROS 2 distro use colcon instead.
The import then works in that environment without any variable set.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'depth_ros_interfaces'
INCLUDE_FIX = ROOT / 'scripts' / 'wheel_fix.cmake'
REQUIREMENTS = ROOT / 'requirements' / 'interfaces.txt'
PREFIX = Path(sys.prefix)
BUILD = PREFIX / 'build' / 'depth_ros_interfaces'
STAMP = BUILD / 'built_from'
LOG = BUILD.parent / 'depth_ros_interfaces.log'
LIMIT_S = 900
# PyPI's package of each tool that must be beside the interpreter.
TOOLS = ('cmake', 'ninja')
LOG_TAIL_LINES = 15


class BuildError(Exception):
    """The build cannot be done; one sentence with the remedy."""


def main():
    """Build unless it is up to date; give the exit code."""
    fingerprint = fingerprint_of_sources()
    if is_built(fingerprint):
        return 0
    try:
        check_environment()
        print(f'depth_ros: building depth_ros_interfaces into {PREFIX} (once, about a minute)')
        started = time.monotonic()
        build()
        check_import()
    except BuildError as error:
        print(f'depth_ros: depth_ros_interfaces was not built: {error}', file=sys.stderr)
        return 1
    STAMP.write_text(fingerprint, encoding='utf-8')
    print(f'depth_ros: built depth_ros_interfaces in {time.monotonic() - started:.0f} s')
    return 0


def fingerprint_of_sources():
    """Hash what the result depends on: the package, the recipe and the interpreter."""
    digest = hashlib.sha256(f'{sys.version}|{PREFIX}'.encode())
    files = [path for path in sorted(PACKAGE.rglob('*')) if path.is_file()]
    for path in [*files, INCLUDE_FIX, REQUIREMENTS, Path(__file__).resolve()]:
        digest.update(str(path.relative_to(ROOT)).encode() + b'\0' + path.read_bytes())
    return digest.hexdigest()


def is_built(fingerprint):
    """Say whether the package in the environment was made from exactly these files."""
    is_same = STAMP.is_file() and STAMP.read_text(encoding='utf-8') == fingerprint
    return is_same and (installed_package() / '__init__.py').is_file()


def installed_package():
    """Give the folder of the generated Python package."""
    return Path(sysconfig.get_path('platlib')) / 'depth_ros_interfaces'


def check_environment():
    """Require a virtual environment with the wheels, tools, a compiler and Python's headers."""
    if sys.prefix == sys.base_prefix:
        raise BuildError(
            'this is not a virtual environment; type: make interfaces '
            '(with a ROS 2 distro: colcon build --base-paths . depth_ros_interfaces)'
        )
    install = f'{PREFIX}/bin/python -m pip install -r {REQUIREMENTS.relative_to(ROOT)}'
    for tool in TOOLS:
        if not (PREFIX / 'bin' / tool).is_file():
            raise BuildError(f'{tool} is missing in {PREFIX}; type: {install}')
    for package in ('ament_cmake', 'rosidl_default_generators', 'sensor_msgs', 'geometry_msgs'):
        if not (PREFIX / 'share' / package).is_dir():
            raise BuildError(f'the ROS 2 package {package} is missing; type: {install}')
    if not any(shutil.which(name) for name in ('c++', 'g++', 'clang++')):
        raise BuildError('no C++ compiler was found; type: sudo apt install g++')
    header = Path(sysconfig.get_path('include')) / 'Python.h'
    if not header.is_file():
        version = '.'.join(map(str, sys.version_info[:2]))
        raise BuildError(f'{header} is missing; type: sudo apt install python{version}-dev')


def build():
    """Configure, compile and install; the tools' words go to a file."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    cmake = str(PREFIX / 'bin' / 'cmake')
    configure = [cmake, '-G', 'Ninja', '-S', str(PACKAGE), '-B', str(BUILD)]
    options = {
        'CMAKE_PREFIX_PATH': PREFIX,
        'CMAKE_INSTALL_PREFIX': PREFIX,
        'CMAKE_BUILD_TYPE': 'Release',
        'CMAKE_PROJECT_INCLUDE': INCLUDE_FIX,
        'Python3_EXECUTABLE': sys.executable,
        'Python3_FIND_VIRTUALENV': 'ONLY',
        'BUILD_TESTING': 'OFF',
    }
    configure += [f'-D{name}={value}' for name, value in options.items()]
    LOG.write_bytes(b'')
    run(configure)
    run([cmake, '--build', str(BUILD), '-j', str(os.cpu_count() or 1)])
    run([cmake, '--install', str(BUILD)])


def run(command):
    """Run one tool and raise with the end of its log if it fails."""
    environment = {
        **os.environ,
        'AMENT_PREFIX_PATH': str(PREFIX),
        'PATH': f'{PREFIX}/bin{os.pathsep}{os.environ.get("PATH", "")}',
        'VIRTUAL_ENV': str(PREFIX),
    }
    environment.pop('PYTHONPATH', None)
    with LOG.open('ab') as log:
        try:
            code = subprocess.run(
                command, env=environment, stdout=log, stderr=log, timeout=LIMIT_S, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            raise BuildError(f'it took over {LIMIT_S} s; see {LOG} and try again') from None
    if code:
        lines = LOG.read_text(encoding='utf-8', errors='replace').splitlines()
        tail = '\n'.join(lines[-LOG_TAIL_LINES:])
        step = ' '.join(command[:2])
        raise BuildError(f'{step} ended with {code}; the whole log is {LOG}, its end:\n{tail}')


def check_import():
    """Require that the result can be imported, type support included."""
    program = (
        'from depth_ros_interfaces.srv import MatchImages; '
        'from rclpy.type_support import check_for_type_support as check; check(MatchImages)'
    )
    clean = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    result = subprocess.run(
        [sys.executable, '-c', program], env=clean, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BuildError(f'it was built but cannot be imported:\n{result.stderr}')


if __name__ == '__main__':
    sys.exit(main())
