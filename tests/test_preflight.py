"""What a machine lacks is named with its remedy before anything is installed."""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import sys
from types import ModuleType

import pytest

from tests.kit.shared_data import REPOSITORY

SCRIPT = REPOSITORY / 'scripts' / 'preflight.py'


@pytest.fixture
def preflight() -> ModuleType:
    spec = importlib.util.spec_from_file_location('preflight', SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_this_machine_is_fine() -> None:
    result = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr


def test_missing_venv_names_the_apt_line(
    preflight: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == 'ensurepip' else find_spec(name)
    )
    assert any('sudo apt install python3-venv' in text for text in preflight.problems())
    assert preflight.main() == 1


def test_aarch64_is_sent_the_robot_way(
    preflight: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, 'machine', lambda: 'aarch64')
    (problem,) = preflight.problems()
    assert 'aarch64' in problem and 'On a robot' in problem
    assert 'On a robot' in (REPOSITORY / 'README.md').read_text(encoding='utf-8')


def test_old_python_is_named(preflight: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'version_info', (3, 8, 10))
    assert any('3.8 is too old' in text for text in preflight.problems())
