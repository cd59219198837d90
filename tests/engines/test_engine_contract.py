"""Every engine passes the same tests on the same small network."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from depth_ros.engines.artifact import load_artifact
from depth_ros.engines.runtime import RUNTIMES, BuildSettings
from depth_ros.errors import EngineError, ShapeError
from depth_ros.tensors import Engine, Tensors
from tests.kit.callable_engine import CallableEngine
from tests.kit.toy_graph import (
    INPUTS,
    OUTPUTS,
    TOY_ONNX,
    toy_frames,
    toy_function,
    toy_module,
    write_toy_artifact,
    write_toy_onnx,
)

FRAMES = toy_frames(4)
EXPECTED = [toy_function(frame)['disparity'] for frame in FRAMES]
ATOL = 1e-5


def open_onnx(runtime: str, folder: Path) -> Engine:
    pytest.importorskip(runtime, reason=f'the runtime {runtime} is absent')
    artifact = load_artifact(write_toy_artifact(folder))
    built = folder / 'built'
    built.mkdir()
    return RUNTIMES[runtime].load().build(artifact, BuildSettings(num_threads=1), built)


def open_torch(folder: Path) -> Engine:
    pytest.importorskip('torch', reason='torch is absent')
    from depth_ros.engines.torch_engine import TorchEngine

    return TorchEngine(toy_module(), inputs=INPUTS, outputs=OUTPUTS, graph='toy', num_threads=1)


def open_torch_with_graph(folder: Path) -> Engine:
    """Run the GPU's way on the CPU: static tensors, and a stand-in for the captured graph."""
    pytest.importorskip('torch', reason='torch is absent')
    from depth_ros.engines.torch_engine import TorchEngine
    from tests.kit.torch_graph import ReplayedCapture

    return TorchEngine(
        toy_module(),
        inputs=INPUTS,
        outputs=OUTPUTS,
        graph='toy',
        num_threads=1,
        capture=ReplayedCapture(),
    )


def open_callable(folder: Path) -> Engine:
    return CallableEngine(toy_function, inputs=INPUTS, outputs=OUTPUTS, delay_s=0.01)


OPENERS: dict[str, Callable[[Path], Engine]] = {
    'openvino': lambda folder: open_onnx('openvino', folder),
    'onnxruntime': lambda folder: open_onnx('onnxruntime', folder),
    'torch': open_torch,
    'torch_cuda': open_torch_with_graph,
    'callable': open_callable,
}


