"""Exports: the graph computes what the network does, or no file appears."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.kit.child_environment import child_environment
from tests.kit.shared_data import REPOSITORY
from tests.kit.toy_graph import (
    COMMAND,
    INPUTS,
    OUTPUTS,
    TOLERANCES,
    toy_frames,
    toy_function,
    toy_module,
)

torch = pytest.importorskip('torch', reason='torch is absent')
onnx = pytest.importorskip('onnx', reason='the package onnx is absent')
pytest.importorskip('onnxscript', reason='the package onnxscript is absent')
pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')

from depth_ros.engines import export
from depth_ros.engines.artifact import Artifact, WeightsRecord, load_artifact
from depth_ros.engines.build import open_engine
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import ArtifactError, EngineError, WeightsError
from depth_ros.tensors import Exportable

REQUEST = export.ExportRequest(
    recipe='toy',
    graph='toy',
    size=(12, 20),
    options={'iterations': 2},
    weights=WeightsRecord(source='toy.pth', sha256='0' * 64, licence='MIT'),
    tolerances=TOLERANCES,
    command=COMMAND,
)
TOY = Exportable(module=toy_module(), inputs=INPUTS, outputs=OUTPUTS)


@pytest.fixture(scope='module')
def exported(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    path = tmp_path_factory.mktemp('exports') / 'new' / 'toy.onnx'
    return export.export_graph(TOY, path, REQUEST)


def test_exported_graph_computes_the_network(exported: Artifact, tmp_path: Path) -> None:
    """Left and right must stay two inputs: an exporter fed one tensor twice merges them."""
    cache = EngineCache(tmp_path)
    with open_engine(
        exported.onnx, EngineChoice(runtime='onnxruntime', num_threads=1), cache=cache
    ) as engine:
        for frame in toy_frames(2):
            np.testing.assert_allclose(
                engine.infer(frame)['disparity'],
                toy_function(frame)['disparity'],
                atol=1e-5,
                rtol=0,
            )


def test_manifest_says_what_it_is(exported: Artifact) -> None:
    manifest = load_artifact(exported.onnx).manifest
    assert (manifest.recipe, manifest.size, manifest.opset) == ('toy', (12, 20), 18)
    assert manifest.outputs[0].unit == 'px'
    assert manifest.weights.licence == 'MIT'
    assert f'torch {torch.__version__}' in manifest.exporter
    np.testing.assert_allclose(
        exported.golden().outputs['disparity'],
        toy_function(exported.golden().inputs)['disparity'],
        atol=1e-5,
        rtol=0,
    )


def test_graph_is_static_opset_18_and_one_file(exported: Artifact) -> None:
    model = onnx.load(exported.onnx, load_external_data=False)
    assert {entry.domain: entry.version for entry in model.opset_import}[''] == 18
    for port in [*model.graph.input, *model.graph.output]:
        assert all(dim.dim_value > 0 for dim in port.type.tensor_type.shape.dim)
    names = sorted(path.name for path in exported.onnx.parent.iterdir())
    assert names == ['toy.golden.npz', 'toy.json', 'toy.onnx']


def test_files_hold_no_paths_of_this_machine(exported: Artifact) -> None:
    for path in exported.onnx.parent.iterdir():
        content = path.read_bytes()
        assert str(REPOSITORY).encode() not in content
        assert b'.py' not in content
        assert str(Path.home()).encode() not in content or Path.home() == Path('/')


class Deviating(torch.nn.Module):
    """Computes something else while it is traced."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        offset = 1.0 if torch.compiler.is_exporting() else 0.0
        return left.float().mean(dim=3) - right.float().mean(dim=3) + offset


def test_graph_that_deviates_leaves_no_file(tmp_path: Path) -> None:
    wrong = Exportable(module=Deviating(), inputs=INPUTS, outputs=OUTPUTS)
    with pytest.raises(ArtifactError, match=r'out of tolerance.*mean 1'):
        export.export_graph(wrong, tmp_path / 'wrong.onnx', REQUEST)
    assert list(tmp_path.iterdir()) == []


class Unexportable(torch.nn.Module):
    """Decides in Python on a value that is not known while tracing."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.float().mean() > 100:
            return left.float().mean(dim=3)
        return right.float().mean(dim=3)


def test_network_that_cannot_be_traced_is_one_sentence(tmp_path: Path) -> None:
    wrong = Exportable(module=Unexportable(), inputs=INPUTS, outputs=OUTPUTS)
    with pytest.raises(EngineError, match='cannot export the network') as caught:
        export.export_graph(wrong, tmp_path / 'wrong.onnx', REQUEST)
    assert '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_wrong_number_of_outputs_is_named(tmp_path: Path) -> None:
    wrong = Exportable(module=toy_module(), inputs=INPUTS, outputs=(*OUTPUTS, *OUTPUTS))
    with pytest.raises(EngineError, match='gave 1 outputs and declares 2'):
        export.export_graph(wrong, tmp_path / 'wrong.onnx', REQUEST)


def test_export_is_quiet(tmp_path: Path) -> None:
    """A fresh process shows neither warnings nor the exporter's own progress lines."""
    program = (
        'import sys, tests.engines.test_export as t\n'
        'from pathlib import Path\n'
        't.export.export_graph(t.TOY, Path(sys.argv[1]), t.REQUEST)\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', program, str(tmp_path / 'toy.onnx')],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=child_environment(),
    )
    assert (result.stdout, result.stderr) == ('', '')
    manifest = json.loads((tmp_path / 'toy.json').read_text())
    assert manifest['graph'] == 'toy'


@pytest.mark.parametrize('weights', ['synthetic:', 'synthetic:x', 'synthetic:-1', 'synthetic:1.5'])
def test_seeds_that_are_none(weights: str) -> None:
    with pytest.raises(WeightsError, match='synthetic:SEED'):
        export.synthetic_seed(weights)
