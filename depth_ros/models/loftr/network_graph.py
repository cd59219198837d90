"""LoFTR as engines see it: two uint8 images in, matches at fixed places of fixed maps out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.errors import RecipeError
from depth_ros.models.loftr.network_fine import RADIUS
from depth_ros.models.loftr.network_matching import MASKED, best_matches, similarity
from depth_ros.models.loftr.network_views import TokenView, cell_points, insides
from depth_ros.tensors import Exportable, TensorSpec

GRAPH = 'loftr'
DEFAULT_MATCHES, MAX_MATCHES = 1024, 8192
FINE_CELL_PX = 2
_COARSE_OUTPUTS = ('layer3_outconv.weight', 'layer4_outconv.weight', 'coarse_out.weight')
"""Of every backbone: what the coarse features are made by."""


class MatchNetwork(Protocol):
    """What a network offers to become a graph.

    Attributes:
        cell_px: Edge of a coarse cell in pixels.
        border: Coarse cells at the edges that give no matches.
        coarse_matching: Has ``log_confidence``.
    """

    cell_px: int
    border: int
    coarse_matching: nn.Module

    def views(
        self, first: Tensor, second: Tensor, first_mask: Tensor, second_mask: Tensor
    ) -> tuple[TokenView, TokenView]:
        """Return the features of both images."""

    def locate(
        self, views: tuple[TokenView, TokenView], item: Tensor, cells: tuple[Tensor, Tensor]
    ) -> Tensor | None:
        """Refine matches of cells to (M, 3), or None without a fine stage."""


class Choose(Protocol):
    """Chooses the best mutual pairs."""

    def __call__(
        self,
        tokens: tuple[Tensor, Tensor],
        penalty: tuple[Tensor, Tensor],
        inside: tuple[Tensor, Tensor],
        num_matches: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what ``network_tiles.tiled_matches`` does, which describes all of them."""


