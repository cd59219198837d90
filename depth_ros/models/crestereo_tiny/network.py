"""The small variant of CREStereo that this project trains: a cascade that sees the whole row.

The structure follows CREStereo (Li et al. 2022, arXiv 2203.11483): a shared encoder, a cascade
of resolutions, one recurrent update block shared by the levels, group-wise local correlation on
features warped once by the current disparity, convex upsampling at the end. What differs:

* channels are few, there is no attention and no deformable search, and batch normalisation
  lives in the encoder only (it folds into the convolutions);
* every level also correlates each left pixel with its whole right row. The update block reads
  nine samples around the current match from a 1-D pyramid of that volume (after RAFT, Teed and
  Deng 2020, arXiv 2003.12039), and is shown the row's best match with its score as a second
  hypothesis it can jump to through a gate. A thin foreground that a coarse level has lost is
  thereby within reach again;
* one correction at half resolution follows the last level (``network_fine``).

Shapes: B batch, C channels, H and W of the level at hand. A disparity inside a level counts in
that level's cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.errors import ParameterError, WeightsError
from depth_ros.models.crestereo_tiny.network_correlation import (
    NUM_TAPS,
    RowSight,
    local_correlation,
    warp_rows,
)
from depth_ros.models.crestereo_tiny.network_fine import FineLevel
from depth_ros.models.crestereo_tiny.network_upsampling import MaskHead, upsample_convex
from depth_ros.models.layers.network_precision import float32_region, full_precision
from depth_ros.tensors import Exportable, TensorSpec

SIZE_MULTIPLE = 16
GRAPH = 'crestereo'
"""The graph's name: the variant takes the place of the large network behind the same model."""
COARSE_ITERATIONS = (2, 2)
DEFAULT_ITERATIONS = 2
MAX_ITERATIONS = 20
Network = TypeVar('Network', bound='CreStereoTiny')
NUM_POSITIONS = 3
"""Evidence besides correlations: the disparity, the way to the second hypothesis, its score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TinyConfig:
    """Size of the network.

    Attributes:
        stem: Channels at half resolution.
        widths: Channels at 1/4, 1/8 and 1/16.
        match: Channels that are correlated.
        hidden: Channels of the recurrent state.
        groups: Groups of the local correlation.
        iterations: Updates at 1/16, 1/8 and 1/4; with hints the coarser may have none.
        row_scales: Scales of the row pyramid.
    """

    stem: int = 32
    widths: tuple[int, int, int] = (64, 96, 128)
    match: int = 64
    hidden: int = 48
    groups: int = 4
    iterations: tuple[int, int, int] = (*COARSE_ITERATIONS, DEFAULT_ITERATIONS)
    row_scales: tuple[int, ...] = (1, 2, 4)


@dataclass(kw_only=True)
class TinyPredictions:
    """Everything training looks at; lists run from first to last.

    Attributes:
        coarse: (pixels per cell, disparity (B, 1, h, w) in full-resolution px) of each update
            before the final upsampling.
        full: The final disparity (B, 1, H, W) px, upsampled.
        log_matches: (pixels per cell, (B, h, w, w) logarithm of the match of left x with right x)
            per level.
        log_scale: Logarithm of the Laplace scale of the final disparity's error (B, 1, H, W) px;
            empty where the network does not tell.
    """

    coarse: list[tuple[int, Tensor]] = field(default_factory=list)
    full: Tensor = field(default_factory=lambda: torch.empty(0))
    log_matches: list[tuple[int, Tensor]] = field(default_factory=list)
    log_scale: Tensor = field(default_factory=lambda: torch.empty(0))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        nn.init.constant_(self.norm2.weight, 0.2)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class Encoder(nn.Module):
    """Features at 1/2 for the upsampling, and at 1/4, 1/8, 1/16 for matching."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        widths = (config.stem, *config.widths)
        self.stem = nn.Sequential(
            nn.Conv2d(3, config.stem, 4, 2, 1, bias=False),
            nn.BatchNorm2d(config.stem),
            nn.ReLU(),
            ResidualBlock(config.stem, config.stem),
        )
        self.stages = nn.ModuleList(
            # Averaging halves the map: the gradient of a bfloat16 3x3 convolution with stride 2
            # takes four times as long on a CPU (torch 2.13), and averaging does not alias.
            nn.Sequential(nn.AvgPool2d(2), ResidualBlock(narrow, wide), ResidualBlock(wide, wide))
            for narrow, wide in pairwise(widths)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, 64, 1) for width in config.widths)
        self.smooth = nn.ModuleList(nn.Conv2d(64, 64, 3, 1, 1) for _ in config.widths[:-1])

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return features at 1/2, and 64-channel maps at 1/4, 1/8 and 1/16."""
        half = self.stem(images)
        maps, x = [], half
        for stage, lateral in zip(self.stages, self.laterals, strict=True):
            x = stage(x)
            maps.append(lateral(x))
        for level in (1, 0):
            above = functional.interpolate(maps[level + 1], scale_factor=2.0, mode='nearest')
            maps[level] = functional.relu(self.smooth[level](maps[level] + above))
        return half, maps


class UpdateBlock(nn.Module):
    """A convolutional GRU that reads the correlations and moves the disparity."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        hidden = config.hidden
        evidence = 9 * config.groups + NUM_TAPS * len(config.row_scales) + NUM_POSITIONS
        self.hidden = hidden
        self.squeeze = nn.Conv2d(evidence, 64, 1)
        self.squeeze_there = nn.Conv2d(9 * config.groups, 64, 1, bias=False)
        nn.init.zeros_(self.squeeze_there.weight)
        self.motion = nn.Conv2d(64, hidden, 3, 1, 1)
        self.gates = nn.Conv2d(2 * hidden, 2 * hidden, 3, 1, 1)
        self.candidate = nn.Conv2d(2 * hidden, hidden, 3, 1, 1)
        self.context = nn.Conv2d(64, 3 * hidden, 3, 1, 1)
        self.head = nn.Conv2d(hidden, 64, 3, 1, 1)
        self.move = nn.Conv2d(64, 2, 1)
        nn.init.normal_(self.move.weight, std=1e-3)
        with torch.no_grad():
            self.move.bias.copy_(torch.tensor([0.0, -2.0]))

    def forward(
        self, state: Tensor, context: Tensor, evidence: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the new state (B, hidden, H, W) and (B, 2, H, W): step in cells, jump logit.

        ``there`` (B, 64, H, W) is the squeezed evidence at the second hypothesis.
        """
        state, features = self.advance(state, context, evidence, there)
        return state, self.move(features)

    def advance(
        self, state: Tensor, context: Tensor, evidence: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the new state, and what the moves are read from, (B, 64, H, W)."""
        squeezed = functional.relu(self.squeeze(evidence) + there)
        motion = functional.relu(self.motion(squeezed))
        known = context[:, : 2 * self.hidden]
        both = torch.sigmoid(self.gates(torch.cat((state, motion), 1)) + known)
        update, reset = both[:, : self.hidden], both[:, self.hidden :]
        candidate = self.candidate(torch.cat((reset * state, motion), 1))
        candidate = torch.tanh(candidate + context[:, 2 * self.hidden :])
        state = (1.0 - update) * state + update * candidate
        return state, functional.relu(self.head(state))


class Level(nn.Module):
    """Projections of one resolution: what is matched, what is context, the first state."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.match = nn.Conv2d(64, config.match, 1)
        nn.init.normal_(self.match.weight, std=64**-0.5)
        self.context = nn.Conv2d(64, 64, 1)
        self.state = nn.Conv2d(64, config.hidden, 1)


class CreStereoTiny(nn.Module):
    """Disparity of a rectified pair; see the module's text for the structure."""

    def __init__(self, config: TinyConfig | None = None) -> None:
        super().__init__()
        self.config = config or TinyConfig()
        self.encoder = Encoder(self.config)
        self.levels = nn.ModuleList(Level(self.config) for _ in self.config.widths)
        self.update = UpdateBlock(self.config)
        self.mask = MaskHead(self.config.stem, self.config.hidden, factor=2)
        self.fine = FineLevel(self.config.stem, self.config.hidden, self.config.groups)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Map two RGB images (B, 3, H, W), 0..255, to disparity (B, 1, H, W) px, >= 0."""
        return self.predict(left, right).full.clamp(min=0.0)

    def predict(self, left: Tensor, right: Tensor) -> TinyPredictions:
        """Return every prediction on the way, and the final one in ``full``."""
        images = torch.cat((left, right), 0) * (1.0 / 64.0) - 2.0
        half, maps = self.encoder(images)
        found = TinyPredictions()
        disparity: Tensor | None = None
        for index in (2, 1, 0):
            if disparity is not None:
                disparity = 2.0 * functional.interpolate(
                    disparity, scale_factor=2.0, mode='bilinear', align_corners=False
                )
            state, disparity = self._run_level(index, maps[index], disparity, found)
        self._finish(half, maps[0], state, disparity, found)
        return found

    def _run_level(
        self, index: int, features: Tensor, disparity: Tensor | None, found: TinyPredictions
    ) -> tuple[Tensor, Tensor]:
        """Update the disparity at one resolution and note the predictions; return state, too."""
        level, cell = self.levels[index], 4 << index
        match = full_precision(level.match(features))
        left, right = match.chunk(2, 0)
        own = features[: left.shape[0]]
        state = torch.tanh(level.state(own))
        context = self.update.context(functional.relu(level.context(own)))
        with float32_region(left):
            sight = RowSight(left, right, self.config.row_scales)
            # Only the cross-entropy teaches the hypothesis: a wrong peak is up to a row away, and
            # the gradient of that jump would drown everything else early in training.
            best, score = (value.detach() for value in sight.best_match())
        there = self._evidence_there(left, sight, best)
        found.log_matches.append((cell, sight.log_match))
        disparity = best if disparity is None else disparity
        for _ in range(self.config.iterations[2 - index]):
            state, disparity = self._step(
                state, disparity.detach(), context, left, sight, best, score, there
            )
            found.coarse.append((cell, disparity * cell))
        return state, disparity

    def _finish(
        self,
        half: Tensor,
        quarter: Tensor,
        state: Tensor,
        disparity: Tensor,
        found: TinyPredictions,
    ) -> None:
        """Bring the last level's disparity to full resolution, through the fine level."""
        logits = self.mask(state, half[: disparity.shape[0]])
        disparity = upsample_convex(disparity, logits, 2)
        found.coarse.append((2, disparity * 2))
        disparity, logits = self.fine(half, quarter, state, disparity)
        found.coarse.append((2, disparity * 2))
        found.full = upsample_convex(disparity, logits, 2)

    def _evidence_there(self, left: Tensor, sight: RowSight, best: Tensor) -> Tensor:
        """Squeeze the local correlation at the second hypothesis; the same for all updates."""
        with float32_region(left):
            warped = warp_rows(sight.rows_right, best)
            local = local_correlation(left, warped, self.config.groups)
        return self.update.squeeze_there(local)

    def _step(
        self,
        state: Tensor,
        disparity: Tensor,
        context: Tensor,
        left: Tensor,
        sight: RowSight,
        best: Tensor,
        score: Tensor,
        there: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Gather the evidence at the current disparity, then update state and disparity."""
        with float32_region(left):
            warped = warp_rows(sight.rows_right, disparity)
            local = local_correlation(left, warped, self.config.groups)
            row = sight.lookup(disparity)
        away = best - disparity
        evidence = torch.cat((local, row, disparity / 32.0, torch.tanh(away / 4.0), score), 1)
        state, move = self.update(state, context, evidence, there)
        move = full_precision(move)
        return state, disparity + move[:, :1] + torch.sigmoid(move[:, 1:]) * away


class TinyGraph(nn.Module):
    """The network as it is exported: uint8 images in, one float32 map out."""

    def __init__(self, network: CreStereoTiny) -> None:
        super().__init__()
        self.network = network

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Map two RGB images (1, H, W, 3) uint8 to disparity (1, H, W) float32 px."""
        planes = [image.float().permute(0, 3, 1, 2) for image in (left, right)]
        return self.network(planes[0], planes[1])[:, 0]


def tiny_config(state: Mapping[str, Tensor], *, iterations: int) -> TinyConfig:
    """Read the sizes of the network off its weights.

    Args:
        state: The weights.
        iterations: Updates at 1/4.

    Raises:
        WeightsError: If the weights are not those of this network.
    """
    try:
        widths = tuple(int(state[f'encoder.laterals.{n}.weight'].shape[1]) for n in range(3))
        match = int(state['levels.0.match.weight'].shape[0])
        hidden = int(state['levels.0.state.weight'].shape[0])
        stem = int(state['encoder.stem.0.weight'].shape[0])
    except KeyError as missing:
        raise WeightsError(
            f'expected the weights of crestereo_tiny, but tensor {missing} is absent; '
            'pass weights/crestereo_tiny.safetensors'
        ) from missing
    return TinyConfig(
        stem=stem,
        widths=(widths[0], widths[1], widths[2]),
        match=match,
        hidden=hidden,
        iterations=(*COARSE_ITERATIONS, iterations),
    )


def tiny_network(state: Mapping[str, Tensor], *, iterations: int) -> CreStereoTiny:
    """Make the network for inference from its weights, strictly.

    Raises:
        WeightsError: If the weights do not fit.
    """
    network = CreStereoTiny(tiny_config(state, iterations=iterations))
    return load_weights(network, state, name='crestereo_tiny')


def load_weights(network: Network, state: Mapping[str, Tensor], *, name: str) -> Network:
    """Load the weights of the model ``name`` strictly and return the network for inference.

    Raises:
        WeightsError: If the weights do not fit.
    """
    counters = {key for key in network.state_dict() if key.endswith('num_batches_tracked')}
    missing, unexpected = network.load_state_dict(_checked(network, state), strict=False)
    wrong = sorted((set(missing) - counters) | set(unexpected))
    if wrong:
        raise WeightsError(
            f'the weights do not fit {name} (tensors {wrong[:4]}); use those in weights/'
        )
    return network.eval().requires_grad_(False)


def _checked(network: CreStereoTiny, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Refuse tensors of another shape."""
    own = network.state_dict()
    for key, value in state.items():
        if key in own and own[key].shape != value.shape:
            raise WeightsError(
                f'{key} must have shape {tuple(own[key].shape)}, got {tuple(value.shape)}; '
                'use the weights in weights/'
            )
    return dict(state)


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make up weights, for tests and benchmarks only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CreStereoTiny().state_dict()


def check_size(height: int, width: int) -> None:
    """Refuse sizes the cascade cannot halve evenly.

    Raises:
        ParameterError: If a side is not a positive multiple of 16.
    """
    if min(height, width) <= 0 or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise ParameterError(
            f'crestereo_tiny needs sides that are multiples of {SIZE_MULTIPLE}, '
            f'got {height}x{width}; use 240x320 or 480x640'
        )


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Return the network ready for export; inputs and outputs are those of ``crestereo``.

    Args:
        graph: Must be ``'crestereo'``.
        height: Multiple of 16, px.
        width: The same.
        options: ``iterations``, updates at 1/4; 3 by default.
        state: Weights, strict.

    Raises:
        ParameterError: For another graph, size or option.
        WeightsError: If the weights do not fit.
    """
    check_graph(graph, height, width)
    network = tiny_network(state, iterations=iterations_of(options))
    return Exportable(
        module=TinyGraph(network).eval(),
        inputs=image_specs(height, width),
        outputs=(map_spec('disparity', height, width),),
    )


def check_graph(graph: str, height: int, width: int) -> None:
    """Refuse a graph or a size that there is not.

    Raises:
        ParameterError: With what there is.
    """
    if graph != GRAPH:
        raise ParameterError(f'graph {graph!r} is unknown here; ask for {GRAPH!r}')
    check_size(height, width)


def image_specs(height: int, width: int) -> tuple[TensorSpec, TensorSpec]:
    """Return the two images that a graph takes."""
    left, right = (
        TensorSpec(name=name, shape=(1, height, width, 3), dtype='uint8')
        for name in ('left', 'right')
    )
    return left, right


def map_spec(name: str, height: int, width: int) -> TensorSpec:
    """Return a map in pixels that a graph gives."""
    return TensorSpec(name=name, shape=(1, height, width), dtype='float32', unit='px')


def iterations_of(options: Mapping[str, int | float | str | bool]) -> int:
    """Return the updates at 1/4 that the options ask for.

    Raises:
        ParameterError: If there is another option, or it is out of range.
    """
    unknown = sorted(set(options) - {'iterations'})
    if unknown:
        raise ParameterError(f"unknown options {unknown}; crestereo_tiny knows 'iterations' only")
    count = options.get('iterations', DEFAULT_ITERATIONS)
    if not isinstance(count, int) or not 1 <= count <= MAX_ITERATIONS:
        raise ParameterError(
            f'iterations must be a whole number from 1 to {MAX_ITERATIONS}, got {count!r}; '
            f'use {DEFAULT_ITERATIONS}'
        )
    return count