@pytest.fixture(params=OPENERS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    opened = OPENERS[request.param](tmp_path)
    assert opened.info.runtime == request.param
    yield opened
    opened.close()


def expect_frame(outputs: Tensors, index: int) -> None:
    assert set(outputs) == {'disparity'}
    assert outputs['disparity'].dtype == np.float32
    np.testing.assert_allclose(outputs['disparity'], EXPECTED[index], atol=ATOL, rtol=0)


def test_frames_differ_so_that_mixing_them_up_shows() -> None:
    for first, second in itertools.pairwise(EXPECTED):
        assert np.abs(first - second).max() > 100 * ATOL


def test_stored_graph_is_what_its_source_makes(tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx', reason='the package onnx is absent')
    write_toy_onnx(tmp_path / 'toy.onnx')
    assert onnx.load(tmp_path / 'toy.onnx').graph == onnx.load(TOY_ONNX).graph


def test_every_onnx_runtime_is_in_the_contract() -> None:
    assert set(RUNTIMES) - {'tensorrt'} <= set(OPENERS)


def test_infer_gives_the_networks_numbers(engine: Engine) -> None:
    for index, frame in enumerate(FRAMES):
        expect_frame(engine.infer(frame), index)


def test_specs_and_identity(engine: Engine) -> None:
    assert engine.inputs == INPUTS
    assert engine.outputs == OUTPUTS
    assert engine.info.precision == 'f32'
    assert engine.info.device == 'cpu'
    assert engine.info.num_threads == 1
    assert engine.info.version
    assert 'toy' in engine.info.graph or engine.info.graph == 'callable'


def test_outputs_stay_valid_until_the_next_call(engine: Engine) -> None:
    first = engine.infer(FRAMES[0])
    ticket = engine.submit(FRAMES[1])
    expect_frame(first, 0)
    expect_frame(ticket.result(), 1)
    expect_frame(first, 0)


def test_two_frames_under_way_come_out_in_any_order(engine: Engine) -> None:
    older, newer = engine.submit(FRAMES[0]), engine.submit(FRAMES[1])
    expect_frame(newer.result(), 1)
    expect_frame(older.result(), 0)
    expect_frame(older.result(), 0)


def test_overlapping_stream_keeps_frames_apart(engine: Engine) -> None:
    order = (0, 1, 2, 3, 0, 2)
    pending = engine.submit(FRAMES[order[0]])
    for previous, following in itertools.pairwise(order):
        ticket = engine.submit(FRAMES[following])
        expect_frame(pending.result(), previous)
        pending = ticket
    expect_frame(pending.result(), order[-1])


def test_third_frame_under_way_is_refused_and_harmless(engine: Engine) -> None:
    older, newer = engine.submit(FRAMES[0]), engine.submit(FRAMES[1])
    with pytest.raises(EngineError, match='two frames are under way'):
        engine.submit(FRAMES[2])
    expect_frame(older.result(), 0)
    expect_frame(newer.result(), 1)
    expect_frame(engine.infer(FRAMES[2]), 2)


def test_dropped_tickets_do_not_block_the_engine(engine: Engine) -> None:
    for index in (0, 1, 2, 3):
        engine.submit(FRAMES[index])
    expect_frame(engine.infer(FRAMES[3]), 3)


def test_late_result_is_refused_rather_than_wrong(engine: Engine) -> None:
    late = engine.submit(FRAMES[0])
    expect_frame(late.result(), 0)
    engine.infer(FRAMES[1])
    engine.infer(FRAMES[2])
    with pytest.raises(EngineError, match='result is gone'):
        late.result()


def test_inputs_may_be_overwritten_after_submit(engine: Engine) -> None:
    buffers = {name: array.copy() for name, array in FRAMES[0].items()}
    ticket = engine.submit(buffers)
    for array in buffers.values():
        array[:] = 0
    expect_frame(ticket.result(), 0)


def test_inputs_need_not_be_contiguous(engine: Engine) -> None:
    wide = {name: np.repeat(array, 2, axis=2) for name, array in FRAMES[1].items()}
    expect_frame(engine.infer({name: array[:, :, ::2] for name, array in wide.items()}), 1)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda frame: {'left': frame['left']}, "expected tensors ['left', 'right']"),
        (lambda frame: {**frame, 'middle': frame['left']}, 'middle'),
        (lambda frame: {**frame, 'right': frame['right'][:, :-1]}, 'uint8(1, 11, 20, 3)'),
        (lambda frame: {**frame, 'right': frame['right'].astype('f4')}, 'float32(1, 12, 20, 3)'),
        (lambda frame: {**frame, 'left': frame['left'][0]}, 'uint8(12, 20, 3)'),
    ],
    ids=['missing', 'extra', 'size', 'dtype', 'rank'],
)
def test_border_names_what_came_and_lives_on(
    engine: Engine, change: Callable[[Tensors], Tensors], words: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        engine.infer(change(FRAMES[0]))
    assert words in str(caught.value)
    expect_frame(engine.infer(FRAMES[1]), 1)


def test_closed_engine_refuses_and_closing_twice_is_harmless(engine: Engine) -> None:
    under_way = engine.submit(FRAMES[0])
    engine.close()
    engine.close()
    for call in (lambda: engine.infer(FRAMES[0]), lambda: engine.submit(FRAMES[0])):
        with pytest.raises(EngineError, match='is closed'):
            call()
    with pytest.raises(EngineError, match='is closed'):
        under_way.result()


def test_context_manager_closes(engine: Engine) -> None:
    with engine as same:
        assert same is engine
    with pytest.raises(EngineError, match='is closed'):
        engine.infer(FRAMES[0])


def test_a_worker_thread_may_own_an_engine_opened_elsewhere(engine: Engine) -> None:
    results: list[np.ndarray] = []
    worker = threading.Thread(
        target=lambda: results.append(engine.infer(FRAMES[2])['disparity'].copy())
    )
    worker.start()
    worker.join(timeout=30)
    np.testing.assert_allclose(results[0], EXPECTED[2], atol=ATOL, rtol=0)
