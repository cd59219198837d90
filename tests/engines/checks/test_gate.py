"""The accuracy gate: a double that is wrong by known amounts, on both sides of every limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_ros.engines.build import GraphBuild, open_engine
from depth_ros.engines.build_policy import building
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.checks.gate_images import GATE_SCENES, gate_feeds, rendered_images
from depth_ros.engines.checks.gate_measures import (
    DepthMeasure,
    MatchMeasure,
    Measure,
    MotionMeasure,
    StereoMeasure,
)
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import load_recipe, recipe_names
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.errors import ArtifactError, EngineError, RecipeError
from depth_ros.tensors import Task, Tensors, TensorSpec
from tests.kit import gate_doubles
from tests.kit.engine_choice import asked
from tests.kit.gate_doubles import EVENTS, GateRuntime, write_artifact

HEIGHT, WIDTH = 40, 50
ROWS, COLUMNS = 20, 30
STEREO = StereoMeasure(epe_change_px=0.05, moved_share=0.005, moved_above_px=1.0)
DEPTH = DepthMeasure(abs_rel_change=0.005, offset=0.01, factor=9.99)
MATCHES = MatchMeasure(overlap=0.98, min_confidence=0.2, same_within_px=1.0)
MOTION = MotionMeasure(relative_change=0.02, min_length=1e-4)
PAIR = tuple(
    TensorSpec(name=name, shape=(1, HEIGHT, WIDTH, 3), dtype='uint8') for name in ('left', 'right')
)
GREY_PAIR = (
    *(
        TensorSpec(name=name, shape=(1, HEIGHT, WIDTH, 1), dtype='uint8')
        for name in ('first', 'second')
    ),
    TensorSpec(name='first_mask', shape=(1, ROWS, COLUMNS), dtype='uint8'),
)
MAP = (TensorSpec(name='disparity', shape=(1, HEIGHT, WIDTH), dtype='float32'),)
MATCH_OUTPUTS = (
    TensorSpec(name='confidence', shape=(1, ROWS, COLUMNS), dtype='float32'),
    TensorSpec(name='points', shape=(1, ROWS, COLUMNS, 2), dtype='float32'),
)
MOTION_OUTPUTS = tuple(
    TensorSpec(name=name, shape=(1, 3), dtype='float32') for name in ('axis_angle', 'translation')
)
Arrays = dict[str, np.ndarray]
Change = Callable[[Arrays], Arrays]


def ramp(tensors: Tensors, *, low: float = 1.0, high: float = 20.0) -> Arrays:
    """Disparities that grow down the image, whatever is on it."""
    rows = np.linspace(low, high, HEIGHT, dtype='f4')[None, :, None]
    return {'disparity': np.repeat(rows, WIDTH, axis=2)}


def all_match(tensors: Tensors, *, count: int = ROWS * COLUMNS) -> Arrays:
    confidence = np.zeros(ROWS * COLUMNS, 'f4')
    confidence[:count] = 0.9
    y, x = np.mgrid[0:ROWS, 0:COLUMNS].astype('f4') * 8
    return {
        'confidence': confidence.reshape(1, ROWS, COLUMNS),
        'points': np.stack([x + 3, y], axis=-1)[None],
    }


def motion(tensors: Tensors) -> Arrays:
    return {
        'axis_angle': np.array([[0.01, 0.02, -0.02]], 'f4'),
        'translation': np.array([[0, 0, 0.1]], 'f4'),
    }


def shift(amount: float) -> Change:
    return lambda outputs: {'disparity': outputs['disparity'] + np.float32(amount)}


def move(count: int, amount: float) -> Change:
    """Move some pixels, spread over the map."""

    def change(outputs: Arrays) -> Arrays:
        moved = outputs['disparity'].copy().ravel()
        moved[:: moved.size // count][:count] += np.float32(amount)
        return {'disparity': moved.reshape(outputs['disparity'].shape)}

    return change


def deepen(factor: float) -> Change:
    """Multiply depth = 1 / (0.01 + 9.99 d)."""
    return lambda outputs: {
        'disparity': (((0.01 + 9.99 * outputs['disparity']) / factor - 0.01) / 9.99).astype('f4')
    }


def lose(count: int) -> Change:
    def change(outputs: Arrays) -> Arrays:
        confidence = outputs['confidence'].copy()
        confidence.ravel()[:count] = 0.1
        return {**outputs, 'confidence': confidence}

    return change


def displace(count: int, amount: float) -> Change:
    def change(outputs: Arrays) -> Arrays:
        points = outputs['points'].copy()
        points.reshape(-1, 2)[:count, 0] += np.float32(amount)
        return {**outputs, 'points': points}

    return change


def stretch(factor: float) -> Change:
    return lambda outputs: {**outputs, 'translation': outputs['translation'] * np.float32(factor)}


def same(outputs: Arrays) -> Arrays:
    return outputs


def with_nan(outputs: Arrays) -> Arrays:
    return {'disparity': np.where(outputs['disparity'] < 1.5, np.float32(np.nan), 9.0)}


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / 'cache')


@pytest.fixture(autouse=True)
def runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    EVENTS.clear()
    monkeypatch.setattr(GateRuntime, 'truth', staticmethod(ramp), raising=False)
    monkeypatch.setattr(GateRuntime, 'wrong', staticmethod(same), raising=False)
    for name in ('openvino', 'onnxruntime'):
        monkeypatch.setitem(RUNTIMES, name, gate_doubles.entry())


@pytest.fixture
def opened(
    tmp_path: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Open a bf16 engine that is wrong by a known amount, through the whole way of a build."""

    def run(
        measure: Measure | None,
        wrong: Change = same,
        *,
        truth: Callable[[Tensors], Arrays] = ramp,
        inputs: tuple[TensorSpec, ...] = PAIR,
        outputs: tuple[TensorSpec, ...] = MAP,
        source: str = 'toy.pth',
        **settings: Any,
    ) -> None:
        monkeypatch.setattr(GateRuntime, 'truth', staticmethod(truth))
        monkeypatch.setattr(GateRuntime, 'wrong', staticmethod(wrong))
        onnx = write_artifact(tmp_path, inputs=inputs, outputs=outputs, source=source)
        arguments = {'runtime': 'openvino', 'precision': 'bf16', 'gate': measure, **settings}
        open_engine(onnx, cache=cache, **asked(**arguments)).close()

    return run


