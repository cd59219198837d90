"""torch on a device: the graph, its guard, the gate in front of it, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from tests.kit.toy_graph import INPUTS, OUTPUTS, toy_frames, toy_function, toy_module

torch = pytest.importorskip('torch', reason='torch is absent')

from depth_ros.engines import torch_build
from depth_ros.engines.checks.gate import Subject
from depth_ros.engines.checks.gate_measures import StereoMeasure
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import plan_exports
from depth_ros.engines.recipe import load_recipe
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.engines.torch_engine import TorchEngine
from depth_ros.errors import ArtifactError, EngineError, WeightsError
from tests.kit.callable_engine import CallableEngine
from tests.kit.torch_graph import RefusingCapture, ReplayedCapture

FRAMES = toy_frames(3)
HAS_CUDA = torch.cuda.is_available()


def opened(capture: object, **settings: object) -> TorchEngine:
    return TorchEngine(
        toy_module(), inputs=INPUTS, outputs=OUTPUTS, num_threads=1, capture=capture, **settings
    )


def expect_right(engine: TorchEngine) -> None:
    for frame in FRAMES:
        found = engine.infer(frame)['disparity']
        np.testing.assert_allclose(found, toy_function(frame)['disparity'], atol=1e-5)


def test_every_frame_is_one_replay_of_what_was_recorded() -> None:
    capture = ReplayedCapture()
    with opened(capture) as engine:
        assert capture.num_replays == 0
        expect_right(engine)
        assert capture.num_replays == len(FRAMES)


def test_what_cannot_be_recorded_is_launched_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING, logger='depth_ros'),
        opened(RefusingCapture()) as engine,
    ):
        expect_right(engine)
    assert 'no CUDA graph' in caplog.text and 'stream is capturing' in caplog.text


def test_weights_are_in_channels_last_memory() -> None:
    module = toy_module()
    TorchEngine(
        module, inputs=INPUTS, outputs=OUTPUTS, num_threads=1, capture=ReplayedCapture()
    ).close()
    assert module.first.weight.is_contiguous(memory_format=torch.channels_last)


def test_half_precision_runs_convolutions_low_and_gives_float32() -> None:
    """bfloat16 stands in for float16, which the CPU's autocast may lack."""
    seen: list[torch.dtype] = []
    module = toy_module()
    module.first.register_forward_hook(lambda *hook: seen.append(hook[2].dtype))
    from depth_ros.engines.torch_engine import DeviceSession

    session = DeviceSession(
        module, INPUTS, OUTPUTS, device='cpu', precision='f16', capture=ReplayedCapture()
    )
    session.start(0, FRAMES[0])
    found = session.wait(0)['disparity']
    assert set(seen) == {torch.float16}
    assert found.dtype == np.float32
    error = np.abs(found - toy_function(FRAMES[0])['disparity']).max()
    assert 0 < error < 0.01


@pytest.mark.parametrize(
    ('device', 'precision', 'words'),
    [
        ('cpu', 'f16', "use engine 'torch_cuda'"),
        ('cuda', 'bf16', "use 'f16'"),
        ('cuda', 'f16', 'needs a CUDA device'),
    ],
)
def test_refusals_say_what_to_set(device: str, precision: str, words: str) -> None:
    if HAS_CUDA and 'needs' in words:
        pytest.skip('a CUDA device is here')
    with pytest.raises(EngineError, match=words):
        opened(None, device=device, precision=precision)


def test_without_a_checkpoint_there_is_nothing_to_run() -> None:
    plan = plan_exports(load_recipe('crestereo'))
    with pytest.raises(WeightsError, match='the checkpoint itself'):
        torch_build.open_torch(plan, EngineChoice(runtime='torch_cuda', precision='f16'))


def ramp_engine(error: float) -> CallableEngine:
    def run(tensors: object) -> dict[str, np.ndarray]:
        rows = np.linspace(1, 9, 12, dtype='f4')[None, :, None]
        return {'disparity': np.repeat(rows, 20, axis=2) + np.float32(error)}

    return CallableEngine(run, inputs=INPUTS, outputs=OUTPUTS, graph='ramp')


@pytest.mark.parametrize(('error', 'passes'), [(0.04, True), (0.06, False)])
def test_half_precision_must_pass_the_gate_at_every_start(error: float, passes: bool) -> None:
    measure = StereoMeasure(epe_change_px=0.05, moved_share=0.005)
    asked: list[str] = []

    def make(precision: str) -> CallableEngine:
        asked.append(precision)
        return ramp_engine(0.0 if precision == 'f32' else error)

    subject = Subject(name='ramp', is_untrained=False)
    if passes:
        torch_build.open_gated(subject, make, measure, 'f16').close()
    else:
        with pytest.raises(ArtifactError, match=r'epe_change_px 0\.06'):
            torch_build.open_gated(subject, make, measure, 'f16')
    assert asked == ['f32', 'f16']


def test_made_up_weights_never_pass_the_gate() -> None:
    subject = Subject(name='ramp [synthetic:1]', is_untrained=True)
    measure = StereoMeasure(epe_change_px=0.05, moved_share=0.005)
    with pytest.raises(ArtifactError, match='made up'):
        torch_build.open_gated(subject, lambda precision: ramp_engine(0.0), measure, 'f16')


@pytest.mark.skipif(not HAS_CUDA, reason='no CUDA device is here')
def test_cuda_gives_the_same_numbers(tmp_path: Path) -> None:
    with opened(None, device='cuda') as engine:
        assert engine.info.runtime == 'torch_cuda'
        expect_right(engine)


def test_table_of_runtimes_has_every_torch_engine() -> None:
    assert set(torch_build.DEVICES) <= set(RUNTIMES)
