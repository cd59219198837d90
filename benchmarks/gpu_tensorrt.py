"""TensorRT's part of ``gpu.py``: only where TensorRT and the exporter are installed."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from gpu_cases import SEED, Case

NEEDED = ('tensorrt', 'onnx', 'onnxscript', 'yaml')


def tensorrt_contenders(
    case: Case, feeds: Sequence[tuple[torch.Tensor, ...]], arguments: argparse.Namespace
) -> dict[str, dict[str, object]]:
    """Build and time a graph through the package's own engine: frames from and to the host.

    Returns:
        Fields of ``gpu.Contender`` by name; ``refused`` says what is missing.
    """
    names = ('TensorRT f32', 'TensorRT f16')
    missing = [name for name in NEEDED if find_spec(name) is None]
    if arguments.device != 'cuda':
        return {}
    if missing:
        return {name: {'refused': f'{", ".join(missing)} not installed'} for name in names}
    return {name: _run(case, name.split()[1], feeds, arguments) for name in names}


def _run(
    case: Case,
    precision: str,
    feeds: Sequence[tuple[torch.Tensor, ...]],
    arguments: argparse.Namespace,
) -> dict[str, object]:
    from depth_ros.cli.kit.timing import interleave
    from depth_ros.engines.build import GraphBuild, open_graphs
    from depth_ros.engines.cache import EngineCache
    from depth_ros.engines.choice import EngineChoice
    from depth_ros.errors import DepthRosError

    with tempfile.TemporaryDirectory() as folder:
        try:
            engines = open_graphs(
                case.model,
                EngineChoice(
                    size=case.size_of(is_small=arguments.small),
                    weights=f'synthetic:{SEED}',
                    runtime='tensorrt',
                    precision=precision,
                ),
                GraphBuild(ungated=True),
                graphs=[case.graph],
                options=case.options_of(is_small=arguments.small),
                cache=EngineCache(Path(folder)),
            )
        except DepthRosError as error:
            return {'refused': str(error)}
        with engines[case.graph] as engine:
            specs = engine.inputs
            arrays = [
                {spec.name: tensor.numpy() for spec, tensor in zip(specs, feed, strict=True)}
                for feed in feeds
            ]
            turn = iter(range(1 << 30))

            def run() -> Mapping[str, np.ndarray]:
                return engine.infer(arrays[next(turn) % len(arrays)])

            times = interleave({'': run}, num_rounds=arguments.rounds, num_warmups=10)['']
    return {'ms': float(np.median(times)), 'p95_ms': float(np.percentile(times, 95))}