STEREO_CASE: dict[str, Any] = {}
MATCH_CASE: dict[str, Any] = {
    'truth': all_match,
    'inputs': GREY_PAIR,
    'outputs': MATCH_OUTPUTS,
}
MOTION_CASE: dict[str, Any] = {'truth': motion, 'outputs': MOTION_OUTPUTS}


@pytest.mark.parametrize(
    ('measure', 'inside', 'outside', 'words', 'case'),
    [
        (STEREO, shift(0.049), shift(0.051), 'epe_change_px 0.051', STEREO_CASE),
        (STEREO, shift(-0.049), shift(-0.051), 'epe_change_px 0.051', STEREO_CASE),
        # 2000 pixels: 9 are 0.45 %, 10 are 0.5 %, which is not below it.
        (STEREO, move(9, 5.0), move(10, 5.0), 'moved_share 0.005', STEREO_CASE),
        (STEREO, move(40, 0.99), move(40, 1.01), 'moved_share 0.02', STEREO_CASE),
        (DEPTH, deepen(1.0049), deepen(1.0051), 'abs_rel_change 0.0051', STEREO_CASE),
        (DEPTH, deepen(0.9951), deepen(0.9949), 'abs_rel_change 0.0051', STEREO_CASE),
        # 600 matches: 588 are 98 %, which is enough.
        (MATCHES, lose(12), lose(13), 'overlap 0.9783', MATCH_CASE),
        (MATCHES, displace(12, 2.0), displace(13, 2.0), 'overlap 0.9783', MATCH_CASE),
        (MATCHES, displace(600, 0.99), displace(600, 1.01), 'overlap 0 ', MATCH_CASE),
        (MOTION, stretch(1.019), stretch(1.021), 'relative_change 0.021', MOTION_CASE),
    ],
)
def test_limits_hold_on_both_sides(
    opened: Callable[..., None],
    cache: EngineCache,
    measure: Measure,
    inside: Change,
    outside: Change,
    words: str,
    case: dict[str, Any],
) -> None:
    with pytest.raises(ArtifactError) as caught:
        opened(measure, outside, **case)
    for part in (words, 'fails the accuracy gate', 'must be', "use precision 'f32'", "'room'"):
        assert part in str(caught.value)
    assert not list(cache.root.glob('engines/*bf16*')), 'a refused engine must not be kept'
    opened(measure, inside, **case)


def test_matches_that_float32_does_not_have_count_too(opened: Callable[..., None]) -> None:
    def invent(outputs: Arrays) -> Arrays:
        return all_match({}, count=500)

    with pytest.raises(ArtifactError, match=r'overlap 0\.8 '):
        opened(MATCHES, invent, **{**MATCH_CASE, 'truth': lambda t: all_match(t, count=400)})


