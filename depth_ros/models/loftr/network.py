"""LoFTR in torch: the network, its variants, its static export form and synthetic weights.

Written from Sun et al. 2021, "LoFTR: Detector-Free Local Feature Matching with Transformers"
(arXiv 2104.00680); parameter names are those of the official checkpoints. The coarse student has a
module of its own, ``network_student``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.errors import RecipeError
from depth_ros.models.layers.network_attention import FeatureTransformer
from depth_ros.models.loftr.network_backbone import Backbone
from depth_ros.models.loftr.network_fine import RADIUS, FinePreprocess, expectation
from depth_ros.models.loftr.network_graph import (
    FINE_CELL_PX,
    MatchGraph,
    made_up_state,
    match_exportable,
    read_options,
)
from depth_ros.models.loftr.network_matching import (
    CellMatches,
    DualSoftmax,
    OptimalTransport,
    mutual_matches,
    similarity,
)
from depth_ros.models.loftr.network_views import (
    Maps,
    Masks,
    TokenView,
    both_features,
    cell_points,
    check_images,
    grid_of,
    insides,
    normalised,
    placed_tokens,
    transformed,
    valid_pairs,
)
from depth_ros.tensors import Exportable

COARSE_CHANNELS, FINE_CHANNELS = 256, 128
_BACKBONE_CHANNELS = (128, 196, 256)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoftrVariant:
    """Facts that an official file does not contain.

    Attributes:
        has_fixed_positions: Which position table it was trained with, see ``position_table``.
        border: Coarse cells at the edges that give no matches.
        has_transport: Whether matching is optimal transport instead of a dual softmax.
        threshold: Confidence a match must exceed.
        is_normalised: Whether images lose mean and contrast first, see ``normalised``.
    """

    has_fixed_positions: bool
    border: int
    has_transport: bool = False
    threshold: float = 0.2
    is_normalised: bool = False


VARIANTS: dict[str, LoftrVariant] = {
    'outdoor_ds': LoftrVariant(has_fixed_positions=False, border=2),
    'indoor_ds': LoftrVariant(has_fixed_positions=False, border=0),
    'indoor_ds_new': LoftrVariant(has_fixed_positions=True, border=0),
    'outdoor_ot': LoftrVariant(has_fixed_positions=False, border=2, has_transport=True),
    'indoor_ot': LoftrVariant(has_fixed_positions=False, border=0, has_transport=True),
}
"""By file name. The ``_ot`` ones are unverified: no reference outputs were at hand."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """What LoFTR finds in a batch of pairs, in order of item, then cell of the first image.

    Attributes:
        cells: Which cells match, with confidences.
        first_coarse: (M, 2) pixels (x, y).
        second_coarse: (M, 2) pixels.
        first: (M, 2) pixels; the coarse point itself.
        second: (M, 2) pixels, refined.
        expectation: (M, 3), see ``network_fine.expectation``.
    """

    cells: CellMatches
    first_coarse: Tensor
    second_coarse: Tensor
    first: Tensor
    second: Tensor
    expectation: Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Parts:
    """Parts of a network.

    Attributes:
        backbone: Grey images (N, 1, H, W) to coarse maps at 1/8 and fine ones at 1/2.
        coarse: Transformer of the coarse tokens.
        windows: Cuts windows out of the fine maps.
        fine: Transformer of the windows.
    """

    backbone: nn.Module
    coarse: FeatureTransformer
    windows: FinePreprocess
    fine: FeatureTransformer


def paper_parts() -> Parts:
    """Make the parts of the paper's size, those of the official checkpoints."""
    return Parts(
        backbone=Backbone(_BACKBONE_CHANNELS),
        coarse=FeatureTransformer(COARSE_CHANNELS, num_pairs=4),
        windows=FinePreprocess(COARSE_CHANNELS, FINE_CHANNELS),
        fine=FeatureTransformer(FINE_CHANNELS, num_pairs=1),
    )


