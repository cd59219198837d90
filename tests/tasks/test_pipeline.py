"""A pipeline may call two engines, several times within one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from depth_ros.errors import EngineError, ParameterError
from depth_ros.models.base import Engines, Prepared
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tensors import Tensors, TensorSpec
from tests.kit.callable_engine import CallableEngine

HEIGHT, WIDTH = 4, 6
IMAGES = tuple(
    TensorSpec(name=name, shape=(1, HEIGHT, WIDTH), dtype='uint8') for name in ('left', 'right')
)
MEANS = TensorSpec(name='means', shape=(2, HEIGHT), dtype='float32')
BEFORE = TensorSpec(name='before', shape=(HEIGHT,), dtype='float32', unit='px')
AFTER = TensorSpec(name='after', shape=(HEIGHT,), dtype='float32', unit='px')
CALLS: list[str] = []


def features(tensors: Tensors) -> Tensors:
    CALLS.append('features')
    means = [tensors[name][0].mean(axis=1) for name in ('left', 'right')]
    return {'means': np.stack(means).astype(np.float32)}


def update(tensors: Tensors) -> Tensors:
    """Go half of the way to the difference of the means."""
    CALLS.append('update')
    left, right = tensors['means']
    return {'after': (tensors['before'] + left - right) / 2}


@dataclass(frozen=True, kw_only=True)
class TwoGraphModel:
    """Features once, then update steps that each see the previous one's output."""

    num_steps: int
    name: str = 'double'
    graphs: tuple[str, ...] = ('features', 'update')

    def preprocess(self, frame: np.ndarray) -> Prepared:
        feeds = {'left': frame[None, 0], 'right': frame[None, 1]}
        return Prepared(feeds=feeds, context=frame.shape)

    def infer(self, engines: Engines, prepared: Prepared) -> Tensors:
        means = engines['features'].infer(prepared.feeds)['means']
        disparity = np.zeros(HEIGHT, np.float32)
        for _ in range(self.num_steps):
            disparity = engines['update'].infer({'means': means, 'before': disparity})['after']
        return {'disparity': disparity}

    def postprocess(self, outputs: Tensors, prepared: Prepared, frame: np.ndarray) -> np.ndarray:
        assert prepared.context == frame.shape
        return outputs['disparity'].copy()


def open_engines(**kwargs: float) -> Mapping[str, CallableEngine]:
    CALLS.clear()
    return {
        'features': CallableEngine(features, inputs=IMAGES, outputs=(MEANS,), graph='features'),
        'update': CallableEngine(
            update, inputs=(MEANS, BEFORE), outputs=(AFTER,), graph='update', **kwargs
        ),
    }


def frame_of(left: int, right: int) -> np.ndarray:
    return np.stack([np.full((HEIGHT, WIDTH), value, np.uint8) for value in (left, right)])


def test_two_engines_several_calls_known_answer() -> None:
    pipeline = Pipeline(TwoGraphModel(num_steps=4), open_engines())
    timed = pipeline.run(frame_of(40, 8))
    assert CALLS == ['features'] + ['update'] * 4
    np.testing.assert_array_equal(timed.result, 32 * (1 - 0.5**4))
    pipeline.close()


def test_frames_do_not_leak_into_each_other() -> None:
    pipeline = Pipeline(TwoGraphModel(num_steps=2), open_engines())
    results = [pipeline.run(frame_of(value, 0)).result for value in (100, 20, 100)]
    np.testing.assert_array_equal(results[0], 75)
    np.testing.assert_array_equal(results[1], 15)
    np.testing.assert_array_equal(results[2], 75)
    pipeline.close()


def test_stages_are_timed_and_named() -> None:
    pipeline = Pipeline(TwoGraphModel(num_steps=1), open_engines(delay_s=0.01))
    stages = pipeline.run(frame_of(1, 1)).stages_s
    assert list(stages) == ['preprocess', 'infer', 'postprocess']
    assert all(seconds >= 0 for seconds in stages.values())
    pipeline.close()


def test_failure_of_one_frame_spares_the_next() -> None:
    pipeline = Pipeline(TwoGraphModel(num_steps=2), open_engines(fail_on=(1,)))
    with pytest.raises(EngineError, match='frame 1 fails'):
        pipeline.run(frame_of(40, 8))
    np.testing.assert_array_equal(pipeline.run(frame_of(40, 8)).result, 24)
    pipeline.close()


def test_description_names_model_and_engines() -> None:
    pipeline = Pipeline(TwoGraphModel(num_steps=2), open_engines())
    assert pipeline.describe().startswith('double: features on callable')
    assert 'update on callable' in pipeline.describe()
    pipeline.close()


@pytest.mark.parametrize('names', [(), ('features',), ('features', 'update', 'more')])
def test_wrong_set_of_engines_is_refused(names: tuple[str, ...]) -> None:
    some = CallableEngine(features, inputs=IMAGES, outputs=(MEANS,))
    with pytest.raises(ParameterError, match=r"needs engines for \['features', 'update'\]"):
        Pipeline(TwoGraphModel(num_steps=1), dict.fromkeys(names, some))
    some.close()


def test_closing_closes_every_engine() -> None:
    engines = open_engines()
    Pipeline(TwoGraphModel(num_steps=1), engines).close()
    for engine in engines.values():
        with pytest.raises(EngineError, match='is closed'):
            engine.infer({})