def test_values_that_are_not_finite_are_infinitely_far(opened: Callable[..., None]) -> None:
    for measure in (STEREO, DEPTH):
        (first, *_) = measure.figures(ramp({}), with_nan(ramp({})))
        assert first.value == np.inf and not first.is_within
    both = with_nan(ramp({}))
    assert STEREO.figures(both, both)[0].value == 0.0, 'unknown on both sides is equal'


@pytest.mark.parametrize(
    ('measure', 'words', 'case'),
    [
        (STEREO, 'made up', {'source': 'synthetic:1'}),
        (None, "no 'gate'", {}),
        (STEREO, 'spread over 0.9 px', {'truth': lambda t: ramp(t, low=1.05, high=2.05)}),
        (DEPTH, 'spread over', {'truth': lambda t: ramp(t, low=0.5, high=0.51)}),
        (DEPTH, 'only 0% of the pixels', {'truth': lambda t: ramp(t, low=-2.0, high=-1.0)}),
        (MATCHES, '49 matches, 50', {**MATCH_CASE, 'truth': lambda t: all_match(t, count=49)}),
        (
            MOTION,
            'axis_angle 0',
            {
                **MOTION_CASE,
                'truth': lambda t: {**motion(t), 'axis_angle': np.zeros((1, 3), 'f4')},
            },
        ),
    ],
    ids=['made-up', 'no-gate', 'flat', 'flat-depth', 'no-depth', 'few-matches', 'no-motion'],
)
def test_what_cannot_be_decided_is_refused_before_anything_is_built(
    opened: Callable[..., None], measure: Measure | None, words: str, case: dict[str, Any]
) -> None:
    with pytest.raises(ArtifactError) as caught:
        opened(measure, **case)
    for part in (words, 'undecidable', "precision 'bf16'", "use precision 'f32'"):
        assert part in str(caught.value)
    assert 'build bf16' not in EVENTS


def test_fifty_matches_are_enough(opened: Callable[..., None]) -> None:
    opened(MATCHES, **{**MATCH_CASE, 'truth': lambda t: all_match(t, count=50)})


def test_verdict_and_figures_are_in_the_sidecar(
    opened: Callable[..., None], cache: EngineCache
) -> None:
    opened(STEREO, shift(0.02))
    (folder,) = cache.root.glob('engines/*bf16*')
    check: Any = json.loads((folder / 'entry.json').read_text())['check']
    gate = check['gate']
    assert (gate['verdict'], gate['measure']) == ('passed', 'stereo')
    assert gate['scenes'] == list(GATE_SCENES)
    epe, moved = gate['figures']
    assert epe['name'] == 'epe_change_px'
    assert epe['value'] == pytest.approx(0.02, rel=1e-4)
    assert epe['limit'] == 0.05
    assert moved == {**moved, 'name': 'moved_share', 'value': 0.0}
    assert check['golden']['disparity']['mean'] == pytest.approx(0.02, rel=1e-4)


def test_a_passed_gate_is_not_run_again_until_its_limits_change(
    opened: Callable[..., None],
) -> None:
    opened(STEREO, shift(0.02))
    assert EVENTS.count('build bf16') == 1 and EVENTS.count('build f32') == 1
    assert EVENTS.count('run bf16') == 1 + len(GATE_SCENES)
    EVENTS.clear()
    opened(STEREO, shift(0.02))
    assert EVENTS == ['load bf16']
    tighter = StereoMeasure(epe_change_px=0.01, moved_share=0.005)
    with pytest.raises(ArtifactError, match=r'epe_change_px 0\.02'):
        opened(tighter, shift(0.02))


def test_an_ungated_engine_is_never_taken_for_a_gated_one(opened: Callable[..., None]) -> None:
    opened(STEREO, shift(0.2), ungated=True)
    with pytest.raises(ArtifactError, match=r'epe_change_px 0\.2'):
        opened(STEREO, shift(0.2))


def test_float32_needs_no_gate(opened: Callable[..., None]) -> None:
    opened(None, precision='f32', source='synthetic:1')
    assert EVENTS == ['build f32', 'run f32']


def test_reference_is_the_first_runtime_that_has_float32(
    opened: Callable[..., None], monkeypatch: pytest.MonkeyPatch, cache: EngineCache
) -> None:
    monkeypatch.setitem(RUNTIMES, 'openvino', gate_doubles.entry('OtherGateRuntime'))
    opened(STEREO)
    assert {path.name.split('-')[2] for path in cache.root.glob('engines/*f32*')} == {
        'onnxruntime'
    }
    monkeypatch.setitem(RUNTIMES, 'onnxruntime', gate_doubles.entry('OtherGateRuntime'))
    with pytest.raises(EngineError, match='needs a float32 engine'):
        opened(StereoMeasure(epe_change_px=0.04, moved_share=0.005))


