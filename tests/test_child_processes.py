"""Child processes of tests and benchmarks extend PYTHONPATH; none replaces it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.child_environment import NAME, child_environment
from tests.kit.shared_data import REPOSITORY

SETS_IT = re.compile(rf"['\"]{NAME}['\"]\s*(?::|,|\]\s*=)(?!\s*python_path\()")
"""A key, an argument or an item of that name whose value is not made by the kit."""
ALONE: dict[str, str] = {
    'tests/kit/child_environment.py': 'it extends it',
    'tests/test_child_processes.py': 'it looks for the others',
    'tests/test_install.py': 'an installation is tested without the checkout',
    'scripts/build_interfaces.py': 'nothing of a distro may get into the wheels',
    'tests/kit/tf_messages.py': 'nor into the messages that it builds',
    'benchmarks/node_processes.py': 'it extends it, for benchmarks',
}
FILES = [
    path
    for name in ('tests', 'benchmarks', 'scripts')
    for path in REPOSITORY.glob(f'{name}/**/*.py')
]


def test_a_child_imports_the_checkout_first_and_what_the_parent_could(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distro, own = tmp_path / 'distro', tmp_path / 'own'
    for folder in (distro, own):
        folder.mkdir()
    (distro / 'only_in_distro.py').write_text('')
    (own / 'only_in_own.py').write_text('')
    monkeypatch.setenv(NAME, str(distro))
    environment = child_environment(own, DEPTH_ROS_CACHE='x')
    assert environment[NAME].split(os.pathsep) == [str(own), str(REPOSITORY), str(distro)]
    assert environment['DEPTH_ROS_CACHE'] == 'x' and environment['PATH'] == os.environ['PATH']
    program = 'import only_in_distro, only_in_own, depth_ros; print(depth_ros.__file__)'
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert Path(done.stdout.strip()) == REPOSITORY / 'depth_ros' / '__init__.py', done.stderr


def test_without_one_there_is_no_empty_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty part means the folder that the child is started in."""
    monkeypatch.delenv(NAME, raising=False)
    assert child_environment()[NAME] == str(REPOSITORY)


def test_nothing_else_sets_it() -> None:
    found = {
        path.relative_to(REPOSITORY).as_posix()
        for path in FILES
        if SETS_IT.search(path.read_text(encoding='utf-8'))
    }
    assert found - set(ALONE) == set(), 'use tests/kit/child_environment.py'


@pytest.mark.parametrize(
    ('text', 'is_found'),
    [
        ("env={**os.environ, 'PYTHONPATH': str(REPOSITORY)}", True),
        ("patch.setenv('PYTHONPATH', '')", True),
        ("environment['PYTHONPATH'] = 'x'", True),
        ("patch.setenv('PYTHONPATH', python_path(folder))", False),
        ("os.environ.get('PYTHONPATH')", False),
    ],
)
def test_what_is_looked_for(text: str, is_found: bool) -> None:
    assert bool(SETS_IT.search(text)) is is_found
