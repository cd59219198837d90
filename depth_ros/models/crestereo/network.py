"""CREStereo in torch: the network, its static export form and synthetic weights.

Written from Li et al. 2022, "Practical Stereo Matching via Cascaded Recurrent Network with
Adaptive Correlation" (arXiv 2203.11483); parameter names are those of the official checkpoint.
Inside a level, flow points from left to right pixels: the right features are sampled at pixel +
flow. Every hand-over carries a minus sign, from level to level and from the last level to the
result: that is the arithmetic the published weights were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.errors import RecipeError, ShapeError
from depth_ros.models.crestereo.network_correlation import (
    NUM_SAMPLES,
    ROW_WINDOW,
    SQUARE_WINDOW,
    Correlation,
    DeformableCorrelation,
    LocalCorrelation,
)
from depth_ros.models.crestereo.network_features import (
    NUM_FEATURES,
    CrossAttention,
    FeatureEncoder,
    SelfAttention,
    to_map,
)
from depth_ros.models.crestereo.network_update import (
    NUM_HIDDEN,
    GatedPass,
    RecurrentBlock,
)
from depth_ros.models.layers.network_attention import position_table, to_tokens
from depth_ros.models.layers.network_precision import float32_region
from depth_ros.tensors import Exportable, TensorSpec

GRAPH = 'crestereo'
MIN_ITERATIONS, MAX_ITERATIONS = 2, 20
_MIN_SIZE = 32


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a level starts from.

    Attributes:
        hidden: (N, 128, H, W), changed by every iteration.
        context: (N, 128, H, W), the same for every iteration.
    """

    hidden: Tensor
    context: Tensor

    @classmethod
    def from_features(cls, features: Tensor) -> State:
        """Split the left features (N, 256, H, W)."""
        hidden, context = features.split(NUM_HIDDEN, dim=1)
        return cls(torch.tanh(hidden), F.relu(context))

    def pooled(self, factor: int) -> State:
        """Average over factor x factor pixels; rows and columns left over are dropped."""
        return State(F.avg_pool2d(self.hidden, factor), F.avg_pool2d(self.context, factor))