def test_a_wrong_reference_is_refused(
    tmp_path: Path, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A float32 engine that fails its golden check must not judge others."""
    onnx = write_artifact(tmp_path, inputs=PAIR, outputs=MAP)
    monkeypatch.setattr(GateRuntime, 'truth', staticmethod(lambda t: shift(0.5)(ramp(t))))
    with pytest.raises(EngineError, match='out of tolerance'):
        open_engine(
            onnx,
            EngineChoice(runtime='openvino', precision='bf16'),
            GraphBuild(gate=STEREO),
            cache=cache,
        )


def test_building_can_be_forbidden(opened: Callable[..., None]) -> None:
    with building(is_allowed=False), pytest.raises(EngineError) as caught:
        opened(STEREO)
    command = 'depth-ros build toy --weights FILE --size 40x50 --engine openvino --precision bf16'
    assert command in str(caught.value)
    assert EVENTS == []
    opened(STEREO)
    EVENTS.clear()
    with building(is_allowed=False):
        opened(STEREO)
    assert EVENTS == ['load bf16']


def test_gate_images_are_the_same_every_time_and_differ_by_scene() -> None:
    feeds = gate_feeds(PAIR)
    assert list(feeds) == list(GATE_SCENES)
    again = gate_feeds(PAIR)
    for name, tensors in feeds.items():
        for key, image in tensors.items():
            assert image.shape == (1, HEIGHT, WIDTH, 3) and image.dtype == np.uint8
            np.testing.assert_array_equal(image, again[name][key])
            assert image.std() > 5, 'an image without texture decides nothing'
        assert (tensors['left'] != tensors['right']).any()
    assert (feeds['room']['left'] != feeds['slanted']['left']).any()


def test_grey_graphs_get_grey_images_and_full_masks() -> None:
    tensors = gate_feeds(GREY_PAIR)['room']
    assert tensors['first'].shape == (1, HEIGHT, WIDTH, 1)
    assert tensors['first_mask'].min() == 1
    color = rendered_images('room', HEIGHT, WIDTH, count=1)[0]
    expected = color.astype('f8') @ [0.299, 0.587, 0.114]
    assert np.abs(tensors['first'][0, :, :, 0] - expected).max() <= 1.5


def test_graphs_that_take_no_images_have_no_gate_images() -> None:
    volume = TensorSpec(name='costs', shape=(1, 8, 10, 12), dtype='float32')
    with pytest.raises(ArtifactError, match='costs float32'):
        gate_feeds((volume,))


def test_recipes_have_the_limits_of_their_task() -> None:
    expected: dict[Task, set[Measure | None]] = {
        Task.STEREO: {STEREO},
        Task.MATCHING: {
            MATCHES,
            MatchMeasure(overlap=0.98, min_confidence=0.01, same_within_px=1.0),
        },
        Task.MONO: {DEPTH, MotionMeasure(relative_change=0.02, min_length=1e-4)},
        Task.MULTIVIEW: {DepthMeasure(abs_rel_change=0.005, output='value')},
    }
    tio = {STEREO, DepthMeasure(abs_rel_change=0.005)}
    for name in recipe_names():
        recipe = load_recipe(name)
        allowed = tio if name == 'tio_depth' else expected[recipe.tasks[0]]
        for graph in recipe.graphs.values():
            if graph.is_geometry:
                assert graph.gate is None
                assert set(graph.tolerances) == {'f32'}
            else:
                assert graph.gate in allowed, (name, graph.name)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('{stereo: {epe_change_px: 0.05}}', 'moved_share'),
        ('{sonar: {}}', 'sonar'),
        ('{}', 'one of'),
        (
            '{stereo: {epe_change_px: 0.05, moved_share: 0.1, moved_above_px: 1, more: 2}}',
            'more',
        ),
    ],
)
def test_mistakes_in_a_gate_name_the_key(tmp_path: Path, text: str, words: str) -> None:
    from depth_ros.engines.recipe import read_recipe

    source = load_recipe('crestereo').path.read_text(encoding='utf-8')
    line = next(line for line in source.splitlines() if 'epe_change_px' in line)
    path = tmp_path / 'crestereo.yaml'
    before = source.index('    gate:')
    after = source.index(line) + len(line)
    path.write_text(source[:before] + f'    gate: {text}' + source[after:], encoding='utf-8')
    with pytest.raises(RecipeError, match=words):
        read_recipe(path)
