"""The mono demo: made-up weights only where there are none, and nobody can overlook them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.kit.child_environment import child_environment

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from depth_ros.cli.demo import command as demo
from depth_ros.cli.demo import mono as demo_mono
from depth_ros.cli.demo.processes import DemoSettings
from depth_ros.errors import DepthRosError, WeightsError
from depth_ros.pictures.panels import depth_panel
from depth_ros.ros.demo.observer import Seen
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings
from tests.kit.mono_doubles import RIG, room_depth, room_image, truth_pipeline

REPOSITORY = Path(__file__).resolve().parents[3]
NEEDED = ('stereodemo', 'torch', 'onnx', 'onnxscript')


def settings(folder: Path, model: str = 'monodepth2', weights: str = '') -> DemoSettings:
    return DemoSettings(
        duration_s=1.0, rate_hz=1.0, model=model, out=folder, view=False, weights=weights
    )


class Opener:
    """``open_mono`` of a machine that has some weights and not others."""

    def __init__(self, *known: str, rig: Any = RIG) -> None:
        self.known = known
        self.rig = rig
        self.asked: list[str] = []

    def __call__(self, given: MonoSettings, *, progress: Any) -> MonoProcessor:
        self.asked.append(given.engine.weights)
        if given.engine.weights not in self.known:
            raise WeightsError('no weights')
        is_made_up = given.engine.weights == 'synthetic:1'
        graph = 'monodepth2-depth [synthetic:1]' if is_made_up else 'depth'
        return MonoProcessor(truth_pipeline(graph=graph), given, training_rig=self.rig)


def find(
    opener: Opener, given: DemoSettings, monkeypatch: pytest.MonkeyPatch
) -> demo_mono.FoundModel | None:
    monkeypatch.setattr(demo_mono, 'open_mono', opener)
    return demo_mono.find_weights(given, lambda text: None)


def test_weights_that_are_there_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opener = Opener('', 'synthetic:1')
    found = find(opener, settings(tmp_path), monkeypatch)
    assert opener.asked == ['']
    assert found and (found.model, found.is_untrained) == ('monodepth2', False)


def test_what_was_named_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (settings(tmp_path, weights='mine.pth'), settings(tmp_path)):
        opener = Opener('synthetic:1')
        with pytest.raises(WeightsError):
            find(opener, given, monkeypatch)
        assert opener.asked == [given.weights]


def test_without_any_weights_one_camera_shows_its_motion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_mono, 'open_mono', Opener())
    monkeypatch.setattr(demo_mono, 'draw_once', lambda: None)
    task = demo_mono.mono_demo(settings(tmp_path, model=''), lambda text: None)
    assert (task.node, task.picture) == ('mono_node', 'mono.png')
    assert task.parameters['refine'] == 'multiview' and 'model' not in task.parameters
    assert task.camera['source'] == 'drive'
    assert any('none of a network for one image ship' in line for line in task.notes)


@pytest.mark.parametrize('model', ['monodepth2', 'tio_depth'])
def test_untrained_weights_watch_relative_depth_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr(demo_mono, 'open_mono', Opener('synthetic:1', ''))
    task = demo.choose_task(settings(tmp_path, model, weights='synthetic:1'))
    assert task.node == 'mono_node'
    assert [entry.topic for entry in task.watched if entry.is_output] == ['relative_depth/image']
    assert (task.parameters['refine'], task.parameters['scale.mode']) == ('none', 'none')
    assert task.parameters['weights'] == 'synthetic:1'
    monkeypatch.setattr(demo_mono, 'draw_once', lambda: None)
    task = demo.choose_task(settings(tmp_path, model))
    assert task.parameters['refine'] == 'multiview' and 'weights' not in task.parameters
    assert task.parameters['scale.mode'] == 'motion' and task.parameters['model'] == model
    watched = {entry.topic for entry in task.watched}
    assert {'depth/image', 'depth/source', 'relative_depth/image'} <= watched


def test_a_model_without_a_demo_is_refused(tmp_path: Path) -> None:
    assert demo.choose_task(settings(tmp_path, '')).node == 'stereo_node'
    assert demo.choose_task(settings(tmp_path, 'crestereo')).node == 'stereo_node'
    with pytest.raises(DepthRosError, match='monodepth2'):
        demo.choose_task(settings(tmp_path, 'nothing'))


def test_untrained_pictures_say_so_in_every_tile() -> None:
    marked = demo_mono.untrained_picture(Seen(left=room_image(), relative=room_depth()), 't')
    plain = depth_panel(image=room_image(), depth=room_depth(), caption='relative depth, no unit')
    assert marked is not None
    rows = min(len(plain), len(marked))
    differs = (plain[:rows] != marked[:rows]).any(axis=-1)
    for tile in np.array_split(differs, 2, axis=1):
        assert tile.mean() > 0.02
    assert demo_mono.untrained_picture(Seen(left=room_image()), 't') is None


def test_a_moving_picture_says_in_words_where_its_metres_are_from() -> None:
    source = np.ones(room_depth().shape, np.uint8)
    source[:60] = 0
    seen = Seen(reference=room_image(), depth=room_depth(), source=source)
    assert demo_mono.scale_words(seen) == (
        "metres by the camera's own motion: 50 % from keyframes, 50 % unknown"
    )
    seen.diagnostics = {'camera': {}, 'mono_node': {'keyframe_age_s': '0.42'}}
    assert demo_mono.scale_words(seen).endswith('; the newest keyframe is 0.4 s old')
    alone = demo_mono.moving_picture(seen, 'title')
    seen.relative = room_depth()
    both = demo_mono.moving_picture(seen, 'title')
    assert alone is not None and both is not None and len(both) > 1.7 * len(alone)
    assert demo_mono.moving_picture(Seen(reference=room_image()), 't') is None


@pytest.fixture(scope='module')
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The real thing, in processes of its own, with an empty cache."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f'not installed: {", ".join(missing)}')
    folder = tmp_path_factory.mktemp('mono_demo')
    environment = child_environment(DEPTH_ROS_CACHE=str(folder / 'cache'), OMP_NUM_THREADS='1')
    command = [sys.executable, '-m', 'depth_ros', 'demo', '--model', 'monodepth2']
    command += [
        '--weights',
        'synthetic:1',
        '--duration',
        '3',
        '--rate',
        '2',
        '--out',
        str(folder / 'out'),
    ]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr + result.stdout
    return folder / 'out', result.stdout


def test_the_real_graph_runs_with_made_up_weights_and_says_so(outcome: tuple[Path, str]) -> None:
    folder, _ = outcome
    summary = json.loads((folder / 'summary.json').read_text(encoding='utf-8'))
    assert summary['is_untrained'] and summary['scale_mode'] == 'none'
    assert summary['outputs'] > 0
    assert summary['sent'] == summary['received'] + summary['lost_in_transport']
    assert summary['received'] == summary['outputs'] + sum(summary['dropped'].values())
    assert not (folder / 'cloud.ply').exists()
    picture = cv2.imread(str(folder / 'mono.png'))
    assert picture is not None and picture.shape[1] > 2 * 640
    red = (picture[..., 2].astype(int) - picture[..., 1] > 60) & (picture[..., 0] < 120)
    left = red[:, : picture.shape[1] // 2]
    assert left.mean() > 0.01, 'the grey photograph has no red but the word'
