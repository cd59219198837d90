"""Options of GPU engines, and what to type on which machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.engines.tensorrt import jetpack
from depth_ros.engines.tensorrt.options import GpuOptions, from_words, gpu_options
from depth_ros.errors import EngineError

GIB = 1 << 30


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEPTH_ROS_TENSORRT', 'low_memory=true,workspace_mib=512 dla_core=1')
    expected = GpuOptions(low_memory=True, workspace_mib=512, dla_core=1)
    assert gpu_options() == expected
    monkeypatch.delenv('DEPTH_ROS_TENSORRT')
    assert gpu_options() == GpuOptions()


def test_words_go_before_the_environment_and_that_before_the_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('DEPTH_ROS_TENSORRT', 'workspace_mib=2 optimization_level=2')
    recipe = {'workspace_mib': 1, 'optimization_level': 1, 'low_memory': True}
    found = gpu_options('workspace_mib=3', recipe=recipe)
    assert found == GpuOptions(workspace_mib=3, optimization_level=2, low_memory=True)


def test_arguments_say_what_differs_and_are_read_back() -> None:
    options = GpuOptions(low_memory=True, dla_core=0, timing_cache='/tmp/times')
    arguments = options.as_arguments()
    assert arguments == (
        ' --tensorrt low_memory=true --tensorrt dla_core=0 --tensorrt timing_cache=/tmp/times'
    )
    words = arguments.replace(' --tensorrt', '')
    assert GpuOptions(**from_words(words, where='test')) == options
    assert GpuOptions().as_arguments() == ''


def test_layer_times_are_kept_where_it_is_said(tmp_path: Path) -> None:
    assert GpuOptions().timing_root(tmp_path) == tmp_path
    assert GpuOptions().timing_root(None) is None
    assert GpuOptions(timing_cache='/x').timing_root(None) == Path('/x')
    assert GpuOptions(timing_cache='~/x').timing_root(tmp_path) == Path.home() / 'x'


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
@pytest.mark.parametrize('is_variable', [False, True])
def test_mistakes_are_named(
    text: str, words: str, is_variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTH_ROS_TENSORRT', text if is_variable else '')
    with pytest.raises(EngineError) as caught:
        gpu_options('' if is_variable else text)
    assert words in str(caught.value)
    assert ('DEPTH_ROS_TENSORRT' if is_variable else '--tensorrt') in str(caught.value)


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
    assert {*GpuOptions().as_text(), 'timing_cache'} == set(GpuOptions.__dataclass_fields__)
    assert GpuOptions().as_text() == GpuOptions(timing_cache='/x').as_text()


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
