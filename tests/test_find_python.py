"""The interpreter that a make target asks for is found, or told to be missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.shared_data import REPOSITORY

SCRIPT = REPOSITORY / 'scripts' / 'find_python.py'


def interpreter(path: Path, version: str, *, runs: bool = True) -> Path:
    """Make a program that says its version as an interpreter does, or fails as a shim does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho {version}\nexit {0 if runs else 127}\n')
    path.chmod(0o755)
    return path


def found(tmp_path: Path, *versions: str) -> tuple[str, str]:
    environment = {**os.environ, 'PATH': str(tmp_path / 'bin'), 'PYENV_ROOT': str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *versions],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr


def test_a_shim_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    interpreter(tmp_path / 'bin' / 'python3.10', '3.10', runs=False)
    real = interpreter(tmp_path / 'versions' / '3.10.13' / 'bin' / 'python', '3.10')
    assert found(tmp_path, '3.10') == (str(real), '')


def test_the_first_version_that_is_there_is_taken(tmp_path: Path) -> None:
    real = interpreter(tmp_path / 'bin' / 'python3.12', '3.12')
    assert found(tmp_path, '3.10', '3.12') == (str(real), '')


@pytest.mark.parametrize('said', ['3.9', ''])
def test_none_is_told_with_the_remedy(tmp_path: Path, said: str) -> None:
    interpreter(tmp_path / 'bin' / 'python3.10', said)
    path, told = found(tmp_path, '3.10')
    assert Path(path).samefile(sys.executable)
    assert 'no Python 3.10 was found (apt install python3.10 python3.10-venv' in told
