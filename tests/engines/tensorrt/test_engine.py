"""TensorRT without a GPU: the engine against stand-ins of the API generations 8.6, 10 and 11."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

onnx = pytest.importorskip('onnx', reason='the package onnx is absent')
pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')

from depth_ros.engines.build import GraphBuild, open_engine
from depth_ros.engines.build_policy import building
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.engines.tensorrt import build as tensorrt_build
from depth_ros.engines.tensorrt import cuda_memory
from depth_ros.engines.tensorrt.options import GpuOptions
from depth_ros.errors import ArtifactError, DeviceLostError, EngineError
from depth_ros.tensors import Engine
from tests.engines.test_engine_contract import (  # noqa: F401 - every engine passes these
    expect_frame,
    test_border_names_what_came_and_lives_on,
    test_closed_engine_refuses_and_closing_twice_is_harmless,
    test_context_manager_closes,
    test_dropped_tickets_do_not_block_the_engine,
    test_infer_gives_the_networks_numbers,
    test_inputs_may_be_overwritten_after_submit,
    test_inputs_need_not_be_contiguous,
    test_late_result_is_refused_rather_than_wrong,
    test_outputs_stay_valid_until_the_next_call,
    test_overlapping_stream_keeps_frames_apart,
    test_third_frame_under_way_is_refused_and_harmless,
    test_two_frames_under_way_come_out_in_any_order,
)
from tests.kit import cuda_double
from tests.kit.cuda_double import FakeCuda, cudaError_t
from tests.kit.tensorrt_double import TIMED, VERSIONS, Record, tensorrt_double
from tests.kit.toy_graph import toy_frames, toy_function, write_toy_artifact

FRAME = toy_frames(1)[0]
EXPECTED = toy_function(FRAME)['disparity']


@dataclass
class Bench:
    """One generation, installed."""

    generation: str
    trt: ModuleType
    cuda: FakeCuda
    cache: EngineCache
    onnx: Path

    @property
    def record(self) -> Record:
        return self.trt.record

    @property
    def number(self) -> int:
        return int(self.generation.partition('.')[0])

    def open(self, *, precision: str = 'f32', **options: object) -> Engine:
        return open_engine(
            self.onnx,
            EngineChoice(runtime='tensorrt', precision=precision),
            GraphBuild(ungated=True, gpu=GpuOptions(**options)),
            cache=self.cache,
        )

    @property
    def cached(self) -> list[Path]:
        folder = self.cache.root / 'engines'
        return sorted(folder.iterdir()) if folder.exists() else []

    @property
    def timings(self) -> bytes:
        (path,) = (self.cache.root / 'timing').iterdir()
        return path.read_bytes()[32:]


def install(patch: pytest.MonkeyPatch, folder: Path, generation: str) -> Bench:
    patch.setattr(cuda_memory, '_lost', [])
    cuda = cuda_double.install(patch, is_old=generation == '8.6')
    trt = tensorrt_double(generation, cuda)
    patch.setitem(sys.modules, 'tensorrt', trt)
    onnx_path = write_toy_artifact(folder)
    return Bench(generation, trt, cuda, EngineCache(folder / 'cache'), onnx_path)


@pytest.fixture(params=VERSIONS)
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    return install(monkeypatch, tmp_path, request.param)


@pytest.fixture
def newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return install(monkeypatch, tmp_path, '11')


@pytest.fixture
def engine(bench: Bench) -> Iterator[Engine]:
    """The engine of the contract."""
    with bench.open() as opened:
        yield opened


def test_identity(engine: Engine, bench: Bench) -> None:
    assert engine.info.runtime == 'tensorrt'
    assert engine.info.version == VERSIONS[bench.generation]
    assert engine.info.device == 'cuda:0'
    assert engine.info.precision == 'f32'


def test_auto_prefers_it(bench: Bench) -> None:
    with open_engine(bench.onnx, cache=bench.cache) as opened:
        assert opened.info.runtime == 'tensorrt'


# ---- building


def test_float32_is_float32(bench: Bench) -> None:
    bench.open().close()
    assert 'TF32' in bench.record.cleared
    assert 'FP16' not in bench.record.flags
    assert bench.record.network_flags == {8: {'EXPLICIT_BATCH'}}.get(
        bench.number, {'STRONGLY_TYPED'}
    )


def test_half_precision_by_casts_or_by_flag(bench: Bench) -> None:
    with bench.open(precision='f16') as opened:
        outputs = opened.infer(FRAME)['disparity']
        assert opened.info.precision == 'f16'
    difference = np.abs(outputs - EXPECTED).max()
    convolutions = types_of_convolutions(bench.record.onnx[-1])
    if bench.number >= 10:
        assert convolutions == {onnx.TensorProto.FLOAT16}
        assert 1e-6 < difference < 0.05
        assert bench.record.network_flags == {'STRONGLY_TYPED'}
        assert not bench.record.flags and not bench.record.pinned
    else:
        assert convolutions == {onnx.TensorProto.FLOAT}
        assert bench.record.flags == {'FP16', 'OBEY_PRECISION_CONSTRAINTS'}
        assert 'Conv' not in bench.record.pinned, 'convolutions choose'
        assert 'Concat' not in bench.record.pinned, 'bytes have no precision'
        assert {'Relu', 'Div', 'Squeeze'} <= set(bench.record.pinned)


def types_of_convolutions(content: bytes) -> set[int]:
    graph = onnx.load_from_string(content).graph
    kinds = {item.name: item.data_type for item in graph.initializer}
    return {kinds[node.input[1]] for node in graph.node if node.op_type == 'Conv'}


def test_bf16_is_refused_where_it_cannot_be_had(bench: Bench) -> None:
    if bench.number >= 10:
        bench.cuda.capability = (7, 5)
    with pytest.raises(EngineError, match='Ampere' if bench.number >= 10 else 'TensorRT 10'):
        bench.open(precision='bf16')


def test_low_memory_and_level(bench: Bench) -> None:
    bench.open(low_memory=True).close()
    assert bench.record.settings['workspace'] == 256 << 20
    assert bench.record.settings['builder_optimization_level'] == 2
    assert bench.record.settings['max_aux_streams'] == 0
    kept = {item.name for item in bench.trt.TacticSource if bench.record.tactics & (1 << item)}
    assert kept == {'EDGE_MASK_CONVOLUTIONS', 'JIT_CONVOLUTIONS'}


def test_defaults_leave_compatibility_off(bench: Bench) -> None:
    bench.open().close()
    assert bench.record.settings['workspace'] == 2048 << 20, 'a quarter of 8 GiB'
    assert bench.record.settings['builder_optimization_level'] == 3
    assert bench.record.tactics is None
    assert 'VERSION_COMPATIBLE' not in bench.record.flags
    assert 'hardware_compatibility_level' not in bench.record.settings


def test_compatibility_on_request(bench: Bench) -> None:
    bench.open(version_compatible=True, hardware_compatible=True).close()
    assert 'VERSION_COMPATIBLE' in bench.record.flags
    assert bench.record.settings['hardware_compatibility_level'].name == 'AMPERE_PLUS'


def test_dla(bench: Bench) -> None:
    with bench.open(precision='f16', dla_core=1) as opened:
        assert opened.info.device == 'dla:1'
    assert bench.record.settings['DLA_core'] == 1
    assert bench.record.settings['default_device_type'].name == 'DLA'
    assert 'GPU_FALLBACK' in bench.record.flags
    is_strong = 'STRONGLY_TYPED' in bench.record.network_flags
    assert is_strong == (bench.number == 11), 'flags while there are any'
    with pytest.raises(EngineError, match="'f16' only"):
        bench.open(dla_core=1)
    with pytest.raises(EngineError, match='DLA core 3 was asked for, this machine has 2'):
        bench.open(precision='f16', dla_core=3)


def test_parser_and_builder_words_reach_the_user(bench: Bench) -> None:
    bench.record.fails = True
    with pytest.raises(EngineError, match=r'cannot build .*no tactic fits'):
        bench.open()
    assert not bench.cached, 'nothing half-written'


def test_graph_that_cannot_be_read_is_refused(newest: Bench) -> None:
    request = tensorrt_build.PlanRequest(
        onnx=b'certainly no graph',
        path='x.onnx',
        precision='f32',
        options=GpuOptions(),
        workspace_bytes=1,
    )
    with pytest.raises(EngineError, match=r'cannot read x.onnx \(Transpose: no protobuf\)'):
        tensorrt_build.build_plan(newest.trt, request)


# ---- running


def test_every_frame_is_one_graph_launch(bench: Bench) -> None:
    with bench.open() as opened:
        bench.cuda.calls.clear()
        for frame in toy_frames(3):
            opened.infer(frame)
    frames = bench.cuda.calls[:9]
    assert frames == ['cudaGraphLaunch', 'cudaEventRecord', 'cudaEventSynchronize'] * 3


def test_work_of_the_next_frame_starts_before_the_first_is_read(newest: Bench) -> None:
    with newest.open() as opened:
        newest.cuda.calls.clear()
        first = opened.submit(toy_frames(2)[0])
        second = opened.submit(toy_frames(2)[1])
        assert 'cudaEventSynchronize' not in newest.cuda.calls, 'submitting waits for nothing'
        expect_frame(second.result(), 1)
        expect_frame(first.result(), 0)


def test_what_cannot_be_captured_is_enqueued(bench: Bench) -> None:
    bench.record.is_capturable = False
    with bench.open() as opened:
        bench.cuda.calls.clear()
        np.testing.assert_allclose(opened.infer(FRAME)['disparity'], EXPECTED, atol=1e-5)
        assert 'cudaGraphLaunch' not in bench.cuda.calls


def test_everything_is_freed(bench: Bench) -> None:
    opened = bench.open()
    output = opened.infer(FRAME)['disparity']
    opened.close()
    assert not bench.cuda.streams
    np.testing.assert_allclose(output, EXPECTED, atol=1e-5)
    assert len(bench.cuda.memory) == 1, 'what somebody still looks at'
    del output
    assert not bench.cuda.memory


# ---- cache


def test_second_start_loads(bench: Bench) -> None:
    for _ in range(2):
        with bench.open() as opened:
            np.testing.assert_allclose(opened.infer(FRAME)['disparity'], EXPECTED, atol=1e-5)
    assert bench.record.num_builds == 1


@pytest.mark.parametrize('what', ['version', 'driver', 'gpu', 'option'])
def test_what_changes_is_built_anew(newest: Bench, what: str) -> None:
    newest.open().close()
    if what == 'version':
        newest.trt.__version__ = '11.5.0.1'
    if what == 'driver':
        newest.cuda.driver = 13000
    if what == 'gpu':
        newest.cuda.capability = (9, 0)
    newest.open(workspace_mib=512 if what == 'option' else 0).close()
    assert newest.record.num_builds == 2
    is_kept = what == 'option'
    assert newest.record.timings_given[1] == (TIMED * 4 if is_kept else b''), (
        'layer times belong to one version and one device'
    )


def test_changed_plan_is_refused(bench: Bench) -> None:
    bench.open().close()
    plan = bench.cached[0] / 'tensorrt.plan'
    plan.write_bytes(plan.read_bytes() + b'!')
    with pytest.raises(ArtifactError, match=r'SHA-256.*rm -r'):
        bench.open()
    assert bench.record.num_builds == 1


def test_plan_the_library_cannot_load_says_how_to_rebuild(bench: Bench) -> None:
    bench.open().close()
    bench.record.is_unreadable = True
    with pytest.raises(EngineError, match=r'magic tag does not match.*rm -r'):
        bench.open()


def test_wrong_numbers_are_refused(newest: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_double.FakeCuda, 'cudaGraphLaunch', lambda *_: None)
    cuda = cuda_double.install(monkeypatch)
    monkeypatch.setitem(sys.modules, 'tensorrt', tensorrt_double('11', cuda))
    with pytest.raises(ArtifactError, match='out of tolerance'):
        newest.open()
    assert not newest.cached


# ---- timing cache and interruptions


def test_layer_times_are_kept_for_the_next_build(bench: Bench) -> None:
    bench.open().close()
    assert bench.timings == TIMED * 4
    bench.open(optimization_level=1).close()
    assert bench.record.timings_given == [b'', TIMED * 4]


def test_layer_times_are_kept_in_the_folder_that_was_named(newest: Bench, tmp_path: Path) -> None:
    newest.open(timing_cache=str(tmp_path / 'times')).close()
    assert not (newest.cache.root / 'timing').exists()
    newest.open(timing_cache=str(tmp_path / 'times')).close()
    assert len(newest.cached) == 1, 'the folder is no part of the key'
    assert len(list((tmp_path / 'times' / 'timing').iterdir())) == 1


def test_missing_engine_names_the_options_in_the_command(newest: Bench) -> None:
    with building(is_allowed=False), pytest.raises(EngineError) as caught:
        newest.open(low_memory=True, dla_core=1, precision='f16')
    words = '--engine tensorrt --precision f16 --tensorrt low_memory=true --tensorrt dla_core=1'
    assert words in str(caught.value)


def test_damaged_layer_times_are_left_aside(newest: Bench) -> None:
    newest.open().close()
    (path,) = (newest.cache.root / 'timing').iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b'?')
    newest.open(optimization_level=1).close()
    assert newest.record.timings_given[1] == b''


def test_build_that_dies_leaves_its_times_and_nothing_else(bench: Bench) -> None:
    bench.record.dies_at_step = 2
    with pytest.raises(MemoryError):
        bench.open()
    assert not bench.cached
    bench.record.dies_at_step = None
    bench.open().close()
    assert bench.record.timings_given == [b'', TIMED * 3]


def test_interrupt_stops_at_the_next_step_and_keeps_the_times(bench: Bench) -> None:
    def interrupt(step: int) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    bench.record.on_step = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.open()
    assert not bench.cached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    bench.record.on_step = None
    bench.open().close()
    steps = 2 if bench.number >= 10 else 4
    assert bench.record.timings_given == [b'', TIMED * steps], '8.x can only be heard afterwards'


def test_times_are_kept_while_a_long_build_goes_on(
    newest: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt_build, 'SAVE_TIMINGS_S', 0.0)
    seen = []

    def look(step: int) -> None:
        if step:
            seen.append(newest.timings)

    newest.record.on_step = look
    newest.open().close()
    assert seen == [TIMED, TIMED * 2, TIMED * 3]


def test_steps_are_reported(newest: Bench) -> None:
    said: list[tuple[str, float | None]] = []
    open_engine(
        newest.onnx,
        EngineChoice(runtime='tensorrt'),
        cache=newest.cache,
        progress=lambda phase, fraction: said.append((phase, fraction)),
    ).close()
    steps = [fraction for phase, fraction in said if phase == 'TensorRT: Tactics']
    assert steps == [0.0, 0.25, 0.5, 0.75, 1.0]


# ---- failures of the device


@pytest.mark.parametrize('call', ['cudaGraphLaunch', 'cudaEventSynchronize'])
def test_lost_device_is_an_error_of_its_own(bench: Bench, call: str) -> None:
    opened = bench.open()
    bench.cuda.fail(call, cudaError_t.cudaErrorIllegalAddress)
    with pytest.raises(DeviceLostError, match=r'cudaErrorIllegalAddress \(700\).*cpu_fallback'):
        opened.infer(FRAME)
    bench.cuda.calls.clear()
    opened.close()
    assert not bench.cuda.calls, 'nothing more is asked of a lost device'


def test_process_that_lost_its_device_asks_for_it_no_more(
    newest: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = newest.open()
    older = opened.submit(FRAME)
    newest.cuda.fail('cudaEventSynchronize', cudaError_t.cudaErrorIllegalAddress)
    with pytest.raises(DeviceLostError):
        older.result()
    with pytest.raises(DeviceLostError, match='cudaEventSynchronize failed'):
        newest.open()
    with open_engine(newest.onnx, EngineChoice(runtime='auto'), cache=newest.cache) as fallback:
        assert fallback.info.device == 'cpu'
    opened.close()


def test_closing_with_a_frame_under_way_on_a_lost_device_is_quiet(newest: Bench) -> None:
    opened = newest.open()
    ticket = opened.submit(FRAME)
    newest.cuda.fail('cudaEventSynchronize', cudaError_t.cudaErrorIllegalAddress)
    opened.close()
    with pytest.raises(EngineError, match='is closed'):
        ticket.result()


def test_full_memory_is_no_loss(bench: Bench) -> None:
    bench.cuda.fail('cudaMalloc', cudaError_t.cudaErrorMemoryAllocation)
    with pytest.raises(EngineError, match=r'GPU memory is full.*low_memory=true') as caught:
        bench.open()
    assert not isinstance(caught.value, DeviceLostError)
    assert not bench.cuda.memory and not bench.cuda.streams
    bench.open().close()


def test_missing_driver_is_told_from_a_missing_gpu(bench: Bench) -> None:
    bench.cuda.fail('cudaGetDeviceCount', cudaError_t.cudaErrorInsufficientDriver)
    with pytest.raises(EngineError, match='driver is missing or older'):
        bench.open()


def test_missing_cuda_python_says_what_to_type(
    newest: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'cuda', None)
    assert "pip install 'cuda-python" in RUNTIMES['tensorrt'].missing()
    with pytest.raises(EngineError, match="pip install 'cuda-python"):
        newest.open()


def test_missing_tensorrt_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    assert RUNTIMES['tensorrt'].missing().startswith('tensorrt is not installed; on ')


def test_8_6_pins_convolutions_that_only_add_up() -> None:
    pinned: list[str] = []

    class Layer:
        def __init__(self, name: str) -> None:
            self.name, self.num_outputs = name, 1
            self.type = SimpleNamespace(name='CONVOLUTION')

        def get_output(self, index: int) -> SimpleNamespace:
            return SimpleNamespace(dtype='float')

        def set_output_type(self, index: int, kind: str) -> None:
            pinned.append(self.name)

    layers = [Layer('conv'), Layer('sum/keeps_float32')]
    network = SimpleNamespace(num_layers=2, get_layer=lambda index: layers[index])
    trt = SimpleNamespace(DataType=SimpleNamespace(FLOAT='float'))
    tensorrt_build._pin_to_float32(trt, network)
    assert pinned == ['sum/keeps_float32']