class Loftr(nn.Module):
    """Coarse-to-fine matching of two grey images; without ``parts`` of the paper's size."""

    cell_px = 8

    def __init__(self, variant: LoftrVariant, parts: Parts | None = None) -> None:
        super().__init__()
        parts = paper_parts() if parts is None else parts
        self.variant = variant
        self.backbone = parts.backbone
        self.loftr_coarse = parts.coarse
        self.coarse_matching = OptimalTransport() if variant.has_transport else DualSoftmax()
        self.fine_preprocess = parts.windows
        self.loftr_fine = parts.fine

    def forward(
        self,
        first: Tensor,
        second: Tensor,
        *,
        first_mask: Tensor | None = None,
        second_mask: Tensor | None = None,
        first_scale: Tensor | None = None,
        second_scale: Tensor | None = None,
    ) -> Matches:
        """Match a batch of pairs.

        Args:
            first: (N, 1, H, W) grey in 0..1; H and W multiples of 8.
            second: As ``first``; the size may differ.
            first_mask: (N, H/8, W/8), 0 for padding.
            second_mask: As ``first_mask``, for the second image.
            first_scale: (N, 2), what the points' (x, y) are multiplied by.
            second_scale: As ``first_scale``, for the second image.
        """
        views = self.views(first, second, first_mask, second_mask)
        pairs = similarity(views[0].coarse, views[1].coarse)
        confidence = self.coarse_matching(pairs, valid_pairs(views))
        cells = mutual_matches(confidence, self.variant.threshold, *insides(views, self.border))
        return self._refined(views, cells, (first_scale, second_scale))

    @property
    def border(self) -> int:
        """Coarse cells at the edges that give no matches."""
        return self.variant.border

    def views(
        self,
        first: Tensor,
        second: Tensor,
        first_mask: Tensor | None = None,
        second_mask: Tensor | None = None,
    ) -> tuple[TokenView, TokenView]:
        """Extract features and apply the transformer; takes what ``forward`` does."""
        masks = (first_mask, second_mask)
        return self.views_of(self.maps((first, second), masks), masks)

    def maps(self, images: tuple[Tensor, Tensor], masks: Masks) -> tuple[Maps, Maps]:
        """Return the backbone's (coarse, fine) maps of both images: all that are convolutions."""
        check_images(*images, multiple=self.cell_px)
        if self.variant.is_normalised:
            pairs = zip(images, masks, strict=True)
            first, second = (normalised(image, mask, self.cell_px) for image, mask in pairs)
            images = (first, second)
        return both_features(self.backbone, *images)

    def views_of(
        self, maps: tuple[Maps, Maps], masks: Masks, *, origin: tuple[int, int] = (0, 0)
    ) -> tuple[TokenView, TokenView]:
        """Apply the transformer to both images' features; ``origin`` as in ``placed_tokens``."""
        has_fixed = self.variant.has_fixed_positions
        views = tuple(
            TokenView(
                placed_tokens(coarse, has_fixed_positions=has_fixed, origin=origin),
                grid_of(coarse),
                fine,
                mask,
            )
            for (coarse, fine), mask in zip(maps, masks, strict=True)
        )
        return transformed(self.loftr_coarse, (views[0], views[1]))

    def locate(
        self, views: tuple[TokenView, TokenView], item: Tensor, cells: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Refine matches of cells; return (M, 3), see ``network_fine.expectation``."""
        pair = [
            self.fine_preprocess(view.fine, view.coarse, item, cell)
            for view, cell in zip(views, cells, strict=True)
        ]
        return expectation(*self.loftr_fine(*pair))

    def _refined(
        self,
        views: tuple[TokenView, TokenView],
        cells: CellMatches,
        scales: tuple[Tensor | None, Tensor | None],
    ) -> Matches:
        offset = self.locate(views, cells.item, (cells.first, cells.second))
        scale0, scale1 = (1 if scale is None else scale[cells.item] for scale in scales)
        first = cell_points(cells.first, views[0].grid, self.cell_px) * scale0
        second = cell_points(cells.second, views[1].grid, self.cell_px) * scale1
        moved = offset[:, :2] * (RADIUS * FINE_CELL_PX) * scale1
        return Matches(cells, first, second, first, second + moved, offset)


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
        graph: ``'loftr'``, the only one.
        height: Rows of both images; a multiple of 8.
        width: Columns, as ``height``.
        options: ``matches``, how many are refined at most (default 1024), and ``variant``, a
            name in ``VARIANTS`` (default ``'outdoor_ds'``).
        state: The official state dict; a position table in it is ignored.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the state dict is not LoFTR's.
    """
    num_matches, name = read_options(graph, options, names=('matches', 'variant'))
    if name not in VARIANTS:
        raise RecipeError(f'LoFTR has no variant {name!r}; use one of: {", ".join(VARIANTS)}')
    network = load_loftr(VARIANTS[name], state)
    return match_exportable(MatchGraph(network, num_matches), height=height, width=width)


def load_loftr(variant: LoftrVariant, state: Mapping[str, Tensor]) -> Loftr:
    """Make a network with official weights, in evaluation mode.

    Raises:
        WeightsError: If the state dict is not that of the variant.
    """
    network = Loftr(variant)
    load_strict(network, {k: v for k, v in state.items() if k != 'pos_encoding.pe'})
    return network.eval()


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make random weights of a dual-softmax variant, for tests and benchmarks only."""
    return made_up_state(Loftr(VARIANTS['outdoor_ds']), seed)
