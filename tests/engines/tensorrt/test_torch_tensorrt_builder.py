"""The second builder against a stand-in of torch-tensorrt; the plan runs like any other."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='torch is absent')
onnx = pytest.importorskip('onnx', reason='the package onnx is absent')
pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')

from depth_ros.engines.build import GraphBuild, open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.tensorrt import cuda_memory, torch_tensorrt_builder
from depth_ros.engines.tensorrt.options import GpuOptions
from depth_ros.errors import ArtifactError, EngineError
from depth_ros.tensors import Exportable
from tests.kit import cuda_double
from tests.kit.tensorrt_double import MAGIC, tensorrt_double
from tests.kit.toy_graph import (
    INPUTS,
    OUTPUTS,
    TOY_ONNX,
    toy_frames,
    toy_function,
    toy_module,
    write_toy_artifact,
)

TOY = Exportable(module=toy_module(), inputs=INPUTS, outputs=OUTPUTS)
FRAME = toy_frames(1)[0]


class TorchTensorRt:
    """What of torch-tensorrt is used; its plan has names of its own."""

    __version__ = torch.__version__

    def __init__(self, trt: Any) -> None:
        self.calls: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.offset = 0.0
        self._trt = trt
        self.dynamo = SimpleNamespace(
            convert_exported_program_to_serialized_trt_engine=self._convert
        )

    def _convert(self, program: Any, *, arg_inputs: Any, **settings: Any) -> bytes:
        assert isinstance(program, torch.export.ExportedProgram)
        self.calls.append({'inputs': arg_inputs, **settings})
        if self.error:
            raise self.error
        model = onnx.load(TOY_ONNX)
        rename(model, {'left': 'arg0', 'right': 'arg1', 'disparity': 'output0'})
        for item in model.graph.initializer:
            if item.name == 'b2':
                value = onnx.numpy_helper.to_array(item) + np.float32(self.offset)
                item.CopyFrom(onnx.numpy_helper.from_array(value, 'b2'))
        buffer = io.BytesIO()
        onnx.save(model, buffer)
        return MAGIC + pickle.dumps((self._trt.__version__, buffer.getvalue()))


def rename(model: Any, names: dict[str, str]) -> None:
    for node in model.graph.node:
        for values in (node.input, node.output):
            for index, name in enumerate(values):
                values[index] = names.get(name, name)
    for port in [*model.graph.input, *model.graph.output]:
        port.name = names.get(port.name, port.name)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> TorchTensorRt:
    monkeypatch.setattr(cuda_memory, '_lost', [])
    cuda = cuda_double.install(monkeypatch)
    trt = tensorrt_double('10', cuda)
    made = TorchTensorRt(trt)
    monkeypatch.setitem(sys.modules, 'tensorrt', trt)
    monkeypatch.setitem(sys.modules, 'torch_tensorrt', made)
    monkeypatch.setattr(torch_tensorrt_builder, 'version', lambda name: torch.__version__)
    monkeypatch.setattr(torch_tensorrt_builder, 'DEVICE', 'cpu')
    return made


def open_toy(folder: Path, network: Any = lambda: TOY, **options: Any) -> Any:
    onnx_path = folder / 'toy-12x20.onnx'
    return open_engine(
        onnx_path if onnx_path.exists() else write_toy_artifact(folder),
        EngineChoice(runtime='tensorrt'),
        GraphBuild(gpu=GpuOptions(builder='torch_tensorrt', **options), network=network),
        cache=EngineCache(folder / 'cache'),
    )


def test_plan_computes_and_is_cached(library: TorchTensorRt, tmp_path: Path) -> None:
    for _ in range(2):
        with open_toy(tmp_path, optimization_level=4) as engine:
            np.testing.assert_allclose(
                engine.infer(FRAME)['disparity'], toy_function(FRAME)['disparity'], atol=1e-5
            )
    (call,) = library.calls
    assert call['use_explicit_typing'] and call['disable_tf32']
    assert call['optimization_level'] == 4
    assert [tuple(item.shape) for item in call['inputs']] == [spec.shape for spec in INPUTS]


def test_wrong_plan_meets_the_same_check(library: TorchTensorRt, tmp_path: Path) -> None:
    library.offset = 0.01
    with pytest.raises(ArtifactError, match='out of tolerance'):
        open_toy(tmp_path)


def test_other_versions_are_refused_in_plain_words(
    library: TorchTensorRt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_tensorrt_builder, 'version', lambda name: '1.4.0')
    with pytest.raises(EngineError, match=r'made for torch 1\.4, installed is torch .*pip instal'):
        open_toy(tmp_path)


def test_absence_is_refused_in_plain_words(
    library: TorchTensorRt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(EngineError, match='torch-tensorrt is not installed'):
        torch_tensorrt_builder._library()


def test_library_that_wants_another_tensorrt(
    library: TorchTensorRt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'torch_tensorrt', None)
    with pytest.raises(EngineError, match='wants another TensorRT'):
        open_toy(tmp_path)


def test_network_that_does_not_compile(library: TorchTensorRt, tmp_path: Path) -> None:
    library.error = RuntimeError('no converter for aten.foo\nand a long trace')
    with pytest.raises(EngineError, match=r'cannot compile toy.*\(no converter for aten.foo\)'):
        open_toy(tmp_path)


def test_checkpoint_must_be_at_hand(library: TorchTensorRt, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match='starts from a checkpoint'):
        open_toy(tmp_path, network=None)
    other = Exportable(module=toy_module(), inputs=INPUTS[:1], outputs=OUTPUTS)
    with pytest.raises(EngineError, match='makes another network'):
        open_toy(tmp_path, network=lambda: other)


def test_layers_with_weights_compute_low() -> None:
    module = toy_module()
    lowered = torch_tensorrt_builder.in_precision(module, 'bf16')
    arguments = [torch.from_numpy(FRAME[spec.name]) for spec in INPUTS]
    result = lowered(*arguments)
    assert result.dtype == torch.float32
    assert lowered.first.layer.weight.dtype == torch.bfloat16
    assert module.first.weight.dtype == torch.float32, 'the original is left alone'
    difference = np.abs(result.detach().numpy() - toy_function(FRAME)['disparity']).max()
    assert 1e-6 < difference < 0.05
