"""CREStereo that starts from a disparity somebody already has, with the weights as they are.

In two stages (Li et al. 2022, arXiv 2203.11483, section 3.3) the network matches the pair at half
its size and starts the full-size run from that result. Here the hint takes the place of that
result wherever it is known and trusted; everywhere else the start stays what it was. Without a
hint the graph computes what CREStereo's own with two stages does, bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from depth_ros.models.crestereo.network import (
    CreStereo,
    check_engine_size,
    check_options,
    disparity_spec,
    frozen_network,
    image_specs,
    iterations_of,
    resize,
    synthetic_state,
    to_bgr,
)
from depth_ros.models.layers.hint_inputs import example_hint, hint_spec
from depth_ros.tensors import Exportable

__all__ = ['TAKEN_FROM', 'HintedCascade', 'exportable', 'initial_flow', 'synthetic_state']

CELL_PX = 4
"""Pixels from one cell of the finest level to the next; cell n is centred on pixel 4 n."""
SIZE_MULTIPLE = 32
TAKEN_FROM = 0.5
"""Trust from which on a hint is the start: measured, not filled from the background of its row."""


class HintedCascade(nn.Module):
    """The network as engines see it: uint8 RGB rows and a hint in, disparity out."""

    def __init__(self, network: CreStereo, *, iterations: int) -> None:
        super().__init__()
        self.network = network
        self.iterations = iterations

    def forward(self, left: Tensor, right: Tensor, hint: Tensor) -> Tensor:
        """Map images (1, H, W, 3) uint8 and a hint (1, 2, H, W) to disparity (1, H, W) px."""
        left, right = to_bgr(left), to_bgr(right)
        half = self.network.at_half_size(left, right, iterations=self.iterations)
        start = initial_flow(half, hint)
        flow = self.network(left, right, iterations=self.iterations, initial_flow=start)
        return flow[:, 0]


def initial_flow(half: Tensor, hint: Tensor) -> Tensor:
    """Return what the full-size run starts from, (N, 2, H/4, W/4) in cells.

    A cell takes the hint at its own centre, so that foreground and background are never mixed;
    a vertical part of 0 goes with it, because rows are aligned.

    Args:
        half: (N, 2, H/2, W/2) result of the network for the pair at half its size.
        hint: (N, 2, H, W): disparity px, below 0 unknown; trust 0..1.
    """
    centres = hint[:, :, ::CELL_PX, ::CELL_PX]
    disparity, trust = centres[:, :1], centres[:, 1:]
    is_known = (disparity >= 0) & (trust >= TAKEN_FROM)
    told = torch.cat([disparity / CELL_PX, torch.zeros_like(disparity)], dim=1)
    height, width = centres.shape[2:]
    own = (height / half.shape[2]) * resize(half, (height, width))
    return torch.where(is_known, told, own)


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Make the static graph of one input size.

    Args:
        graph: ``'crestereo'``, the only one.
        height: Rows of both images and of the hint; a multiple of 32, at least 64.
        width: Columns, as ``height``.
        options: ``iterations`` (even, 2 to 20; default 10), as many at half size.
        state: The official state dict of CREStereo.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the state dict is not CREStereo's.
    """
    check_options(graph, options, known=('iterations',))
    iterations = iterations_of(options)
    check_engine_size(height, width, multiple=SIZE_MULTIPLE)
    return Exportable(
        module=HintedCascade(frozen_network(state), iterations=iterations).eval(),
        inputs=(*image_specs(height, width), hint_spec(height, width)),
        outputs=(disparity_spec(height, width),),
        examples={'hint': example_hint(height, width)},
    )
