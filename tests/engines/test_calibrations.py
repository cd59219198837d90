"""Calibrations as the cache keeps them: found, told apart, refused; the quantiser is a double."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from depth_ros.engines import runtime
from depth_ros.engines.artifact import Artifact, load_artifact
from depth_ros.engines.build import open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.calibrations import (
    GRAPH_FILE,
    LEAST_FRAMES,
    NNCF_MISSING,
    CalibrationFrames,
    calibrate,
    find_calibration,
)
from depth_ros.engines.checks.golden import Tolerance
from depth_ros.engines.recipe import load_recipe, recipe_names
from depth_ros.errors import ArtifactError, EngineError, InputError, RecipeError
from depth_ros.tensors import Tensors
from tests.kit.engine_choice import asked
from tests.kit.toy_graph import toy_frames, write_toy_artifact

COMMAND = 'depth-ros build toy --precision int8 --calibrate BAG'
LAYERS = ('first.',)
int8 = pytest.importorskip(
    'depth_ros.engines.openvino.int8', reason='the runtime openvino is absent'
)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return load_artifact(write_toy_artifact(tmp_path))


@pytest.fixture(autouse=True)
def quantiser(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes depends on the number of frames alone."""

    def quantise(onnx: Path, layers: Sequence[str], feeds: Sequence[Tensors], folder: Path) -> str:
        (folder / GRAPH_FILE).write_text(f'{len(feeds)} frames')
        return 'double 1.0'

    monkeypatch.setattr(int8, 'quantise', quantise)


def frames(count: int = LEAST_FRAMES, *, first: int = 0) -> CalibrationFrames:
    return CalibrationFrames(feeds=toy_frames(first + count)[first:], source='walk.mcap')


def test_the_newest_calibration_is_found_with_all_that_made_it(
    artifact: Artifact, tmp_path: Path
) -> None:
    for count in (9, 8):
        calibrate(artifact, LAYERS, frames(count), tmp_path)
    found = find_calibration(artifact, LAYERS, tmp_path, command=COMMAND)
    assert found.path.read_text() == '8 frames'
    assert found.calibration.frames_sha256 == frames(8).sha256
    assert found.calibration.describe().startswith('8 frames of walk.mcap (')
    assert (found.calibration.quantiser, found.calibration.layers) == ('double 1.0', LAYERS)


def test_other_frames_are_another_identity_and_the_same_are_not(
    artifact: Artifact, tmp_path: Path
) -> None:
    """As many frames give the same graph here: the frames alone tell them apart."""
    made = [calibrate(artifact, LAYERS, frames(first=first), tmp_path) for first in (0, 1, 0)]
    first, other, again = (graph.calibration.digest for graph in made)
    assert first == again != other
    of_other_layers = calibrate(artifact, ('second.',), frames(), tmp_path)
    assert of_other_layers.calibration.digest != first


@pytest.mark.parametrize('count', [0, LEAST_FRAMES - 1])
def test_too_few_frames_are_refused(artifact: Artifact, tmp_path: Path, count: int) -> None:
    with pytest.raises(InputError, match=f'at least {LEAST_FRAMES} .*walk.mcap gives {count}; re'):
        calibrate(artifact, LAYERS, frames(count), tmp_path)
    with pytest.raises(EngineError, match='has not been calibrated'):
        find_calibration(artifact, LAYERS, tmp_path, command=COMMAND)


def test_an_engine_without_calibration_says_what_to_type(
    artifact: Artifact, tmp_path: Path
) -> None:
    settings = asked(
        runtime='openvino', precision='int8', int8=LAYERS, tolerance=Tolerance(mean=1.0)
    )
    with pytest.raises(EngineError) as refused:
        open_engine(artifact.onnx, cache=EngineCache(tmp_path / 'cache'), **settings)
    assert 'has not been calibrated on frames of yours' in str(refused.value)
    expected = 'build toy --size 12x20 --option iterations=2 --precision int8 --calibrate BAG'
    assert str(refused.value).endswith(expected)


def test_other_layers_in_the_recipe_need_a_new_calibration(
    artifact: Artifact, tmp_path: Path
) -> None:
    calibrate(artifact, LAYERS, frames(), tmp_path)
    with pytest.raises(EngineError, match=r'layers first\., its recipe names second\.; calib'):
        find_calibration(artifact, ('second.',), tmp_path, command=COMMAND)


@pytest.mark.parametrize('content', [b'', b'{}', b'[1]', b'{"files": 3}', b'\xff\xfe'])
def test_a_damaged_record_is_refused_in_one_sentence(
    artifact: Artifact, tmp_path: Path, content: bytes
) -> None:
    made = calibrate(artifact, LAYERS, frames(), tmp_path)
    (made.path.parent.parent / 'calibration.json').write_bytes(content)
    with pytest.raises(ArtifactError, match=f'read as a calibration .*type: {COMMAND}'):
        find_calibration(artifact, LAYERS, tmp_path, command=COMMAND)


def test_a_record_that_points_elsewhere_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    record = (
        calibrate(artifact, LAYERS, frames(), tmp_path).path.parent.parent / 'calibration.json'
    )
    body = json.loads(record.read_text())
    record.write_text(json.dumps({**body, 'folder': '../../elsewhere'}))
    with pytest.raises(ArtifactError, match='elsewhere'):
        find_calibration(artifact, LAYERS, tmp_path, command=COMMAND)


@pytest.mark.parametrize('is_missing', [True, False])
def test_a_damaged_graph_is_refused_with_the_remedy(
    artifact: Artifact, tmp_path: Path, is_missing: bool
) -> None:
    path = calibrate(artifact, LAYERS, frames(), tmp_path).path
    path.unlink() if is_missing else path.write_text('changed')
    with pytest.raises(ArtifactError, match=f'graph.xml was written with .*type: {COMMAND}'):
        find_calibration(artifact, LAYERS, tmp_path, command=COMMAND)


def test_a_full_disk_is_told(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / 'calibrations').write_text('a file where a folder belongs')
    with pytest.raises(EngineError, match=r'cannot be kept in .*DEPTH_ROS_CACHE'):
        calibrate(artifact, LAYERS, frames(), tmp_path)


def test_without_nncf_the_sentence_names_it(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(runtime, 'is_importable', lambda name: False)
    with pytest.raises(EngineError) as refused:
        calibrate(artifact, LAYERS, frames(), tmp_path)
    assert str(refused.value) == NNCF_MISSING
    assert 'pip install nncf' in NNCF_MISSING


@pytest.mark.parametrize('name', recipe_names())
def test_layers_of_shipped_graphs_are_there_and_the_rest_stays_float(name: str) -> None:
    import openvino as ov

    recipe = load_recipe(name)
    for graph, told in recipe.graphs.items():
        stem = recipe.stem(graph, recipe.variant())
        path = Path(__file__).parents[2] / 'weights' / f'{stem}.onnx'
        if not told.int8 or not path.is_file():
            continue
        assert told.tolerances['int8']
        model = ov.Core().read_model(path)
        kept = int8.float_operations(model, told.int8, stem)
        kinds = {node.get_type_name() for node in model.get_ordered_ops()} - set(int8.LOW)
        names = {node.get_friendly_name(): node.get_type_name() for node in model.get_ops()}
        assert {names[each] for each in kept} >= kinds - {'Constant', 'Parameter', 'Result'}
        with pytest.raises(RecipeError, match=r'no convolution with weights nowhere\.\*'):
            int8.float_operations(model, ('nowhere.',), stem)
