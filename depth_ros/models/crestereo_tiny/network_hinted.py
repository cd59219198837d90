"""The small CREStereo variant with a hint: a disparity that somebody already has.

Encoder, levels and updates are those of ``network``, and its weights load here. Every update
chooses between three hypotheses: the current disparity, the row's best match and the hint
(``network_hint_update``); half and full resolution look at the hint again
(``network_hint_fine``). Without a hint the same network runs on the pair alone. Weights that have
an error head tell how far the result may be off, too (``network_error``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.errors import WeightsError
from depth_ros.models.crestereo_tiny.network import (
    CreStereoTiny,
    TinyConfig,
    TinyPredictions,
    check_graph,
    image_specs,
    iterations_of,
    load_weights,
    map_spec,
    tiny_config,
)
from depth_ros.models.crestereo_tiny.network_correlation import (
    RowSight,
    local_correlation,
    warp_rows,
)
from depth_ros.models.crestereo_tiny.network_error import ErrorHead, Matched, deviation
from depth_ros.models.crestereo_tiny.network_hint_agreement import belief, share_nearby, votes
from depth_ros.models.crestereo_tiny.network_hint_fine import FullLevel, HintedFine
from depth_ros.models.crestereo_tiny.network_hint_planes import HintPlane, full_plane, hint_pyramid
from depth_ros.models.crestereo_tiny.network_hint_update import HintedUpdate, LevelSight
from depth_ros.models.crestereo_tiny.network_upsampling import upsample_convex
from depth_ros.models.layers.hint_inputs import example_hint, hint_spec
from depth_ros.models.layers.network_precision import float32_region, full_precision
from depth_ros.tensors import Exportable

UNKNOWN_PX = -1.0
"""Disparity of a hint where there is none."""
MOST_MUDDLED = 1.2
"""Largest disturbance in standard deviations of what is matched."""


class CreStereoTinyHinted(CreStereoTiny):
    """Disparity of a rectified pair and a hint; see the module's text.

    Args:
        config: Sizes.
        tells_error: Whether there is an error head.

    Attributes:
        muddled: While training, the share of hinted samples whose matching is disturbed in
            places. On drawn pairs the network errs more seldom than on real ones, and a hint does
            not; without this it learns to do without hints.
    """

    muddled = 0.0

    def __init__(self, config: TinyConfig | None = None, *, tells_error: bool = True) -> None:
        super().__init__(config)
        self.update = HintedUpdate(self.config)
        self.fine = HintedFine(self.config.stem, self.config.hidden, self.config.groups)
        self.full = FullLevel()
        self.error = ErrorHead() if tells_error else None

    def forward(self, left: Tensor, right: Tensor, hint: Tensor | None = None) -> Tensor:
        """Map images (B, 3, H, W), 0..255, and a hint to disparity (B, 1, H, W) px, >= 0.

        Args:
            left: RGB.
            right: RGB.
            hint: (B, 2, H, W): disparity px, below 0 where unknown, and trust 0..1.
        """
        return self.predict(left, right, hint).full.clamp(min=0.0)

    def predict(self, left: Tensor, right: Tensor, hint: Tensor | None = None) -> TinyPredictions:
        """Return every prediction on the way, and the final one in ``full``."""
        found, matched = self.match(left, right, hint)
        if self.error is not None:
            found.log_scale = self.error(left, right, matched)
        return found

    def match(
        self, left: Tensor, right: Tensor, hint: Tensor | None = None
    ) -> tuple[TinyPredictions, Matched]:
        """Return every prediction but the error's, and what was found on the way."""
        images = torch.cat((left, right), 0) * (1.0 / 64.0) - 2.0
        half, maps = self.encoder(images)
        found = TinyPredictions()
        places = self._muddled_places(hint)
        used = [index for index in (2, 1, 0) if self.config.iterations[2 - index]]
        seen = {index: self._look(index, maps[index], places) for index in used}
        believed, planes = _believed(full_plane(no_hint(left) if hint is None else hint), seen[0])
        disparity: Tensor | None = None
        for index in used:
            if disparity is not None:
                disparity = 2.0 * functional.interpolate(
                    disparity, scale_factor=2.0, mode='bilinear', align_corners=False
                )
            state, disparity = self._run_hinted(
                index, maps[index], seen[index], disparity, planes[4 << index], found
            )
        logits = self.mask(state, half[: left.shape[0]])
        disparity = upsample_convex(disparity, logits, 2)
        found.coarse.append((2, disparity * 2))
        nearby = share_nearby(*votes(seen[0].best, seen[0].score, planes[4]))
        disparity, logits, x = self.fine.correct(
            half, maps[0], state, disparity, planes[2], nearby
        )
        found.coarse.append((2, disparity * 2))
        disparity = upsample_convex(disparity, logits, 2)
        found.coarse.append((1, disparity))
        found.full = self.full(left, right, x, disparity, planes[1], nearby)
        return found, Matched(
            disparity=found.full,
            features=x,
            best=seen[0].best,
            score=seen[0].score,
            nearby=nearby,
            hint=planes[1],
            belief=believed,
        )

    def _muddled_places(self, hint: Tensor | None) -> Tensor | None:
        """Draw how much to disturb what is matched, (B, 1, H, W); None but while training."""
        if hint is None or not self.muddled or not torch.is_grad_enabled():
            return None
        batch, _, height, width = hint.shape
        coarse = torch.randn(batch, 1, 2 + height // 32, 2 + width // 32, device=hint.device)
        smooth = functional.interpolate(coarse, (height, width), mode='bicubic')
        chosen = (torch.rand(batch, 1, 1, 1, device=hint.device) < self.muddled).float()
        chosen = chosen * (hint[:, 1:].mean((2, 3), keepdim=True) > 0.3).float()
        strength = MOST_MUDDLED * torch.rand(batch, 1, 1, 1, device=hint.device)
        return chosen * strength * (smooth > 0.6).float()

    def _look(self, index: int, features: Tensor, places: Tensor | None = None) -> LevelSight:
        """Compare every left cell with its right row."""
        left, right = full_precision(self.levels[index].match(features)).chunk(2, 0)
        if places is not None:
            noise = torch.randn_like(left) * left.detach().std()
            left = left + noise * places[:, :, :: 4 << index, :: 4 << index]
        with float32_region(left):
            sight = RowSight(left, right, self.config.row_scales)
            # As in the network without hints, only the cross-entropy teaches the hypothesis.
            best, score = (value.detach() for value in sight.best_match())
        return LevelSight(left=left, sight=sight, best=best, score=score)

    def _run_hinted(
        self,
        index: int,
        features: Tensor,
        seen: LevelSight,
        disparity: Tensor | None,
        plane: HintPlane,
        found: TinyPredictions,
    ) -> tuple[Tensor, Tensor]:
        """Update the disparity at one resolution and note the predictions; return state, too."""
        level, cell = self.levels[index], 4 << index
        left, sight, best, score = seen.left, seen.sight, seen.best, seen.score
        own = features[: left.shape[0]]
        state = torch.tanh(level.state(own))
        context = self.update.context(functional.relu(level.context(own)))
        there = self._evidence_there(left, sight, best)
        hint = self.update.at_level(seen, plane)
        found.log_matches.append((cell, sight.log_match))
        disparity = best if disparity is None else disparity
        for _ in range(self.config.iterations[2 - index]):
            start = disparity.detach()
            evidence = self._evidence_here(left, sight, start, best, score)
            state, disparity = self.update.choose(
                state, start, context, evidence, there, best, hint
            )
            found.coarse.append((cell, disparity * cell))
        return state, disparity

    def _evidence_here(
        self, left: Tensor, sight: RowSight, disparity: Tensor, best: Tensor, score: Tensor
    ) -> Tensor:
        """Gather what the update block reads at the current disparity."""
        with float32_region(left):
            warped = warp_rows(sight.rows_right, disparity)
            local = local_correlation(left, warped, self.config.groups)
            row = sight.lookup(disparity)
        away = torch.tanh((best - disparity) / 4.0)
        return torch.cat((local, row, disparity / 32.0, away, score), 1)


def _believed(full: HintPlane, seen: LevelSight) -> tuple[Tensor, dict[int, HintPlane]]:
    """Return how far the images at 1/4 believe the hint, and it so trusted at all levels."""
    planes = hint_pyramid(full)
    share = belief(*votes(seen.best, seen.score, planes[4]))
    return share, {cell: plane.trusted(share) for cell, plane in planes.items()}


class HintedGraph(nn.Module):
    """The network as it is exported: uint8 images and a float32 hint in, float32 maps out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, left: Tensor, right: Tensor, hint: Tensor) -> tuple[Tensor, ...]:
        """Map images (1, H, W, 3) uint8 and a hint (1, 2, H, W) to maps (1, H, W) px.

        They are disparity, and where the network tells it, the standard deviation of its error.
        """
        planes = [image.float().permute(0, 3, 1, 2) for image in (left, right)]
        found = self.network.predict(planes[0], planes[1], hint)
        disparity = found.full.clamp(min=0.0)[:, 0]
        if not found.log_scale.numel():
            return (disparity,)
        return disparity, deviation(found.log_scale)[:, 0]


def no_hint(left: Tensor) -> Tensor:
    """Return the planes (B, 2, H, W) of a hint that knows nothing."""
    batch, _, height, width = left.shape
    unknown = left.new_full((batch, 1, height, width), UNKNOWN_PX)
    return torch.cat((unknown, torch.zeros_like(unknown)), 1)


def is_hinted(state: Mapping[str, Tensor]) -> bool:
    """Whether weights are of this network, and not of the one without hints."""
    return 'fine.hint_enter.weight' in state


def tells_error(state: Mapping[str, Tensor]) -> bool:
    """Whether weights have an error head."""
    return 'error.enter.weight' in state


def is_of_hint(key: str) -> bool:
    """Whether a tensor of this network has no counterpart in the one without hints."""
    return '.hint_' in key or key.startswith('full.') or is_of_error(key)


def is_of_error(key: str) -> bool:
    """Whether a tensor belongs to the error head."""
    return key.startswith('error.')


def hinted_network(state: Mapping[str, Tensor], *, iterations: int) -> CreStereoTinyHinted:
    """Make the network for inference from its weights, strictly.

    Raises:
        WeightsError: If the weights do not fit.
    """
    if not is_hinted(state):
        raise WeightsError(
            'expected the weights of crestereo_tiny_hinted, but the tensors of the hint are '
            'absent; pass weights/crestereo_tiny_hinted.safetensors, or use model crestereo_tiny'
        )
    config = tiny_config(state, iterations=iterations)
    network = CreStereoTinyHinted(config, tells_error=tells_error(state))
    return load_weights(network, state, name='crestereo_tiny_hinted')


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make up weights, for tests and benchmarks only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CreStereoTinyHinted().state_dict()


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Return the network ready for export.

    Args:
        graph: Must be ``'crestereo'``.
        height: Multiple of 16, px.
        width: The same.
        options: ``iterations``, updates at 1/4.
        state: Weights, strict.

    Raises:
        ParameterError: For another graph, size or option.
        WeightsError: If the weights do not fit.
    """
    check_graph(graph, height, width)
    network = hinted_network(state, iterations=iterations_of(options))
    names = ('disparity', 'sigma') if network.error is not None else ('disparity',)
    return exported(network, height, width, names)


def exported(network: nn.Module, height: int, width: int, outputs: Sequence[str]) -> Exportable:
    """Return a network whose ``predict`` takes a hint, ready for export.

    Args:
        network: With its weights.
        height: Rows of images and hint, px.
        width: Their columns.
        outputs: Names of the maps (1, H, W) that ``HintedGraph`` gives of it.
    """
    return Exportable(
        module=HintedGraph(network).eval(),
        inputs=(*image_specs(height, width), hint_spec(height, width)),
        outputs=tuple(map_spec(name, height, width) for name in outputs),
        examples={'hint': example_hint(height, width)},
    )
