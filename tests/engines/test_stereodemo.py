"""Graphs of CREStereo as stereodemo publishes them: named so, wrapped, run by ``--weights``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='published graphs are wrapped with it')

from onnx import TensorProto, helper

from depth_ros.cli.main import main
from depth_ros.engines.stereodemo import Published, published
from depth_ros.pictures.panels import write_picture

HEIGHT, WIDTH = 96, 128


def publish(folder: Path, name: str, *, inputs: int) -> Path:
    """Write a graph with stereodemo's ports: red of left less red of right, and how half it is.

    Plane 0 is ``(left - right) / 10`` of the red planes, where ``init`` files end; ``combined``
    ones add the mean of the half-size left image.
    """
    full, half = (1, 3, HEIGHT, WIDTH), (1, 3, HEIGHT // 2, WIDTH // 2)
    shapes = [half, half, full, full][-inputs:]
    names = ['init_left', 'init_right', 'next_left', 'next_right'][-inputs:]
    left, right = names[-2:]
    nodes = [
        helper.make_node('Sub', [left, right], ['difference']),
        helper.make_node('Div', ['difference', 'ten'], ['flow3']),
        helper.make_node('Slice', ['flow3', 'zero', 'two', 'one'], ['flow2']),
    ]
    last = 'flow2'
    if inputs == 4:
        nodes += [
            helper.make_node('ReduceMean', ['init_left'], ['mean'], keepdims=1),
            helper.make_node('Add', ['flow2', 'mean'], ['flow']),
        ]
        last = 'flow'
    constants = [
        helper.make_tensor('ten', TensorProto.FLOAT, [], [10.0]),
        helper.make_tensor('zero', TensorProto.INT64, [1], [0]),
        helper.make_tensor('two', TensorProto.INT64, [1], [2]),
        helper.make_tensor('one', TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        'theirs',
        [
            helper.make_tensor_value_info(port, TensorProto.FLOAT, shape)
            for port, shape in zip(names, shapes, strict=True)
        ],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, (1, 2, HEIGHT, WIDTH))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 12)])
    model.ir_version = 8
    path = folder / name
    onnx.save(model, path)
    return path


def write_pair(folder: Path, left: np.ndarray, right: np.ndarray) -> tuple[Path, Path]:
    paths = folder / 'left.png', folder / 'right.png'
    for path, image in zip(paths, (left, right), strict=True):
        write_picture(path, image)
    return paths


def test_names_are_read() -> None:
    told = Published(recipe='crestereo', stages=2, iterations=5, height=380, width=480)
    assert published(Path('a/crestereo_combined_iter5_380x480.onnx')) == told
    assert published(Path('crestereo-240x320-it4-st1.onnx')) is None
    assert published(Path('crestereo_init_iter2_240x320.pth')) is None


@pytest.mark.parametrize(('passes', 'inputs'), [('init', 2), ('combined', 4)])
def test_a_published_graph_runs_by_its_name(
    tmp_path: Path, passes: str, inputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    weights = publish(tmp_path, f'crestereo_{passes}_iter5_{HEIGHT}x{WIDTH}.onnx', inputs=inputs)
    left = np.full((HEIGHT, WIDTH, 3), (90, 10, 20), np.uint8)
    right = np.full((HEIGHT, WIDTH, 3), (40, 10, 20), np.uint8)
    words = ['run', 'stereo', *map(str, write_pair(tmp_path, left, right))]
    words += ['--model', 'crestereo', '--weights', str(weights), '-o', str(tmp_path / 'out')]
    assert main(words) == 2, 'images of one colour are told to show nothing'
    disparity = np.load(tmp_path / 'out' / 'left_disparity.npy')
    expected = (90 - 40) / 10 + (40.0 if inputs == 4 else 0.0)
    np.testing.assert_allclose(disparity, expected, atol=1e-4)


def test_a_file_that_is_no_such_graph_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    weights = publish(tmp_path, f'crestereo_combined_iter5_{HEIGHT}x{WIDTH}.onnx', inputs=2)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    words = ['run', 'stereo', *map(str, write_pair(tmp_path, image, image))]
    words += ['--model', 'crestereo', '--weights', str(weights), '-o', str(tmp_path / 'out')]
    for content in (weights.read_bytes(), b'no graph'):
        weights.write_bytes(content)
        assert main(words) == 2
        assert 'crestereo_combined_iter5' in capsys.readouterr().err
