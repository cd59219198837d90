"""Open the network itself in torch, as benchmarks, tests and GPUs without TensorRT do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module

from depth_ros.engines.checks.gate import (
    AUTO_PRECISION,
    Feeds,
    Subject,
    expect_decidable,
    feeds_maker,
    reference_outputs,
    run_gate,
)
from depth_ros.engines.checks.gate_measures import Measure
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import ExportPlan, is_stereo_trained
from depth_ros.engines.recipe import FULL_PRECISION
from depth_ros.engines.runtime import RUNTIMES
from depth_ros.errors import EngineError, WeightsError
from depth_ros.tensors import Engine

DEVICES = {name: entry.network_device for name, entry in RUNTIMES.items() if entry.network_device}
"""Device of each torch engine, by its name."""


def open_torch(
    plan: ExportPlan, choice: EngineChoice, *, ungated: bool = False
) -> dict[str, Engine]:
    """Open every graph of a plan from its checkpoint.

    Reduced precision is compared with float32 on the gate images at every start: nothing is
    cached here.

    Args:
        plan: Which graphs, made from which weights.
        choice: Runtime in ``DEVICES``, precision (``'f32'``, which ``'auto'`` takes; on CUDA also
            ``'f16'``) and threads.
        ungated: Leave the gate out, for benchmarks and tests only.

    Raises:
        EngineError: If torch or the device is missing, or the precision cannot be had.
        ArtifactError: If the gate refuses.
        WeightsError: If no checkpoint is named.
    """
    engine, device = choice.runtime, DEVICES[choice.runtime]
    precision = FULL_PRECISION if choice.precision == AUTO_PRECISION else choice.precision
    _expect_usable(plan, engine)
    export = import_module('depth_ros.engines.export')
    torch_engine = import_module(RUNTIMES[engine].module)
    torch_engine.expect_device(device, precision)
    state = export.load_state(plan.recipe, plan.weights)
    suffix = f' [{plan.weights}]' if plan.is_synthetic else ''

    def make(graph: str, name: str, at: str) -> Engine:
        exportable = torch_engine.made_on(
            device, state, partial(export.make_exportable, plan.recipe, graph, plan.variant)
        )
        made: Engine = torch_engine.TorchEngine(
            exportable.module,
            inputs=exportable.inputs,
            outputs=exportable.outputs,
            graph=name,
            num_threads=choice.num_threads,
            device=device,
            precision=at,
        )
        made.info = replace(made.info, is_stereo_trained=is_stereo_trained(plan))
        return made

    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for graph, stem in plan.stems.items():
            subject = Subject(name=f'{stem}{suffix}', is_untrained=plan.is_synthetic)
            opened = partial(make, graph, subject.name)
            told = plan.recipe.graph(graph)
            lowered = told.precision(precision)
            if lowered == FULL_PRECISION or ungated:
                engines[graph] = opened(lowered)
            else:
                feeds = feeds_maker(told, engines)
                engines[graph] = open_gated(subject, opened, told.gate, lowered, feeds)
            stack.callback(engines[graph].close)
        stack.pop_all()
    return engines


def open_gated(
    subject: Subject,
    opened: Callable[[str], Engine],
    gate: Measure | None,
    precision: str,
    make_feeds: Feeds | None = None,
) -> Engine:
    """Open float32 and then the precision asked for, and compare them.

    Raises:
        ArtifactError: If the gate is undecidable or fails.
    """
    expect_decidable(subject, gate, precision)
    assert gate is not None
    with opened(FULL_PRECISION) as plain:
        reference = reference_outputs(subject.name, plain, gate, precision, make_feeds=make_feeds)
    engine = opened(precision)
    try:
        run_gate(subject.name, engine, gate, reference, precision)
    except EngineError:
        engine.close()
        raise
    return engine


def _expect_usable(plan: ExportPlan, engine: str) -> None:
    if not plan.weights:
        raise WeightsError(
            f'engine {engine!r} needs the checkpoint itself; set weights to its file, or use '
            "engine 'auto'"
        )
    missing = RUNTIMES[engine].missing()
    if missing:
        raise EngineError(missing)
