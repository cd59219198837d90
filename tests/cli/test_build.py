"""``depth-ros build``: several recipes, a line a second, refusals with figures, interruptions."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from depth_ros.cli import build as command
from depth_ros.cli.build import watched
from depth_ros.cli.main import main
from depth_ros.engines.build_monitor import BuildMonitor, BuildTimes
from depth_ros.engines.cache import EngineCache
from tests.kit.child_environment import child_environment
from tests.kit.cli_process import depth_ros, expect_one_sentence

BUILD = ('--weights', 'synthetic:0', '--size', '64x64')


class FakeEngine:
    """What ``open_graphs`` gives, as far as the command looks."""

    class info:  # noqa: N801 - stands for an attribute
        @staticmethod
        def describe() -> str:
            return 'an engine'

    def close(self) -> None:
        pass


def test_lines_come_at_least_once_a_second_and_say_everything(tmp_path: Path) -> None:
    stream = io.StringIO()
    monitor = BuildMonitor(BuildTimes(EngineCache(tmp_path)))
    with watched(monitor, stream, every_s=0.02):
        monitor('compile a', None)
        time.sleep(0.3)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 4
    pattern = r'depth-ros: compile a: 0 s \(first time here\), all 0 s, peak memory \d+ MB'
    assert all(re.fullmatch(pattern, line) for line in lines), lines


def test_nothing_is_said_when_nothing_is_being_done(tmp_path: Path) -> None:
    stream = io.StringIO()
    with watched(BuildMonitor(BuildTimes(EngineCache(tmp_path))), stream, every_s=0.01):
        time.sleep(0.05)
    assert stream.getvalue() == ''


def test_several_recipes_are_built_in_order_and_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    asked: list[tuple[object, ...]] = []

    def open_graphs(recipe, choice, *, progress, **settings):
        progress(f'compile {recipe.name}', None)
        asked.append((recipe.name, choice.size, choice.precision, choice.tensorrt))
        return {'graph': FakeEngine()}

    monkeypatch.setattr(command, 'open_graphs', open_graphs)
    monkeypatch.setattr(command, 'obtain_exports', lambda plan, cache, progress: {})
    words = ['build', 'loftr', 'crestereo', '--size', '64x64', '--precision', 'bf16']
    words += ['--tensorrt', 'low_memory=true', '--tensorrt', 'dla_core=0']
    assert main(words) == 0
    options = 'low_memory=true dla_core=0'
    assert asked == [(name, (64, 64), 'bf16', options) for name in ('loftr', 'crestereo')]
    captured = capsys.readouterr()
    assert captured.out.count('built and checked: an engine') == 2
    assert captured.err.splitlines()[:2] == [
        'depth-ros: compile loftr',
        'depth-ros: compile crestereo',
    ]
    assert BuildTimes(EngineCache(tmp_path)).expected_s('compile crestereo') is not None


@pytest.mark.parametrize(
    ('words', 'parts'),
    [
        (['crestereo', 'monet', *BUILD], ["no recipe 'monet'"]),
        (['crestereo', 'loftr', '--weights', 'a.pth'], ['a.pth', 'belongs to one recipe']),
        (['loftr', 'monodepth2', '--weights', 'synthetic:0', '--size', '72x72'], ['96x96']),
        (['loftr', '--tensorrt', 'space=1'], ["names 'space'", 'workspace_mib']),
        (['mvsnet', *BUILD, '--precision', 'bf16'], ["'mvsnet-depth", 'made up']),
    ],
)
def test_mistakes_are_told_before_anything_is_built(
    tmp_path: Path, words: list[str], parts: list[str]
) -> None:
    expect_one_sentence(depth_ros('build', *words, cwd=tmp_path), *parts)
    assert not (tmp_path / 'cache').exists()


def test_reduced_precision_of_made_up_weights_is_refused(tmp_path: Path) -> None:
    outcome = depth_ros(
        'build', 'monodepth2', *BUILD, '--engine', 'openvino', '--precision', 'bf16', cwd=tmp_path
    )
    expect_one_sentence(outcome, "'bf16'", 'undecidable', 'made up', "use precision 'f32'")
    assert not (tmp_path / 'cache').exists(), 'nothing is exported first'


PROGRAM = """
import sys, time
from pathlib import Path
from tests.kit import toy_runtime
from depth_ros.engines import build, runtime
from depth_ros.cli import build as command, main

class SlowRuntime(toy_runtime.ExactRuntime):
    def build(self, artifact, settings, folder):
        (folder / 'half').write_bytes(b'half of an engine')
        time.sleep({seconds})
        return super().build(artifact, settings, folder)

toy_runtime.SlowRuntime = SlowRuntime
runtime.RUNTIMES['openvino'] = toy_runtime.entry('SlowRuntime')

def open_graphs(recipe, choice, *, cache, progress, **settings):
    return {{'toy': build.open_engine({onnx!r}, choice, cache=cache, progress=progress)}}

command.open_graphs = open_graphs
command.obtain_exports = lambda plan, cache, progress: {{}}
sys.exit(main.main(['build', 'crestereo', '--engine', 'openvino']))
"""


def start_slow_build(tmp_path: Path, *, seconds: float) -> subprocess.Popen[str]:
    from tests.kit.toy_graph import write_toy_artifact

    program = PROGRAM.format(onnx=str(write_toy_artifact(tmp_path)), seconds=seconds)
    environment = child_environment(DEPTH_ROS_CACHE=str(tmp_path / 'cache'))
    return subprocess.Popen(
        [sys.executable, '-c', program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_build_leaves_nothing_half_written(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start_slow_build(tmp_path, seconds=60.0)
    folder = tmp_path / 'cache' / 'engines'
    end = time.monotonic() + 30.0
    while not list(folder.glob('.*/half')):
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    _, words = process.communicate(timeout=30.0)
    names = [path.name for path in folder.iterdir()]
    if number is signal.SIGKILL:
        assert all(name.startswith('.') for name in names), 'nothing has a final name'
    else:
        assert process.returncode == 130 and words.endswith('depth-ros: interrupted\n')
        assert names == []
    again = start_slow_build(tmp_path, seconds=1.2)
    out, words = again.communicate(timeout=60.0)
    assert again.returncode == 0 and 'built and checked: toy-12x20' in out
    assert re.search(r'compile toy-12x20 in f32 for openvino: \d s \(first time here\)', words)
    (name,) = [path.name for path in folder.iterdir()]
    assert not name.startswith('.'), 'what a killed build left is swept away'
