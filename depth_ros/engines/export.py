"""Export network and weights to static ONNX with manifest and golden outputs, then check them.

Needs torch, onnx and onnxscript, once, on any machine; robots do not.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import onnx
import torch

from depth_ros import __version__
from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.engines.artifact import (
    Artifact,
    Golden,
    Manifest,
    WeightsRecord,
    file_digest,
    golden_path,
    load_artifact,
    manifest_path,
)
from depth_ros.engines.checks.golden import GOLDEN_SEED, Tolerance, check_outputs, golden_inputs
from depth_ros.engines.recipe import Recipe, Variant
from depth_ros.engines.runtime import CPU_ORDER, RUNTIMES, BuildSettings
from depth_ros.engines.torch_engine import run_module, to_torch
from depth_ros.errors import EngineError, WeightsError
from depth_ros.files.draft_folder import draft_folder
from depth_ros.files.given_path import given_path
from depth_ros.files.whole_file import flush_path
from depth_ros.tensors import Exportable, Options, Progress

OPSET = 18
"""OpenVINO 2026.4 misreads ReduceLogSumExp at 13 to 17; TensorRT from 10 reads 18."""
_NOISY_LOGGERS = ('torch.onnx', 'torch.onnx._internal.exporter', 'onnxscript', 'onnx_ir')


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportRequest:
    """What the manifest will say about an export; fields as in ``Manifest``."""

    recipe: str
    graph: str
    size: tuple[int, int]
    options: Options
    weights: WeightsRecord
    tolerances: Mapping[str, Mapping[str, Tolerance]]
    command: str


def load_state(recipe: Recipe, weights: str) -> Mapping[str, torch.Tensor]:
    """Read a checkpoint, or make the weights of ``'synthetic:SEED'``.

    Raises:
        WeightsError: If the file cannot be used or the seed is no number.
    """
    if weights.startswith('synthetic:'):
        network = import_module(recipe.network)
        state: Mapping[str, torch.Tensor] = network.synthetic_state(synthetic_seed(weights))
        return state
    return load_checkpoint(given_path(weights, what='weights'))


def synthetic_seed(weights: str) -> int:
    """Read the seed of ``'synthetic:SEED'``.

    Raises:
        WeightsError: If it is no number.
    """
    seed = weights.partition(':')[2]
    if not seed.isdecimal():
        raise WeightsError(f"made-up weights are named 'synthetic:SEED', got {weights!r}")
    return int(seed)


def make_exportable(
    recipe: Recipe, graph: str, variant: Variant, state: Mapping[str, torch.Tensor]
) -> Exportable:
    """Make one graph of the recipe's network.

    Raises:
        RecipeError: If the network cannot serve the size or an option.
        WeightsError: If the weights are another network's.
    """
    height, width = variant.size
    exportable: Exportable = import_module(recipe.network).exportable(
        graph=graph,
        height=height,
        width=width,
        options=recipe.graph_options(graph, variant),
        state=state,
    )
    return exportable


def export_graph(
    exportable: Exportable,
    path: Path,
    request: ExportRequest,
    *,
    progress: Progress | None = None,
) -> Artifact:
    """Export a graph to ``path``, with manifest and golden outputs beside it.

    The ONNX file is run once and compared with the module; only then do the three files get
    their names, the manifest last, so an interrupted export leaves no artefact.

    Args:
        exportable: Module with its specs.
        path: The ``.onnx`` file to make; its folder is made too.
        request: What the manifest says.
        progress: Called with a phase and None.

    Raises:
        ArtifactError: If the exported graph computes something else than the module.
        EngineError: If torch cannot export it, or no runtime is there to check it.
    """
    report = progress or (lambda phase, fraction: None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(path.parent, prefix=f'.{path.stem}.') as folder:
        draft = folder / path.name
        report(f'export {path.stem}', None)
        golden = _golden(exportable)
        _write_onnx(exportable, golden, draft)
        golden.save(golden_path(draft))
        manifest = _manifest(exportable, request, draft, golden)
        manifest_path(draft).write_text(manifest.to_json(), encoding='utf-8')
        report(f'check {path.stem}', None)
        _check(load_artifact(draft), golden, folder / 'check')
        _move_into_place(draft, path)
    return load_artifact(path)


def _golden(exportable: Exportable) -> Golden:
    """Run the module on the golden inputs, each input a tensor of its own.

    torch.export takes two arguments that are one tensor for one input of the graph.
    """
    inputs = golden_inputs(exportable.inputs, examples=exportable.examples)
    arguments = to_torch(inputs, exportable.inputs)
    outputs = run_module(_module(exportable), arguments, exportable.outputs)
    return Golden(inputs=inputs, outputs=outputs, examples=exportable.examples)


def _write_onnx(exportable: Exportable, golden: Golden, path: Path) -> None:
    arguments = to_torch(golden.inputs, exportable.inputs)
    try:
        with _quiet():
            torch.onnx.export(
                _module(exportable),
                arguments,
                path,
                input_names=[spec.name for spec in exportable.inputs],
                output_names=[spec.name for spec in exportable.outputs],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        reason = str(error).strip().partition('\n')[0]
        raise EngineError(
            f'torch {torch.__version__} cannot export the network ({reason}); use the torch '
            'version that docs/engines.md names'
        ) from error
    _strip_notes(path)


def _module(exportable: Exportable) -> torch.nn.Module:
    module = exportable.module
    assert isinstance(module, torch.nn.Module)
    return module.eval()


def _strip_notes(path: Path) -> None:
    """Remove what the exporter notes about its source: file paths of this machine, mostly."""
    model = onnx.load(path)
    for item in [*model.graph.node, *model.graph.value_info, *model.graph.initializer]:
        del item.metadata_props[:]
        item.doc_string = ''
    for item in [*model.graph.input, *model.graph.output]:
        del item.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    onnx.save(model, path)


def _manifest(
    exportable: Exportable, request: ExportRequest, path: Path, golden: Golden
) -> Manifest:
    return Manifest(
        recipe=request.recipe,
        graph=request.graph,
        size=request.size,
        options=dict(request.options),
        inputs=exportable.inputs,
        outputs=exportable.outputs,
        weights=request.weights,
        tolerances=request.tolerances,
        onnx_sha256=file_digest(path),
        golden_seed=GOLDEN_SEED,
        golden_sha256=golden.sha256,
        opset=OPSET,
        exporter=f'depth_ros {__version__}, torch {torch.__version__}',
        command=request.command,
    )


def _check(artifact: Artifact, golden: Golden, scratch: Path) -> None:
    """Run the exported graph once with another runtime and compare."""
    names = [name for name in reversed(CPU_ORDER) if not RUNTIMES[name].missing()]
    if not names:
        raise EngineError(
            'an export is checked with ONNX Runtime or OpenVINO and neither is installed; type: '
            f'{RUNTIMES["onnxruntime"].pip}'
        )
    scratch.mkdir()
    with RUNTIMES[names[0]].load().build(artifact, BuildSettings(), scratch) as engine:
        check_outputs(
            golden.outputs,
            engine.infer(golden.inputs),
            artifact.manifest.tolerances['f32'],
            what=f'the export of {artifact.name!r}, run by {names[0]},',
            remedy='report it with the torch version, and export with another one meanwhile',
        )


def _move_into_place(draft: Path, path: Path) -> None:
    """Rename the three files; without a manifest the other two count as absent."""
    manifest_path(path).unlink(missing_ok=True)
    for source, target in (
        (golden_path(draft), golden_path(path)),
        (draft, path),
        (manifest_path(draft), manifest_path(path)),
    ):
        flush_path(source)
        source.replace(target)
    flush_path(path.parent)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings and progress lines off the terminal."""
    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
