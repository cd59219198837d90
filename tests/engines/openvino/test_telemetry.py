"""OpenVINO tells nobody that it was used: its package for telemetry writes nothing at home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('openvino', reason='OpenVINO is not installed')

from depth_ros.engines.openvino.telemetry import PACKAGE, without_telemetry
from tests.kit.child_environment import child_environment


def run_at_home(home: Path, code: str) -> list[str]:
    """Run code in a process whose home is an empty folder; return what lies there afterwards."""
    environment = child_environment(HOME=str(home))
    for name in ('CI', 'TF_BUILD', 'JENKINS_URL'):
        environment.pop(name, None)
    subprocess.run([sys.executable, '-c', code], env=environment, check=True, timeout=120)
    return sorted(path.name for path in home.iterdir())


@pytest.mark.parametrize('module', ['engine', 'precision', 'int8'])
def test_nothing_is_left_at_home(module: str, tmp_path: Path) -> None:
    assert run_at_home(tmp_path, f'import depth_ros.engines.openvino.{module}') == []


def test_a_pair_is_matched_without_a_trace(tmp_path: Path) -> None:
    code = (
        'import sys, depth_ros\n'
        "stereo = depth_ros.open_stereo(engine='openvino', num_threads=1)\n"
        'stereo.close()\n'
        "assert 'openvino' in sys.modules\n"
    )
    assert 'intel' not in run_at_home(tmp_path, code)


def test_others_find_the_package_again(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = object()
    monkeypatch.setitem(sys.modules, PACKAGE, theirs)
    with without_telemetry(), pytest.raises(ImportError):
        __import__(PACKAGE)
    assert sys.modules[PACKAGE] is theirs