class MatchGraph(nn.Module):
    """The whole path with shapes that do not depend on the images.

    The best ``num_matches`` mutual pairs are refined; then each goes back to the place of its
    cell. In a map, unlike in a list by confidence, two runtimes that rank equals differently
    give the same values at the same places.
    """

    def __init__(
        self, network: MatchNetwork, num_matches: int, *, choose: Choose | None = None
    ) -> None:
        """Describe the graph.

        Args:
            network: What gives features and refines.
            num_matches: How many pairs are refined.
            choose: Finds them; None takes the confidences of all pairs of ``network``.
        """
        super().__init__()
        self.network = network
        self.num_matches = num_matches
        self.choose = partial(_of_all_pairs, network.coarse_matching) if choose is None else choose

    def forward(
        self, first: Tensor, second: Tensor, first_mask: Tensor, second_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Match one pair.

        Args:
            first: (1, H, W, 1) uint8 grey.
            second: As ``first``.
            first_mask: (1, H / cell, W / cell) uint8, 0 for cells that are padding.
            second_mask: As ``first_mask``, for the second image.

        Returns:
            (1, h, w) confidences, 0 where the cell has no match, and (1, h, w, 2) points (x, y)
            in the second image in pixels, 0 where there is none.
        """
        masks = (first_mask.float(), second_mask.float())
        images = [image.float().permute(0, 3, 1, 2) / 255 for image in (first, second)]
        views = self.network.views(images[0], images[1], masks[0], masks[1])
        penalty = ((1 - masks[0].flatten(1)) * MASKED, (1 - masks[1].flatten(1)) * MASKED)
        usable = [
            (inside & (mask.flatten(1) > 0))[0]
            for inside, mask in zip(insides(views, self.network.border), masks)  # noqa: B905
        ]
        cell0, cell1, confidence = self.choose(
            (views[0].coarse, views[1].coarse), penalty, (usable[0], usable[1]), self.num_matches
        )
        points = self._points(views, cell0, cell1) * (confidence > 0)[:, None]
        return _at_cells(views[0], cell0, confidence, points)

    def _points(self, views: tuple[TokenView, TokenView], cell0: Tensor, cell1: Tensor) -> Tensor:
        points = cell_points(cell1, views[1].grid, self.network.cell_px)
        offset = self.network.locate(views, torch.zeros_like(cell0), (cell0, cell1))
        return points if offset is None else points + offset[:, :2] * (RADIUS * FINE_CELL_PX)


def _of_all_pairs(
    matching: nn.Module,
    tokens: tuple[Tensor, Tensor],
    penalty: tuple[Tensor, Tensor],
    inside: tuple[Tensor, Tensor],
    num_matches: int,
) -> tuple[Tensor, Tensor, Tensor]:
    log_confidence = matching.log_confidence(similarity(*tokens), penalty)  # type: ignore[operator]
    return best_matches(log_confidence[0], inside, num_matches)


def match_exportable(module: MatchGraph, *, height: int, width: int) -> Exportable:
    """Describe the graph of one input size.

    Raises:
        RecipeError: If the size is not a multiple of the network's cell.
    """
    cell_px = module.network.cell_px
    if height % cell_px or width % cell_px or min(height, width) < 4 * cell_px:
        raise RecipeError(
            f'this LoFTR engine needs height and width in multiples of {cell_px} and at least '
            f'{4 * cell_px}, got {height}x{width}; the pipeline fits images of other sizes to it'
        )
    image, cells = (1, height, width, 1), (1, height // cell_px, width // cell_px)
    return Exportable(
        module=module.eval(),
        inputs=(
            TensorSpec(name='first', shape=image, dtype='uint8'),
            TensorSpec(name='second', shape=image, dtype='uint8'),
            TensorSpec(name='first_mask', shape=cells, dtype='uint8'),
            TensorSpec(name='second_mask', shape=cells, dtype='uint8'),
        ),
        outputs=(
            TensorSpec(name='confidence', shape=cells, dtype='float32'),
            TensorSpec(name='points', shape=(*cells, 2), dtype='float32', unit='px'),
        ),
        examples={'first_mask': np.ones(cells, np.uint8), 'second_mask': _padded_mask(cells)},
    )


def read_options(
    graph: str, options: Mapping[str, int | float | str | bool], *, names: Sequence[str]
) -> tuple[int, str]:
    """Return ``matches`` and ``variant``.

    Raises:
        RecipeError: If the graph or an option is unknown or has a wrong value.
    """
    if graph != GRAPH:
        raise RecipeError(f'LoFTR has no graph {graph!r}; name the graph {GRAPH!r}')
    unknown = sorted(set(options) - set(names))
    if unknown:
        raise RecipeError(f'LoFTR does not know the options {unknown}; use {", ".join(names)}')
    matches = options.get('matches', DEFAULT_MATCHES)
    if isinstance(matches, bool) or not isinstance(matches, int):
        matches = 0
    if not 1 <= matches <= MAX_MATCHES:
        raise RecipeError(
            f'matches must be a whole number from 1 to {MAX_MATCHES}, got '
            f'{options.get("matches")!r}; {DEFAULT_MATCHES} is usual'
        )
    return matches, str(options.get('variant', 'outdoor_ds'))


def made_up_state(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """Make random weights that let textures match: attention adds little to the features."""
    generator = np.random.Generator(np.random.PCG64(seed))
    state = {}
    for name, tensor in sorted(network.state_dict().items()):
        values = generator.random(tuple(tensor.shape)) * 2 - 1
        if tensor.ndim > 1:
            values -= values.mean(axis=tuple(range(1, tensor.ndim)), keepdims=True)
            values *= np.sqrt(6 / tensor[0].numel())
            values *= 8.0 if name.endswith(_COARSE_OUTPUTS) else 1.0
        else:
            is_scale = name.endswith('running_var') or ('.bn' in name and name.endswith('weight'))
            values = 0.1 * values + (1.0 if is_scale else 0.0)
            values = np.zeros_like(values) if name.endswith('num_batches_tracked') else values
            values = values + 0.25 if name.endswith('norm2.weight') else values
            values = values + 1.0 if name.endswith('norm1.weight') else values
        state[name] = torch.from_numpy(np.asarray(values, np.float32)).to(tensor.dtype)
    return state


def _at_cells(
    view: TokenView, cells: Tensor, confidence: Tensor, points: Tensor
) -> tuple[Tensor, Tensor]:
    """Write matches (K,) to the places of their cells, which are all different.

    What is no match may name any cell; it goes to a place of its own, which is cut off.
    """
    height, width = view.grid
    num_cells, count = height * width, cells.shape[0]
    beyond = torch.arange(num_cells, num_cells + count, device=cells.device)
    places = torch.where(confidence > 0, cells, beyond)
    empty = torch.zeros(num_cells + count, device=cells.device)
    columns = (confidence.float(), points[:, 0].float(), points[:, 1].float())
    confidences, x, y = (empty.scatter(0, places, column)[:num_cells] for column in columns)
    return confidences.view(1, height, width), torch.stack([x, y], 1).view(1, height, width, 2)


def _padded_mask(cells: tuple[int, int, int]) -> np.ndarray:
    """Mark the rightmost eighth as padding."""
    mask = np.ones(cells, np.uint8)
    mask[:, :, cells[2] - cells[2] // 8 :] = 0
    return mask
