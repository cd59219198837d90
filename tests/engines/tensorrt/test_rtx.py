"""Every exported graph of every recipe is parsed and built by NVIDIA's own parser and builder.

The wheel ``tensorrt-rtx`` does that without a GPU; it is like TensorRT 11. ``make test`` installs
it and insists on it. What it builds here cannot be run here.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.kit.shared_data import REPOSITORY

torch = pytest.importorskip('torch', reason='torch is absent')
onnx = pytest.importorskip('onnx', reason='the package onnx is absent')
pytest.importorskip('onnxscript', reason='the package onnxscript is absent')
pytest.importorskip('onnxruntime', reason='the runtime onnxruntime is absent')

from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import obtain_exports, plan_exports
from depth_ros.engines.recipe import load_recipe, recipe_names
from depth_ros.engines.tensorrt.build import PlanRequest, build_plan
from depth_ros.engines.tensorrt.onnx_precision import rewrite
from depth_ros.engines.tensorrt.options import GpuOptions
from depth_ros.errors import EngineError

try:
    import tensorrt_rtx as rtx
except ImportError as error:
    TEXT = f'tensorrt_rtx cannot be imported ({error}); type: pip install tensorrt-rtx'
    if os.environ.get('DEPTH_ROS_REQUIRE_TENSORRT_RTX'):
        pytest.fail(TEXT, pytrace=False)
    pytest.skip(TEXT, allow_module_level=True)

VARIANTS: dict[str, tuple[tuple[int, int], dict[str, int]]] = {
    'crestereo': ((64, 96), {'iterations': 2}),
    'crestereo_tiny': ((64, 96), {'iterations': 1}),
    'loftr': ((64, 64), {'matches': 64}),
    'loftr_coarse': ((64, 64), {'matches': 64}),
    'loftr_tiny': ((64, 64), {'matches': 64}),
    'monodepth2': ((64, 96), {}),
    'mvsnet': ((64, 96), {'depths': 16}),
    'tio_depth': ((64, 64), {}),
}
"""Small sizes and options; a recipe that is not here takes its smallest size."""
GRAPHS = [(name, graph) for name in recipe_names() for graph in load_recipe(name).graphs]
EACH_TIME = ('crestereo_tiny', 'loftr_tiny', 'monodepth2', 'mvsnet')
"""Networks that are built by every run, in f16; other networks and precisions are nightly."""
SLOW = ('tio_depth',)
"""Whose building in bf16 too would take minutes; its layers are in the other graphs."""
BUILDS = [
    pytest.param(
        *case,
        precision,
        marks=() if case[0] in EACH_TIME and precision == 'f16' else pytest.mark.nightly,
    )
    for case in GRAPHS
    for precision in ('f32', 'f16', 'bf16')
    if precision != 'bf16' or case[0] not in SLOW
]
SOURCES = ('depth_ros/models', 'depth_ros/engines/export.py', 'engines')


@pytest.fixture(scope='module')
def exports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for exports that is used again as long as no network or recipe changes."""
    cache = getattr(request.config, 'cache', None)
    if cache is None:
        return tmp_path_factory.mktemp('exports')
    return Path(cache.mkdir(f'rtx-exports-{sources_digest()}'))


def sources_digest() -> str:
    digest = hashlib.sha256(torch.__version__.encode())
    for name in SOURCES:
        path = REPOSITORY / name
        files = sorted([*path.rglob('*.py'), *path.rglob('*.yaml')]) if path.is_dir() else [path]
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def exported(name: str, graph: str, folder: Path) -> Path:
    size, options = VARIANTS.get(name, (load_recipe(name).min_size, {}))
    plan = plan_exports(
        load_recipe(name),
        EngineChoice(size=size, weights='synthetic:1'),
        graphs=[graph],
        options=options,
    )
    return obtain_exports(plan, EngineCache(folder))[graph]


def build(content: bytes, path: Path, precision: str) -> bytes:
    request = PlanRequest(
        onnx=content,
        path=str(path),
        precision=precision,
        options=GpuOptions(optimization_level=0),
        workspace_bytes=1 << 30,
    )
    return build_plan(rtx, request)


def test_every_recipe_is_here() -> None:
    assert set(VARIANTS) <= set(recipe_names()) == {name for name, _ in GRAPHS}
    assert len(GRAPHS) >= 13


@pytest.mark.parametrize(('name', 'graph', 'precision'), BUILDS)
def test_graph_builds(name: str, graph: str, precision: str, exports: Path) -> None:
    path = exported(name, graph, exports)
    content = path.read_bytes()
    if precision != 'f32':
        content = rewrite(path, precision=precision)
        assert len(content) < 0.85 * path.stat().st_size, 'weights take half the room'
    assert build(content, path, precision)


def test_parser_says_what_it_cannot_read(tmp_path: Path) -> None:
    """Bytes may only be cast: what a network does to a uint8 image before that is refused."""
    ports = [
        onnx.helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in (
            ('image', onnx.TensorProto.UINT8, (1, 4, 6, 3)),
            ('planes', onnx.TensorProto.FLOAT, (1, 3, 4, 6)),
        )
    ]
    nodes = [
        onnx.helper.make_node('Transpose', ['image'], ['turned'], perm=[0, 3, 1, 2]),
        onnx.helper.make_node('Cast', ['turned'], ['planes'], to=onnx.TensorProto.FLOAT),
    ]
    graph = onnx.helper.make_graph(nodes, 'bytes', ports[:1], ports[1:])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=8
    )
    with pytest.raises(EngineError, match=r'cannot read .*Transpose.*UInt8'):
        build(model.SerializeToString(), tmp_path / 'x.onnx', 'f32')