class CreStereo(nn.Module):
    """Cascade over 1/16, 1/8 and 1/4 with one recurrent update block for all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.fnet = FeatureEncoder()
        self.update_block = RecurrentBlock()
        self.self_att_fn = SelfAttention(NUM_FEATURES)
        self.cross_att_fn = CrossAttention(NUM_FEATURES)
        self.conv_offset_16 = nn.Conv2d(NUM_FEATURES, 2 * NUM_SAMPLES, 3, padding=1)
        self.conv_offset_8 = nn.Conv2d(NUM_FEATURES, 2 * NUM_SAMPLES, 3, padding=1)

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        *,
        iterations: int,
        initial_flow: Tensor | None = None,
    ) -> Tensor:
        """Match a batch of rectified pairs in one stage.

        Args:
            left: (N, 3, H, W) BGR, 0..255 as floats; H and W multiples of 4, at least 32.
            right: As ``left``.
            iterations: At 1/4; the two coarser levels take half as many (floored) each.
            initial_flow: (N, 2, h, w) result for a smaller version of the pair; replaces the
                coarse levels.

        Returns:
            (N, 2, H, W): disparity in pixels (x_left - x_right), then the vertical counterpart.
        """
        _check_images(left, right, multiple=4)
        _check_iterations(iterations)
        left_map, right_map = self._features(left, right)
        if initial_flow is None:
            initial_flow = self._coarse_levels(left_map, right_map, iterations // 2)
        flow = _hand_over(initial_flow, left_map)
        state = State.from_features(left_map)
        return -self._refine(LocalCorrelation(left_map, right_map), state, flow, iterations)

    def two_stage(self, left: Tensor, right: Tensor, *, iterations: int) -> Tensor:
        """Match at half size first and let that start the full-size run (section 3.3).

        Takes and gives what ``forward`` does; H and W must be multiples of 8, at least 64.
        """
        half = self.at_half_size(left, right, iterations=iterations)
        return self(left, right, iterations=iterations, initial_flow=half)

    def at_half_size(self, left: Tensor, right: Tensor, *, iterations: int) -> Tensor:
        """Match the pair at half its size; return ``forward``'s result there, (N, 2, H/2, W/2)."""
        _check_images(left, right, multiple=8)
        size = (left.shape[2] // 2, left.shape[3] // 2)
        return self(resize(left, size), resize(right, size), iterations=iterations)

    def sequence(self, left: Tensor, right: Tensor, *, iterations: int) -> list[Tensor]:
        """Return the result of every update of a one-stage run, for training.

        Takes what ``forward`` does. Flows, similarities and upsampling
        are float32 whatever the convolutions run in; gradients do not pass from one update to
        the next through the flow, but through the hidden state, as in RAFT (Teed & Deng 2020).

        Returns:
            ``2 * (iterations // 2) + iterations`` maps (N, 2, H, W) as ``forward`` gives, coarse
            levels resized to the images' size; the last is the result of ``forward``.
        """
        _check_images(left, right, multiple=4)
        _check_iterations(iterations)
        left_map, right_map = (features.float() for features in self._features(left, right))
        state, found = State.from_features(left_map), list[Tensor]()
        flow = torch.zeros_like(F.avg_pool2d(left_map[:, :2], 4))
        for factor, count in ((4, iterations // 2), (2, iterations // 2), (1, iterations)):
            correlation = self._correlation(left_map, right_map, factor)
            flow = _hand_over(flow, correlation.left) if found else flow
            flows = self._updates(correlation, state.pooled(factor), flow, count)
            found += [-factor * resize(one, (left.shape[2], left.shape[3])) for one in flows]
            flow = flows[-1]
        return found

    def _correlation(self, left: Tensor, right: Tensor, factor: int) -> Correlation:
        """Prepare the search at 1 / (4 * factor)."""
        if factor == 1:
            return LocalCorrelation(left, right)
        prepare = self._correlation_16 if factor == 4 else self._correlation_8
        return prepare(F.avg_pool2d(left, factor), F.avg_pool2d(right, factor))

    def _updates(
        self, correlation: Correlation, state: State, flow: Tensor, iterations: int
    ) -> list[Tensor]:
        """Iterate as ``_refine`` does; return the upsampled flow after every update."""
        passes = self.update_block.gru.passes(state.context)
        hidden, found = state.hidden, []
        for index in range(iterations):
            hidden, flow = self._update(passes, hidden, correlation, flow.detach(), index)
            with float32_region(flow):
                found.append(self.update_block.upsample(hidden.float(), flow))
        return found

    def _features(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        images = 2 * (torch.cat([left, right]) / 255) - 1
        left_map, right_map = self.fnet(images).chunk(2)
        return left_map, right_map

    def _coarse_levels(self, left_map: Tensor, right_map: Tensor, iterations: int) -> Tensor:
        """Run 1/16 and 1/8; return the result at about half the images' size."""
        state = State.from_features(left_map)
        correlation = self._correlation_16(F.avg_pool2d(left_map, 4), F.avg_pool2d(right_map, 4))
        still = torch.zeros_like(correlation.left[:, :2])
        flow = self._refine(correlation, state.pooled(4), still, iterations)

        correlation = self._correlation_8(F.avg_pool2d(left_map, 2), F.avg_pool2d(right_map, 2))
        flow = _hand_over(flow, correlation.left)
        return self._refine(correlation, state.pooled(2), flow, iterations)

    def _correlation_16(self, left: Tensor, right: Tensor) -> DeformableCorrelation:
        """Let the coarsest features attend to their own and to the other image.

        The published code repeats the cross attention in every iteration, on the same input:
        here it is computed once.
        """
        offsets = _sample_offsets(self.conv_offset_16(left))
        height, width = left.shape[2:]
        table = position_table(NUM_FEATURES, height, width, has_fixed_positions=False, like=left)
        tokens = self.self_att_fn(to_tokens(torch.cat([left, right]) + table))
        left, right = self.cross_att_fn(*tokens.chunk(2))
        return DeformableCorrelation(
            to_map(left, height, width), to_map(right, height, width), offsets
        )

    def _correlation_8(self, left: Tensor, right: Tensor) -> DeformableCorrelation:
        return DeformableCorrelation(left, right, _sample_offsets(self.conv_offset_8(left)))

    def _refine(
        self, correlation: Correlation, state: State, flow: Tensor, iterations: int
    ) -> Tensor:
        """Iterate at one level; return its flow at four times its size."""
        passes = self.update_block.gru.passes(state.context)
        hidden = state.hidden
        for index in range(iterations):
            hidden, flow = self._update(passes, hidden, correlation, flow, index)
        return self.update_block.upsample(hidden, flow)

    def _update(
        self,
        passes: tuple[GatedPass, GatedPass],
        hidden: Tensor,
        correlation: Correlation,
        flow: Tensor,
        index: int,
    ) -> tuple[Tensor, Tensor]:
        """Search along the row in even updates, in a square in odd ones."""
        window = ROW_WINDOW if index % 2 == 0 else SQUARE_WINDOW
        similarity = correlation(flow, window)
        hidden, change = self.update_block(passes, hidden, similarity, flow)
        return hidden, flow + change


class DisparityGraph(nn.Module):
    """The network as engines see it: uint8 RGB rows in, disparity out."""

    def __init__(self, network: CreStereo, *, iterations: int, stages: int) -> None:
        super().__init__()
        self.network = network
        self.match = network.two_stage if stages == 2 else network.forward
        self.iterations = iterations

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Map two (1, H, W, 3) uint8 RGB images to (1, H, W) float32 disparity in pixels."""
        flow = self.match(to_bgr(left), to_bgr(right), iterations=self.iterations)
        return flow[:, 0]


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
        height: Rows of both images; a multiple of 16, of 32 with two stages.
        width: Columns, as ``height``.
        options: ``iterations`` (even, 2 to 20; default 10) and ``stages`` (1 or 2; default 1).
        state: The official state dict.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the state dict is not CREStereo's.
    """
    check_options(graph, options, known=('iterations', 'stages'))
    iterations, stages = iterations_of(options), _stages_of(options)
    check_engine_size(height, width, multiple=16 * stages)
    network = frozen_network(state)
    return Exportable(
        module=DisparityGraph(network, iterations=iterations, stages=stages).eval(),
        inputs=image_specs(height, width),
        outputs=(disparity_spec(height, width),),
    )


def frozen_network(state: Mapping[str, Tensor]) -> CreStereo:
    """Make the network for export from its weights, strictly.

    Raises:
        WeightsError: If the weights do not fit.
    """
    network = CreStereo()
    load_strict(network, state)
    network.update_block.gru.freeze()
    return network


def image_specs(height: int, width: int) -> tuple[TensorSpec, TensorSpec]:
    """Describe the pair as graphs take it."""
    images = (1, height, width, 3)
    return (
        TensorSpec(name='left', shape=images, dtype='uint8'),
        TensorSpec(name='right', shape=images, dtype='uint8'),
    )


def disparity_spec(height: int, width: int) -> TensorSpec:
    """Describe the disparity as graphs give it."""
    return TensorSpec(name='disparity', shape=(1, height, width), dtype='float32', unit='px')


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make random weights that keep every signal bounded, for tests and benchmarks only.

    Kernels are uniform with variance 2 / fan-in; the last layer of the flow head is scaled
    down, so that an iteration moves a point by a fraction of a pixel.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    state = {}
    for name, tensor in sorted(CreStereo().state_dict().items()):
        values = generator.random(tuple(tensor.shape)) * 2 - 1
        if tensor.ndim > 1:
            values *= np.sqrt(6 / tensor[0].numel())
            values *= 0.5 if name.startswith('update_block.flow_head.conv2') else 1.0
        else:
            is_norm = '.norm' in name and name.endswith('weight')
            values = 0.1 * values + (1.0 if is_norm else 0.0)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def _hand_over(flow: Tensor, target: Tensor) -> Tensor:
    """Bring a flow to the size of the level of ``target``, with the sign turned.

    Both components are scaled by the ratio of heights, and corners are aligned: where a coarse
    level has dropped rows or columns, its map is stretched over them.
    """
    scale = target.shape[2] / flow.shape[2]
    return -scale * resize(flow, (target.shape[2], target.shape[3]))


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps (N, C, H, W) bilinearly to (rows, columns), corners aligned."""
    return F.interpolate(x, size=size, mode='bilinear', align_corners=True)


def _sample_offsets(logits: Tensor) -> Tensor:
    """Turn 18 channels into (N, 2, 9, H, W) displacements of at most a pixel, (x, y)."""
    offsets = 2 * (torch.sigmoid(logits) - 0.5)
    return offsets.unflatten(1, (NUM_SAMPLES, 2)).transpose(1, 2)


def to_bgr(images: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 RGB -> (N, 3, H, W) float32 BGR, still 0..255."""
    red, green, blue = images.float().permute(0, 3, 1, 2).split(1, dim=1)
    return torch.cat([blue, green, red], dim=1)


def _check_images(left: Tensor, right: Tensor, *, multiple: int) -> None:
    channels, height, width = left.shape[1:]
    smallest = _MIN_SIZE * multiple // 4
    fits = height % multiple == 0 and width % multiple == 0 and min(height, width) >= smallest
    if left.shape != right.shape or channels != 3 or not fits:
        raise ShapeError(
            f'CREStereo needs two (N, 3, H, W) images of one size, H and W multiples of '
            f'{multiple} and at least {smallest}, got {tuple(left.shape)} and '
            f'{tuple(right.shape)}; pad or resize them'
        )


def _check_iterations(iterations: int) -> None:
    if iterations < MIN_ITERATIONS:
        raise ShapeError(
            f'CREStereo needs at least {MIN_ITERATIONS} iterations, got {iterations}; set '
            f'iterations to an even number from {MIN_ITERATIONS} to {MAX_ITERATIONS}'
        )


def check_options(
    graph: str, options: Mapping[str, int | float | str | bool], *, known: tuple[str, ...]
) -> None:
    """Refuse another graph than ``GRAPH`` and options of other names than the known ones.

    Raises:
        RecipeError: Naming what is there.
    """
    if graph != GRAPH:
        raise RecipeError(f'CREStereo has no graph {graph!r}; name the graph {GRAPH!r}')
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise RecipeError(
            f'CREStereo does not know the options {unknown}; use {" and ".join(known)}'
        )


def iterations_of(options: Mapping[str, int | float | str | bool]) -> int:
    """Return the option ``iterations``, 10 if it is not given.

    Raises:
        RecipeError: If it is no even number in range.
    """
    iterations = options.get('iterations', 10)
    choices = range(MIN_ITERATIONS, MAX_ITERATIONS + 1, 2)
    if isinstance(iterations, bool) or iterations not in choices:
        raise RecipeError(
            f'CREStereo takes an even number of iterations from {MIN_ITERATIONS} to '
            f'{MAX_ITERATIONS}, got {iterations!r}; correct the recipe'
        )
    return int(iterations)


def _stages_of(options: Mapping[str, int | float | str | bool]) -> int:
    stages = options.get('stages', 1)
    if isinstance(stages, bool) or stages not in (1, 2):
        raise RecipeError(f'CREStereo runs in 1 or 2 stages, got {stages!r}; correct the recipe')
    return int(stages)


def check_engine_size(height: int, width: int, *, multiple: int) -> None:
    """Refuse sizes that the cascade cannot divide.

    Raises:
        RecipeError: Saying which sizes there are.
    """
    smallest = 2 * multiple
    if height % multiple or width % multiple or min(height, width) < smallest:
        raise RecipeError(
            f'a CREStereo engine needs height and width in multiples of {multiple} and at least '
            f'{smallest}, got {height}x{width}; the pipeline fits frames of other sizes to it'
        )
