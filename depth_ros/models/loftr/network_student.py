"""The distilled coarse student of LoFTR in torch: a small coarse stage at 1/16, nothing after it.

Written from Kolodiazhnyi 2022, "Local Feature Matching with Transformers for low-end devices"
(arXiv 2202.00770), and from the shapes in its published file (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.models.layers.network_attention import FeatureTransformer
from depth_ros.models.loftr.network_backbone import CoarseBackbone
from depth_ros.models.loftr.network_graph import (
    MatchGraph,
    made_up_state,
    match_exportable,
    read_options,
)
from depth_ros.models.loftr.network_matching import DualSoftmax, similarity
from depth_ros.models.loftr.network_views import (
    TokenView,
    both_features,
    check_images,
    grid_of,
    placed_tokens,
    transformed,
    valid_pairs,
)
from depth_ros.tensors import Exportable

_UNUSED = ('backbone.layer3_outconv', 'backbone.layer2_outconv')
"""The published file has a way back up to finer maps, which nothing at 1/16 looks at."""


class CoarseLoftr(nn.Module):
    """Coarse matching only; a match is as precise as a cell of 16 pixels allows."""

    cell_px = 16
    border = 0

    def __init__(self) -> None:
        super().__init__()
        self.backbone = CoarseBackbone(8, (8, 16, 32, 32))
        self.loftr_coarse = FeatureTransformer(32, num_pairs=2, num_heads=1, norm_epsilon=1e-7)
        self.coarse_matching = DualSoftmax()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the confidences (N, L, S) of all pairs of cells; takes what ``views`` does."""
        views = self.views(first, second)
        pairs = similarity(views[0].coarse, views[1].coarse)
        return self.coarse_matching(pairs, valid_pairs(views))

    def views(
        self,
        first: Tensor,
        second: Tensor,
        first_mask: Tensor | None = None,
        second_mask: Tensor | None = None,
    ) -> tuple[TokenView, TokenView]:
        """Extract features and apply the transformer.

        Args:
            first: (N, 1, H, W) grey in 0..1; H and W multiples of 16.
            second: As ``first``; the size may differ.
            first_mask: (N, H/16, W/16), 0 for padding.
            second_mask: As ``first_mask``, for the second image.
        """
        check_images(first, second, multiple=self.cell_px)
        maps = both_features(self.backbone, first, second)
        masks = (first_mask, second_mask)
        views = tuple(
            TokenView(placed_tokens(coarse, has_fixed_positions=False), grid_of(coarse), mask=mask)
            for coarse, mask in zip(maps, masks, strict=True)
        )
        return transformed(self.loftr_coarse, (views[0], views[1]))

    def locate(
        self, views: tuple[TokenView, TokenView], item: Tensor, cells: tuple[Tensor, Tensor]
    ) -> Tensor | None:
        """Return None: there is no fine stage."""
        return None


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Make the static graph of one input size; inputs and outputs are those of ``loftr``.

    Args:
        graph: ``'loftr'``, the only one.
        height: Rows of both images; a multiple of 16.
        width: Columns, as ``height``.
        options: ``matches``, as for ``network.exportable``.
        state: The published state dict.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the state dict is not the student's.
    """
    num_matches, _ = read_options(graph, options, names=('matches',))
    network = CoarseLoftr()
    used = {name: value for name, value in state.items() if not name.startswith(_UNUSED)}
    load_strict(network, used)
    return match_exportable(MatchGraph(network, num_matches), height=height, width=width)


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make random weights, for tests and benchmarks only."""
    return made_up_state(CoarseLoftr(), seed)
