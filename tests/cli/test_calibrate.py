"""``depth-ros build --precision int8 --calibrate``: what of a recording gets to the quantiser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.engines import runtime
from depth_ros.engines.calibrations import LEAST_FRAMES, MOST_FRAMES, NNCF_MISSING
from depth_ros.pictures.panels import write_picture
from depth_ros.scenes.paths import scene_path
from depth_ros.tensors import Tensors
from tests.kit.bag_writer import rig_messages, write_bag

int8 = pytest.importorskip(
    'depth_ros.engines.openvino.int8', reason='the runtime openvino is absent'
)
INT8 = ('--engine', 'openvino', '--precision', 'int8')


class _Given(Exception):  # noqa: N818 - ends the build where NNCF would begin
    def __init__(self, feeds: Sequence[Tensors]) -> None:
        super().__init__()
        self.feeds = feeds


@pytest.fixture(autouse=True)
def quantiser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hand what would be calibrated on back to the test."""

    def quantise(onnx: Path, layers: Sequence[str], feeds: Sequence[Tensors], folder: Path) -> str:
        raise _Given(feeds)

    monkeypatch.setattr(int8, 'quantise', quantise)
    monkeypatch.setattr(runtime, 'is_importable', lambda name: True)
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run the command; return the sentence that it ends with."""
    assert main(['build', *map(str, words)]) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_pairs_of_a_bag_get_to_the_quantiser_as_the_engine_sees_them(tmp_path: Path) -> None:
    pytest.importorskip('rosbags', reason='rosbags is absent')
    path = scene_path('room')
    bag = write_bag(tmp_path / 'walk', rig_messages(path, LEAST_FRAMES))
    with pytest.raises(_Given) as given:
        main(['build', 'crestereo_tiny_hinted', *INT8, '--calibrate', str(bag)])
    feeds = given.value.feeds
    assert len(feeds) == LEAST_FRAMES
    for index, tensors in enumerate(feeds):
        pair = path.stereo(index)
        np.testing.assert_array_equal(tensors['left'][0], pair.left)
        np.testing.assert_array_equal(tensors['right'][0], pair.right)
        disparity, trust = tensors['hint'][0]
        known = disparity[trust > 0]
        assert known.size > 0.3 * trust.size and np.median(known) > 1.0, 'as SGBM gives it'


def test_a_long_folder_of_images_is_thinned_out_evenly(tmp_path: Path) -> None:
    """Each image is one grey; a matcher gets every one that is taken with the next."""
    count = 3 * MOST_FRAMES
    for index in range(count):
        write_picture(tmp_path / f'{index:03d}.png', np.full((240, 320, 3), index, np.uint8))
    with pytest.raises(_Given) as given:
        main(['build', 'loftr_tiny', '--preset', 'fast', *INT8, '--calibrate', str(tmp_path)])
    greys = [[int(array.flat[0]) for array in _images(tensors)] for tensors in given.value.feeds]
    assert greys == [[3 * index, 3 * index + 3] for index in range(MOST_FRAMES - 1)]


def _images(tensors: Tensors) -> list[np.ndarray]:
    return [array for array in tensors.values() if array.ndim == 4]


def test_a_topic_that_is_not_there_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('rosbags', reason='rosbags is absent')
    bag = write_bag(tmp_path / 'walk', rig_messages(scene_path('room'), 1))
    words = ['crestereo_tiny', *INT8, '--calibrate', bag, '--left-topic', '/port/image']
    words += ['--right-topic', '/starboard/image']
    text = refusal(capsys, *words)
    assert '/port/image' in text and '/left/image_rect' in text


def test_a_missing_nncf_is_told_before_the_recording_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, 'is_importable', lambda name: name != 'nncf')
    text = refusal(capsys, 'crestereo_tiny', *INT8, '--calibrate', tmp_path)
    assert text == f'depth-ros: {NNCF_MISSING}'
    text = refusal(capsys, 'mvsnet', *INT8, '--calibrate', tmp_path)
    assert 'may run in' in text, 'nothing to install would help'


def test_too_few_frames_are_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ('left', 'right'):
        write_picture(tmp_path / f'{side}.png', np.zeros((240, 320, 3), np.uint8))
    text = refusal(capsys, 'crestereo_tiny', *INT8, '--calibrate', tmp_path)
    assert f'at least {LEAST_FRAMES} usable frames, {tmp_path.name} gives 1; record more' in text
    assert not (tmp_path / 'cache' / 'engines').exists()


@pytest.mark.parametrize(
    ('words', 'parts'),
    [
        (['crestereo_tiny', '--calibrate', '.'], ['--calibrate is for', '--precision int8']),
        (
            [
                'crestereo_tiny',
                '--engine',
                'onnxruntime',
                '--precision',
                'int8',
                '--calibrate',
                '.',
            ],
            ['add --engine openvino --precision int8'],
        ),
        (['crestereo_tiny', *INT8, '--calibrate', 'nowhere'], ['nowhere is neither', 'check']),
        (['crestereo_tiny', *INT8], ['has not been calibrated', '--calibrate BAG']),
        (['mvsnet', *INT8], ["no graph of 'mvsnet' may run in 'int8'", "precision 'f32'"]),
        (['monodepth2', '--weights', 'synthetic:0', *INT8], ['undecidable', 'made up']),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    words: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = refusal(capsys, *words)
    for part in parts:
        assert part in text, text
