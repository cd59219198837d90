"""Open engines: choose a runtime, build or load from the cache, check, or refuse with figures.

Every engine is compared with the float32 network's stored outputs before the cache takes it, and
one of reduced precision with float32 on gate images too; a cached one was, with the same graph,
runtime version, device, threads, tolerances and limits.
"""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from depth_ros.engines.artifact import Artifact, load_artifact
from depth_ros.engines.build_policy import expect_building
from depth_ros.engines.cache import CacheKey, EngineCache
from depth_ros.engines.calibrations import (
    INT8,
    INT8_RUNTIME,
    CalibratedGraph,
    find_calibration,
)
from depth_ros.engines.checks.gate import (
    AUTO_PRECISION,
    Feeds,
    GateReference,
    RefusalMemory,
    Subject,
    expect_decidable,
    feeds_maker,
    gate_key,
    reference_outputs,
    run_gate,
)
from depth_ros.engines.checks.gate_measures import Measure
from depth_ros.engines.checks.golden import Tolerance, Tolerances, check_outputs
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import (
    ExportPlan,
    make_network,
    obtain_exports,
    plan_exports,
)
from depth_ros.engines.recipe import (
    FULL_PRECISION,
    Graph,
    Recipe,
    format_size,
    load_recipe,
    recipe_names,
)
from depth_ros.engines.runtime import (
    AUTO_ENGINE,
    AUTO_ORDER,
    CPU_ORDER,
    RUNTIMES,
    BuildSettings,
    Runtime,
    RuntimeStatus,
    available_runtimes,
)
from depth_ros.engines.tensorrt.options import GpuOptions, gpu_options
from depth_ros.engines.torch_build import DEVICES, open_torch
from depth_ros.errors import ArtifactError, EngineError, RecipeError
from depth_ros.tensors import Engine, Options, Progress

__all__ = ['GraphBuild', 'RuntimeStatus', 'available_runtimes', 'open_engine', 'open_graphs']

