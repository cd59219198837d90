"""Stereo graphs as stereodemo publishes them, made into artefacts of this package.

``RECIPE_{init|combined}_iter{N}_{H}x{W}.onnx`` take float RGB planes, 0..255: left and right,
before them for ``combined`` the same at half the size. They give the flow ``(1, 2, H, W)``, whose
first plane is the disparity. What is put around them makes of that the recipe's graph; it needs
the package onnx and no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, compose, helper

from depth_ros import __version__
from depth_ros.engines.artifact import (
    Golden,
    Manifest,
    WeightsRecord,
    file_digest,
    golden_path,
    load_artifact,
    manifest_path,
)
from depth_ros.engines.checks.golden import GOLDEN_SEED, golden_inputs
from depth_ros.engines.recipe import Recipe
from depth_ros.engines.runtime import CPU_ORDER, RUNTIMES, BuildSettings
from depth_ros.errors import ArtifactError, EngineError
from depth_ros.files.draft_folder import draft_folder
from depth_ros.tensors import TensorSpec

_PREFIX = 'theirs_'
_NAME = re.compile(
    r'(?P<recipe>\w+)_(?P<passes>init|combined)_iter(?P<iterations>\d+)_(?P<height>\d+)x(?P<width>\d+)'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What the name of a file says: network, passes (``combined`` has two), iterations, size."""

    recipe: str
    stages: int
    iterations: int
    height: int
    width: int

    @property
    def stem(self) -> str:
        """Name of the artefact made of it."""
        size = f'{self.height}x{self.width}'
        return f'{self.recipe}-{size}-it{self.iterations}-st{self.stages}-stereodemo'


def published(path: Path) -> Published | None:
    """Read a file's name; None where it is no such file."""
    match = _NAME.fullmatch(path.stem) if path.suffix == '.onnx' else None
    if match is None:
        return None
    numbers = {name: int(match[name]) for name in ('iterations', 'height', 'width')}
    stages = 1 + (match['passes'] == 'combined')
    return Published(recipe=match['recipe'], stages=stages, **numbers)


def adapted(path: Path, recipe: Recipe, exports: Path) -> Path:
    """Return the artefact made of a published file, made now if it is not there yet.

    Args:
        path: The published file.
        recipe: The network's, for tolerances and licence; it has one graph.
        exports: Folder of exports in the cache.

    Raises:
        ArtifactError: If the file is no such graph.
        EngineError: If no CPU runtime is there to run it once.
    """
    told = published(path)
    assert told is not None, 'the caller asks by the name'
    sha256 = file_digest(path)
    target = exports / f'stereodemo-{sha256[:16]}' / f'{told.stem}.onnx'
    if target.is_file() and manifest_path(target).is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = WeightsRecord(source=path.name, sha256=sha256, licence=recipe.weights.licence)
    with draft_folder(target.parent, prefix='.draft.') as folder:
        draft = folder / target.name
        onnx.save(_wrapped(path, told), draft)
        _describe(draft, told, recipe, weights)
        for find in (golden_path, Path, manifest_path):
            find(draft).replace(find(target))
    return target


def _wrapped(path: Path, told: Published) -> onnx.ModelProto:
    """Put the recipe's inputs and outputs around a published graph."""
    try:
        model = compose.add_prefix(onnx.load(path), _PREFIX)
    except DecodeError as error:
        raise ArtifactError(f'{path} is no whole ONNX file ({error}); fetch it again') from error
    graph = model.graph
    inputs = [entry.name for entry in graph.input]
    if len(inputs) != 2 * told.stages or len(graph.output) != 1:
        raise ArtifactError(
            f'{path} has the inputs {inputs}, expected were {2 * told.stages} images by its name; '
            'give it the name that it was published under'
        )
    before = [
        *_side('left', inputs[-2], inputs[:-2][:1]),
        *_side('right', inputs[-1], inputs[1:-2]),
    ]
    index = helper.make_tensor('disparity_plane', TensorProto.INT64, [], [0])
    after = helper.make_node('Gather', [graph.output[0].name, index.name], ['disparity'], axis=1)
    nodes = [*before, *graph.node, after]
    size = (1, told.height, told.width)
    images = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, (*size, 3))
        for name in ('left', 'right')
    ]
    result = helper.make_tensor_value_info('disparity', TensorProto.FLOAT, size)
    for field, values in (('input', images), ('output', [result]), ('node', nodes)):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    graph.initializer.append(index)
    onnx.checker.check_model(model)
    return model


def _side(side: str, full: str, half: list[str]) -> list[onnx.NodeProto]:
    """Make planes of one image, and where wanted those of half the size."""
    nodes = [
        helper.make_node('Cast', [side], [f'{side}_float'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', [f'{side}_float'], [full], perm=(0, 3, 1, 2)),
    ]
    if half:
        square = {'kernel_shape': (2, 2), 'strides': (2, 2)}
        nodes.append(helper.make_node('AveragePool', [full], half, **square))
    return nodes


def _describe(draft: Path, told: Published, recipe: Recipe, weights: WeightsRecord) -> None:
    """Run the graph once and write manifest and golden outputs beside it."""
    (graph,), size = recipe.graphs, (told.height, told.width)
    sides = [
        TensorSpec(name=side, shape=(1, *size, 3), dtype='uint8') for side in ('left', 'right')
    ]
    output = TensorSpec(name='disparity', shape=(1, *size), dtype='float32', unit='px')
    golden = Golden(
        inputs=golden_inputs(sides), outputs={'disparity': np.zeros((1, *size), np.float32)}
    )
    manifest = Manifest(
        recipe=recipe.name,
        graph=graph,
        size=size,
        options={'iterations': told.iterations, 'stages': told.stages},
        inputs=tuple(sides),
        outputs=(output,),
        weights=weights,
        tolerances=recipe.graph(graph).tolerances,
        onnx_sha256=file_digest(draft),
        golden_seed=GOLDEN_SEED,
        golden_sha256=golden.sha256,
        opset=next(entry.version for entry in onnx.load(draft).opset_import if not entry.domain),
        exporter=f'depth_ros {__version__}, of {weights.source}',
        command=f'depth-ros build {recipe.name} --weights {weights.source}',
    )
    _write(draft, manifest, golden)
    golden = replace(golden, outputs=_run(draft, golden))
    _write(draft, replace(manifest, golden_sha256=golden.sha256), golden)


def _write(draft: Path, manifest: Manifest, golden: Golden) -> None:
    golden.save(golden_path(draft))
    manifest_path(draft).write_text(manifest.to_json(), encoding='utf-8')


def _run(draft: Path, golden: Golden) -> dict[str, np.ndarray]:
    names = [name for name in reversed(CPU_ORDER) if not RUNTIMES[name].missing()]
    if not names:
        raise EngineError(
            f'a published graph is run once, and no CPU runtime is installed; type: '
            f'{RUNTIMES["onnxruntime"].pip}'
        )
    scratch = draft.parent / 'run'
    scratch.mkdir()
    runtime = RUNTIMES[names[0]].load()
    with runtime.build(load_artifact(draft), BuildSettings(), scratch) as engine:
        found = engine.infer(golden.inputs)
        return {name: np.array(values) for name, values in found.items()}
