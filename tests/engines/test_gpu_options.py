"""Options of GPU engines, and what to type on which machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.engines import jetpack
from depth_ros.engines.gpu_options import GpuOptions, options_from_environment
from depth_ros.errors import EngineError

GIB = 1 << 30


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEPTH_ROS_TENSORRT', 'low_memory=true,workspace_mib=512 dla_core=1')
    expected = GpuOptions(low_memory=True, workspace_mib=512, dla_core=1)
    assert options_from_environment() == expected
    monkeypatch.delenv('DEPTH_ROS_TENSORRT')
    assert options_from_environment() == GpuOptions()


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('lowmemory=true', "names 'lowmemory', which is no option"),
        ('low_memory=maybe', "true or false, got 'maybe'"),
        ('low_memory', 'true or false'),
        ('workspace_mib=1e3', 'a whole number'),
        ('workspace_mib=-1', 'workspace_mib must be one of 0 to'),
        ('optimization_level=6', 'one of -1 to 5, got 6'),
        ('builder=trtexec', 'one of onnx, torch_tensorrt'),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        options_from_environment(text)
    assert words in str(caught.value)
    assert 'DEPTH_ROS_TENSORRT' in str(caught.value)


@pytest.mark.parametrize(
    ('options', 'total', 'expected'),
    [
        ({}, 64 * GIB, 4 * GIB),
        ({}, 8 * GIB, 2 * GIB),
        ({'low_memory': True}, 8 * GIB, GIB // 4),
        ({'low_memory': True, 'workspace_mib': 64}, 8 * GIB, GIB // 16),
        ({'workspace_mib': 6144}, 8 * GIB, 6 * GIB),
    ],
)
def test_workspace(options: dict, total: int, expected: int) -> None:
    assert GpuOptions(**options).workspace_bytes(total) == expected


def test_every_option_is_in_the_key() -> None:
    assert GpuOptions().as_text() != GpuOptions(dla_core=0).as_text()
    assert set(GpuOptions().as_text()) == set(GpuOptions.__dataclass_fields__)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref', 5),
        ('# R36 (release), REVISION: 4.3', 6),
        ('# R38 (release), REVISION: 2.0', 7),
        ('something else', 0),
    ],
)
def test_jetpack_is_known_by_its_release(tmp_path: Path, text: str, expected: int) -> None:
    path = tmp_path / 'nv_tegra_release'
    path.write_text(text)
    assert jetpack.jetpack_version(path) == expected
    assert jetpack.jetpack_version(tmp_path / 'absent') == 0


def test_every_machine_has_its_commands() -> None:
    commands = {jetpack.tensorrt_command(version) for version in (0, 5, 6)}
    assert len(commands) == 3
    assert 'apt install python3-libnvinfer' in jetpack.tensorrt_command(7)
    assert '<13' in jetpack.cuda_python_command(6)
    assert '<14' in jetpack.cuda_python_command(7)
    assert 'nvidia-smi' in jetpack.cuda_python_command(0)