logger = logging.getLogger(__name__)
_COARSER = 'bf16'
"""Precision whose tolerances f16 uses if the recipe has none: f16 has three bits more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Order:
    """One engine to be opened.

    Attributes:
        is_automatic: Whether each runtime takes the lowest precision that passes the gate; the
            settings say float32 then.
        is_trial: Whether float32 follows if the gate refuses, so that the refusal is remembered.
    """

    artifact: Artifact
    settings: BuildSettings
    tolerances: Tolerances
    cache: EngineCache
    progress: Progress
    gate: Measure | None = None
    is_gated: bool = False
    gate_inputs: Feeds | None = None
    is_automatic: bool = False
    is_trial: bool = False

    @property
    def label(self) -> str:
        """Name and precision, for progress."""
        return f'{self.artifact.name} in {self.settings.precision}'

    def in_float32(self) -> _Order:
        """Return the same in float32, as the gate's reference."""
        return replace(
            self,
            settings=replace(self.settings, precision=FULL_PRECISION, calibrated=None),
            tolerances=self.artifact.manifest.tolerances[FULL_PRECISION],
            gate=None,
            is_gated=False,
            is_automatic=False,
            is_trial=False,
        )

    def lowered(self, precision: str) -> _Order:
        """Return the same in a lower precision, gated, as a trial.

        Raises:
            RecipeError: If the recipe has no tolerances for it.
            ArtifactError: If the gate could decide nothing.
        """
        return replace(
            self,
            settings=replace(self.settings, precision=precision),
            tolerances=_tolerances(self.artifact, precision, None),
            is_automatic=False,
            is_trial=True,
        ).gated()

    def gated(self) -> _Order:
        """Return the same behind the gate, that of the recipe where none is given.

        Raises:
            ArtifactError: If the gate could decide nothing.
        """
        gate = self.gate or _recipe_gate(self.artifact)
        untrained = self.artifact.manifest.weights.is_synthetic
        subject = Subject(name=self.artifact.name, is_untrained=untrained)
        expect_decidable(subject, gate, self.settings.precision)
        return replace(self, gate=gate, is_gated=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphBuild:
    """What building an engine of one graph depends on beside the choice of the engine.

    Attributes:
        tolerance: Limits by output, or for all outputs; None takes the manifest's.
        gate: What reduced precision may change; None takes that of the installed recipe.
        gate_inputs: Makes the gate's inputs where the graph takes no images.
        also_low: What else, out of ``ALSO_LOW``, runs in reduced precision where the runtime
            leaves the choice.
        int8: Beginnings of the names of the weights that a calibration makes int8.
        ungated: Open reduced precision without the gate: for benchmarks and tests only, where
            weights may be made up. It never shares a cached engine with a gated one.
        gpu: Options of TensorRT engines; None takes those of choice and environment.
        network: Makes the network itself, for builders that do not start from ONNX.
    """

    tolerance: Tolerances | Tolerance | None = None
    gate: Measure | None = None
    gate_inputs: Feeds | None = None
    also_low: tuple[str, ...] = ()
    int8: tuple[str, ...] = ()
    ungated: bool = False
    gpu: GpuOptions | None = None
    network: Callable[[], object] | None = None


def open_engine(
    onnx_path: Path | str,
    choice: EngineChoice | None = None,
    build: GraphBuild | None = None,
    *,
    cache: EngineCache | None = None,
    progress: Progress | None = None,
) -> Engine:
    """Open an exported graph.

    Args:
        onnx_path: ONNX file with its manifest beside it.
        choice: Runtime, precision, threads and options of TensorRT; its preset, size and weights
            are those of the file. ``'auto'`` is the first runtime that works, in ``AUTO_ORDER``,
            and as a precision the runtime's lower one (``lower_precision``) where it passes the
            gate, else float32. A named runtime that fails is an error.
        build: What the recipe says of the graph.
        cache: Where built engines are kept; None takes the user's cache.
        progress: Called with a phase and a fraction (None where unknown) during long work.

    Raises:
        ArtifactError: If a file was changed, or the engine is outside its tolerance or gate.
        EngineError: If the runtime is missing or refuses.
    """
    choice, build = choice or EngineChoice(), build or GraphBuild()
    order = _order_of(Path(onnx_path), choice, build, cache or EngineCache(), progress or _ignore)
    if choice.runtime == AUTO_ENGINE:
        engine = _open_auto(order)
    else:
        engine = _open_named(choice.runtime, order)
        logger.info('opened %s%s', engine.info.describe(), _threads(engine))
    is_stereo_trained = order.artifact.manifest.weights.is_stereo_trained
    engine.info = replace(engine.info, is_stereo_trained=is_stereo_trained)
    return engine


def _order_of(
    onnx_path: Path,
    choice: EngineChoice,
    build: GraphBuild,
    cache: EngineCache,
    progress: Progress,
) -> _Order:
    """Return what is to be opened, behind the gate where the precision is reduced.

    Raises:
        ArtifactError: If a file was changed, or the gate could decide nothing.
        EngineError: If int8 is asked for and was not calibrated.
    """
    artifact = load_artifact(onnx_path)
    is_automatic = choice.precision == AUTO_PRECISION
    precision = FULL_PRECISION if is_automatic else choice.precision
    order = _Order(
        artifact=artifact,
        settings=BuildSettings(
            precision=precision,
            num_threads=choice.num_threads,
            gpu=build.gpu or (gpu_options(choice.tensorrt) if choice.tensorrt else None),
            also_low=build.also_low,
            network=build.network,
            cache_root=cache.root,
            progress=progress,
            calibrated=_calibrated(artifact, choice, build, cache),
        ),
        tolerances=_tolerances(artifact, precision, build.tolerance),
        cache=cache,
        progress=progress,
        gate=build.gate,
        gate_inputs=build.gate_inputs,
        is_automatic=is_automatic,
    )
    return order if precision == FULL_PRECISION or build.ungated else order.gated()


def _calibrated(
    artifact: Artifact, choice: EngineChoice, build: GraphBuild, cache: EngineCache
) -> CalibratedGraph | None:
    """Return the graph in int8 if that is asked for; runtimes without it refuse by themselves."""
    may_have_it = choice.runtime in (AUTO_ENGINE, INT8_RUNTIME)
    if choice.precision != INT8 or not may_have_it:
        return None
    manifest, words = artifact.manifest, [f'depth-ros build {artifact.manifest.recipe}']
    words += [f'--weights {shlex.quote(choice.weights)}'] if choice.weights else []
    words += [f'--size {format_size(manifest.size)}']
    words += [f'--option {name}={value}' for name, value in manifest.options.items()]
    command = ' '.join([*words, '--precision int8 --calibrate BAG'])
    return find_calibration(artifact, build.int8, cache.root, command=command)


def open_graphs(
    recipe: Recipe | str,
    choice: EngineChoice | None = None,
    build: GraphBuild | None = None,
    *,
    graphs: Sequence[str] | None = None,
    options: Options | None = None,
    cache: EngineCache | None = None,
    progress: Progress | None = None,
) -> dict[str, Engine]:
    """Open graphs of a recipe, exporting them first if need be.

    Args:
        recipe: Recipe or its name.
        choice: Which engine; weights may be a checkpoint, artefact, folder of artefacts, or
            ``'synthetic:SEED'``, and empty takes what is shipped or already exported, never
            made-up weights. Runtime ``'torch'`` runs the network itself.
        build: ``tolerance`` and ``ungated`` for every graph; the rest is the recipe's.
        graphs: The graphs to open; None opens all that the weights serve.
        options: Options overriding the preset's.
        cache: Where exports and built engines are kept; None takes the user's cache.
        progress: As for ``open_engine``.

    Returns:
        One engine per graph, by name; the caller closes them.

    Raises:
        RecipeError: If preset, size or an option is not the recipe's.
        WeightsError: If there are no weights; says what to type.
        EngineError: As for ``open_engine``.
    """
    choice, build = choice or EngineChoice(), build or GraphBuild()
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    gpu = gpu_options(choice.tensorrt, recipe=recipe.tensorrt)
    plan = plan_exports(recipe, choice, graphs=graphs, options=options)
    if choice.runtime in DEVICES:
        return open_torch(plan, choice, ungated=build.ungated)
    if not build.ungated:
        expect_gates(plan, choice.precision)
    cache = cache or EngineCache()
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for graph, path in obtain_exports(plan, cache, progress=progress).items():
            told = plan.recipe.graph(graph)
            engines[graph] = open_engine(
                path,
                replace(choice, precision=told.precision(choice.precision)),
                replace(
                    build,
                    tolerance=build.tolerance or _own_tolerances(told, choice.precision),
                    gate=told.gate,
                    gate_inputs=feeds_maker(told, engines),
                    also_low=told.also_low,
                    int8=told.int8,
                    gpu=gpu,
                    network=partial(make_network, plan, graph) if plan.weights else None,
                ),
                cache=cache,
                progress=progress,
            )
            stack.callback(engines[graph].close)
        stack.pop_all()
    return engines


def expect_gates(plan: ExportPlan, precision: str) -> None:
    """Refuse, before anything is exported, a precision that no gate could let through.

    Raises:
        ArtifactError: Naming the graph and why it cannot be decided.
        RecipeError: If all graphs would stay in float32.
    """
    for graph in lowered_graphs(plan, precision):
        stem = plan.stems[graph]
        name = f'{stem} [{plan.weights}]' if plan.is_synthetic else stem
        subject = Subject(name=name, is_untrained=plan.is_synthetic)
        expect_decidable(subject, plan.recipe.graph(graph).gate, precision)


def lowered_graphs(plan: ExportPlan, precision: str) -> list[str]:
    """Return the graphs that run in a reduced precision; none where that is chosen later.

    Raises:
        RecipeError: If all graphs would stay in float32 though another precision is asked for.
    """
    if precision in (FULL_PRECISION, AUTO_PRECISION):
        return []
    recipe = plan.recipe
    lowered = [name for name in plan.stems if recipe.graph(name).precision(precision) == precision]
    if not lowered:
        raise RecipeError(
            f'no graph of {recipe.name!r} may run in {precision!r}: its recipe names no '
            "layers for it; use precision 'f32'"
        )
    return lowered


def _own_tolerances(told: Graph, precision: str) -> Tolerances | None:
    """Return the recipe's limits for int8; exports made before it was there say nothing of it."""
    is_int8 = told.precision(precision) == INT8
    return told.tolerances.get(INT8) if is_int8 else None


def _open_named(name: str, order: _Order) -> Engine:
    if order.is_automatic:
        return _open_fastest(name, order)
    if name not in RUNTIMES:
        known = ', '.join(['auto', *RUNTIMES])
        raise EngineError(f'there is no engine {name!r}; set engine to one of: {known}')
    runtime = RUNTIMES[name].load()
    reason = runtime.refusal(order.settings)
    if reason:
        raise EngineError(reason)
    return _build_or_load(name, runtime, order)


def _open_fastest(name: str, order: _Order) -> Engine:
    """Open in the runtime's lower precision if the gate lets it through, else in float32."""
    try:
        lower = RUNTIMES[name].lower_precision if name in RUNTIMES else ''
        if lower:
            return _open_named(name, order.lowered(lower))
        reason = 'it has no lower precision'
    except (EngineError, RecipeError) as error:
        reason = str(error)
    logger.info('precision auto: %s on %s in f32: %s', order.artifact.name, name, reason)
    return _open_named(name, replace(order, is_automatic=False))


def _open_auto(order: _Order) -> Engine:
    """Open with the first runtime that works; log once which, and why not the others."""
    reasons: list[str] = []
    for name in AUTO_ORDER:
        unusable = RUNTIMES[name].reason()
        if unusable:
            reasons.append(f'{name}: {unusable}')
            continue
        try:
            engine = _open_named(name, order)
        except EngineError as error:
            reasons.append(f'{name}: {error}')
            logger.warning('engine auto: %s failed: %s', name, error)
            continue
        passed_over = '; '.join(reasons) or 'none'
        described = engine.info.describe()
        logger.info('opened %s%s; passed over: %s', described, _threads(engine), passed_over)
        return engine
    raise EngineError(
        f'no engine can run {order.artifact.name!r} in {order.settings.precision}: '
        f'{"; ".join(reasons)}'
    )


def _threads(engine: Engine) -> str:
    """Say how many threads an engine has, after its description; nothing where none are its own.

    They are no part of the description: results do not depend on them.
    """
    count = engine.info.num_threads
    return f' with {count} thread{"" if count == 1 else "s"}' if count else ''


def _build_or_load(name: str, runtime: Runtime, order: _Order) -> Engine:
    artifact, settings = order.artifact, order.settings
    built: list[Engine] = []

    def build(folder: Path) -> Mapping[str, object]:
        expect_building(f'the engine {order.label} on {name}', _command(name, order))
        reference = _gate_reference(name, order) if order.is_gated else None
        order.progress(f'compile {order.label} for {name}', None)
        engine = runtime.build(artifact, settings, folder)
        built.append(engine)
        order.progress(f'check {order.label} on {name}', None)
        try:
            return _figures(name, engine, order, reference)
        except ArtifactError as refusal:
            if order.is_trial:
                refusals.note(key, str(refusal))
            raise

    refusals, key = RefusalMemory(order.cache.root), _key(name, runtime, order)
    known = refusals.recall(key) if order.is_trial else ''
    if known:
        raise ArtifactError(known)
    try:
        folder = order.cache.obtain(key, build)
    except EngineError:
        for engine in built:
            engine.close()
        raise
    return built[0] if built else runtime.load(artifact, settings, folder)


def _figures(
    name: str, engine: Engine, order: _Order, reference: GateReference | None
) -> Mapping[str, object]:
    """Compare a built engine with golden outputs and gate images; return what was measured."""
    artifact, precision = order.artifact, order.settings.precision
    check: dict[str, object] = {'golden': _check(engine, order)}
    if reference is not None and order.gate is not None:
        order.progress(f'gate {order.label} on {name}', None)
        verdict = run_gate(artifact.name, engine, order.gate, reference, precision)
        check['gate'] = verdict.as_dict()
        logger.info('%s passed the gate: %s', order.label, verdict.describe())
    return check


def _gate_reference(name: str, order: _Order) -> GateReference:
    """Run float32 on the gate images: on the first of these that works, closed before we build."""
    assert order.gate is not None
    artifact, precision = order.artifact, order.settings.precision
    plain = order.in_float32()
    reasons = []
    for candidate in dict.fromkeys((*CPU_ORDER, name)):
        try:
            engine = _open_named(candidate, plain)
        except EngineError as error:
            reasons.append(f'{candidate}: {error}')
            continue
        with engine:
            order.progress(f'run gate images of {artifact.name} in float32', None)
            return reference_outputs(
                artifact.name, engine, order.gate, precision, make_feeds=order.gate_inputs
            )
    raise EngineError(
        f'the accuracy gate of {order.label} needs a float32 engine and none can be opened: '
        f'{"; ".join(reasons)}'
    )


def _recipe_gate(artifact: Artifact) -> Measure | None:
    """Return the gate of the installed recipe; None where there is no such recipe or gate."""
    name, graph = artifact.manifest.recipe, artifact.manifest.graph
    if name not in recipe_names():
        return None
    graphs = load_recipe(name).graphs
    return graphs[graph].gate if graph in graphs else None


def _command(name: str, order: _Order) -> str:
    command = order.artifact.manifest.command
    gpu = order.settings.gpu
    options = gpu.as_arguments() if gpu is not None and not RUNTIMES[name].is_cpu else ''
    return f'{command} --engine {name} --precision {order.settings.precision}{options}'


def _check(engine: Engine, order: _Order) -> Mapping[str, object]:
    """Run the golden inputs once and compare; return the figures for the sidecar."""
    artifact = order.artifact
    golden = artifact.golden()
    figures = check_outputs(
        golden.outputs,
        engine.infer(golden.inputs),
        order.tolerances,
        what=f'the engine {engine.info.describe()!r}',
        remedy=f"use precision 'f32' or another engine, or export again: "
        f'{artifact.manifest.command}',
    )
    return {name: asdict(value) for name, value in figures.items()}


def _key(name: str, runtime: Runtime, order: _Order) -> CacheKey:
    tolerances = {output: asdict(limits) for output, limits in order.tolerances.items()}
    return CacheKey(
        name=order.artifact.onnx.stem,
        onnx_sha256=order.artifact.manifest.onnx_sha256,
        runtime=name,
        version=runtime.version,
        precision=order.settings.precision,
        device=runtime.device(),
        options={
            **runtime.options(order.settings),
            'golden': order.artifact.manifest.golden_sha256,
            'tolerances': json.dumps(tolerances, sort_keys=True),
            **_gate_options(order),
        },
    )


def _gate_options(order: _Order) -> dict[str, str]:
    """Return the part of the cache key that depends on the gate; empty for float32."""
    if order.settings.precision == FULL_PRECISION:
        return {}
    return {'gate': gate_key(order.gate) if order.is_gated else 'none'}


def _tolerances(
    artifact: Artifact, precision: str, given: Tolerances | Tolerance | None
) -> Tolerances:
    if isinstance(given, Tolerance):
        return {'*': given}
    if given is not None:
        return given
    offered = artifact.manifest.tolerances
    if precision == 'f16' and precision not in offered:
        precision = _COARSER
    if precision not in offered:
        raise RecipeError(
            f'{artifact.name!r} has tolerances for {", ".join(offered)}, none for {precision!r}; '
            'set precision to one of them'
        )
    return offered[precision]


def _ignore(phase: str, fraction: float | None) -> None:
    """Ignore progress."""
