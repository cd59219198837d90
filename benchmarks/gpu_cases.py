"""The graphs that ``gpu.py`` measures, opened without recipe files: torch and NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from depth_ros.engines.checks.golden import golden_inputs
from depth_ros.engines.torch_engine import made_on
from depth_ros.tensors import Exportable

WEIGHTS = Path(__file__).resolve().parents[1] / 'weights'
SEED = 0
Options = Mapping[str, int | float | str | bool]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One graph at one size.

    Attributes:
        model: The recipe's name.
        graph: The graph's name.
        size: ``(height, width)``.
        small: The same for ``--small``.
        options: Of the graph.
        small_options: For ``--small``, over ``options``.
        tolerance: Mean difference of float32 on another device, as a share of the output's mean
            size; summation order differs, and made-up weights magnify it.
    """

    model: str
    graph: str
    size: tuple[int, int]
    small: tuple[int, int] = (64, 96)
    options: Options = field(default_factory=dict)
    small_options: Options = field(default_factory=dict)
    tolerance: float = 1e-3

    def title(self, *, is_small: bool) -> str:
        """Name in tables and reports."""
        height, width = self.size_of(is_small=is_small)
        options = ' '.join(f'{k}={v}' for k, v in self.options_of(is_small=is_small).items())
        return ' '.join(filter(None, [self.model, self.graph, f'{height}x{width}', options]))

    def size_of(self, *, is_small: bool) -> tuple[int, int]:
        """Give the size that is run."""
        return self.small if is_small else self.size

    def options_of(self, *, is_small: bool) -> dict[str, int | float | str | bool]:
        """Give the options that are run."""
        return {**self.options, **(self.small_options if is_small else {})}


def _crestereo(size: tuple[int, int], iterations: int, stages: int = 1) -> Case:
    return Case(
        model='crestereo',
        graph='crestereo',
        size=size,
        options={'iterations': iterations, 'stages': stages},
        small_options={'iterations': 2, 'stages': 1},
    )


def _mvsnet(graph: str, options: Options) -> Case:
    small = {'depths': 16, 'sources': 2, 'slab': 16}
    return Case(
        model='mvsnet',
        graph=graph,
        size=(256, 320),
        options=options,
        small_options={name: small[name] for name in options},
    )


CASES = (
    Case(
        model='crestereo_tiny',
        graph='crestereo',
        size=(240, 320),
        options={'iterations': 3},
        small_options={'iterations': 1},
    ),
    _crestereo((240, 320), 4),
    _crestereo((480, 640), 10),
    _crestereo((480, 640), 20, stages=2),
    Case(
        model='loftr',
        graph='loftr',
        size=(480, 640),
        options={'variant': 'outdoor_ds', 'matches': 1024},
        small_options={'matches': 64},
        tolerance=0.05,
    ),
    Case(model='monodepth2', graph='depth', size=(192, 640)),
    Case(model='monodepth2', graph='depth', size=(320, 1024)),
    Case(model='tio_depth', graph='stereo', size=(192, 640)),
    Case(model='tio_depth', graph='refine', size=(192, 640)),
    Case(model='tio_depth', graph='mono', size=(192, 640)),
    _mvsnet('features', {}),
    _mvsnet('volume', {'depths': 96, 'sources': 2, 'slab': 16}),
    _mvsnet('depth', {'depths': 96}),
)
_SHIPPED = {'crestereo_tiny': 'crestereo_tiny.safetensors'}


def open_case(
    case: Case, *, is_small: bool, device: str | torch.device = 'cpu'
) -> tuple[Exportable, str]:
    """Make a graph in torch on a device, and say where its weights come from."""
    module = import_module(f'depth_ros.models.{case.model}.network')
    state, source = _state_of(case, module)
    height, width = case.size_of(is_small=is_small)

    def make(moved: Mapping[str, torch.Tensor]) -> Exportable:
        made: Exportable = module.exportable(
            graph=case.graph,
            height=height,
            width=width,
            options=case.options_of(is_small=is_small),
            state=moved,
        )
        return made

    exportable = made_on(device, state, make)
    assert isinstance(exportable.module, torch.nn.Module)
    exportable.module.eval()
    return exportable, source


def feeds_of(exportable: Exportable, seed: int) -> tuple[torch.Tensor, ...]:
    """Make the inputs of a seed, in order; those that noise cannot stand for stay the same."""
    arrays = golden_inputs(exportable.inputs, seed=1000 + seed, examples=exportable.examples)
    return tuple(torch.from_numpy(np.array(arrays[spec.name])) for spec in exportable.inputs)


def _state_of(case: Case, module: object) -> tuple[Mapping[str, torch.Tensor], str]:
    path = WEIGHTS / _SHIPPED.get(case.model, '')
    if path.is_file():
        from depth_ros.checkpoints.read import load_checkpoint

        return load_checkpoint(path), path.name
    state: Mapping[str, torch.Tensor] = module.synthetic_state(SEED)  # type: ignore[attr-defined]
    return state, f'synthetic:{SEED}'
