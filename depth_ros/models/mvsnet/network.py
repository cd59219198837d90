"""MVSNet in torch: the network, its static graphs and synthetic weights.

Written from Yao et al. 2018, "MVSNet: Depth Inference for Unstructured Multi-view Stereo"
(arXiv 1804.02505); parameter names are those of the published PyTorch checkpoint. It is cut into
three graphs, so that memory depends on neither the number of views nor, but for the U-net, on the
number of hypotheses: ``features`` of one view, ``volume`` of one slab of planes up to the first
layer of the U-net (8 channels instead of 32), and ``depth`` for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.errors import RecipeError, ShapeError
from depth_ros.models.mvsnet.network_features import NUM_FEATURES, DepthRefinement, FeatureTower
from depth_ros.models.mvsnet.network_regularisation import (
    NUM_COST_FEATURES,
    CostRegularisation,
    PackedConvolution,
    regress,
)
from depth_ros.models.mvsnet.network_volume import variance_volume
from depth_ros.models.mvsnet.projection import STRIDE
from depth_ros.models.mvsnet.slabs import cut_slabs
from depth_ros.tensors import Exportable, Options, TensorSpec

SIZE_MULTIPLE, DEPTH_MULTIPLE = 32, 8
DEFAULTS = {'depths': 96, 'sources': 2, 'slab': 16}


@dataclass(frozen=True, slots=True, eq=False)
class MvsDepth:
    """What the network gives, each (N, H/4, W/4).

    Attributes:
        depth: In the unit of the hypotheses.
        index: Expected index of the hypothesis.
        confidence: Photometric confidence, 0..1.
    """

    depth: Tensor
    index: Tensor
    confidence: Tensor


class MvsNet(nn.Module):
    """Features, variance volume, 3-D U-net, expectation; refinement if asked for."""

    def __init__(self, *, with_refinement: bool = False) -> None:
        super().__init__()
        self.feature = FeatureTower()
        self.cost_regularization = CostRegularisation()
        if with_refinement:
            self.refine_network = DepthRefinement()

    def forward(
        self, images: Tensor, transforms: Tensor, depths: Tensor, *, slab: int = 0
    ) -> MvsDepth:
        """Infer the depth of the first view.

        Args:
            images: (N, V, 3, H, W) RGB in 0..1; H and W multiples of 32, at least two views.
            transforms: (N, V - 1, 3, 4), source from reference pixels at 1/4; see
                ``projection.relative_projections``.
            depths: (N, D) hypotheses, D a multiple of 8.
            slab: Planes to compute at once, 0 for all.
        """
        _check_inputs(images, transforms, depths)
        reference, *sources = (self.feature(view) for view in images.unbind(dim=1))
        stacked = torch.stack(sources, dim=1)
        first = self._first_layer(reference, stacked, transforms, depths, slab)
        costs = self.cost_regularization.after_first(first)[:, 0]
        return MvsDepth(*regress(costs, depths))

    def first_of_slab(
        self,
        reference: Tensor,
        sources: Tensor,
        transforms: Tensor,
        depths: Tensor,
        inside: Tensor,
        num_views: Tensor | None = None,
    ) -> Tensor:
        """Compute the U-net's first layer on one slab.

        Args:
            reference: (N, 32, h, w).
            sources: (N, S, 32, h, w).
            transforms: (N, S, 3, 4).
            depths: (N, P + 2), see ``slabs.Slab``.
            inside: (P + 2,).
            num_views: See ``variance_volume``.

        Returns:
            (N, 8, P, h, w).
        """
        variance = variance_volume(reference, sources, transforms, depths, num_views=num_views)
        return self.cost_regularization.conv0.inner(variance * inside.view(1, 1, -1, 1, 1))

    def _first_layer(
        self,
        reference: Tensor,
        sources: Tensor,
        transforms: Tensor,
        depths: Tensor,
        slab: int,
    ) -> Tensor:
        if not slab:
            variance = variance_volume(reference, sources, transforms, depths)
            return self.cost_regularization.conv0(variance)
        batch, num_depths = depths.shape
        shape = (batch, NUM_COST_FEATURES, num_depths, *reference.shape[2:])
        out = reference.new_empty(shape)
        for part in cut_slabs(np.arange(num_depths), slab):
            planes = torch.from_numpy(part.depths).long()
            inside = torch.from_numpy(part.inside).to(depths)
            values = self.first_of_slab(reference, sources, transforms, depths[:, planes], inside)
            out[:, :, part.start : part.stop] = values
        return out


class FeatureGraph(nn.Module):
    """One view: uint8 RGB rows in, features out."""

    def __init__(self, network: MvsNet) -> None:
        super().__init__()
        self.feature = network.feature

    def forward(self, image: Tensor) -> Tensor:
        """Map (1, H, W, 3) uint8 to (1, 32, H/4, W/4)."""
        return self.feature(image.float().permute(0, 3, 1, 2) / 255)


class VolumeGraph(nn.Module):
    """One slab of planes for a fixed number of sources; absent ones come as zeros."""

    def __init__(self, network: MvsNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        reference: Tensor,
        sources: Tensor,
        transforms: Tensor,
        num_views: Tensor,
        depths: Tensor,
        inside: Tensor,
    ) -> Tensor:
        """See ``MvsNet.first_of_slab``; all but ``reference`` come without the batch axis."""
        return self.network.first_of_slab(
            reference, sources[None], transforms[None], depths[None], inside, num_views
        )


class SoftArgminGraph(nn.Module):
    """The U-net behind its first layer, and the regression."""

    def __init__(self, network: MvsNet) -> None:
        super().__init__()
        self.regularisation = network.cost_regularization
        self.last = PackedConvolution(network.cost_regularization.prob)

    def forward(self, costs: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Map (1, 8, D, h, w) and (D,) to the expected value and the confidence, (1, h, w)."""
        scores = self.last(self.regularisation.before_last(costs))[:, 0]
        value, _, confidence = regress(scores[None], values.view(1, -1))
        return value, confidence


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Options,
    state: Mapping[str, Tensor],
) -> Exportable:
    """Make one of the static graphs.

    Args:
        graph: ``'features'``, ``'volume'`` or ``'depth'``.
        height: Rows of the images; a multiple of 32.
        width: Columns, as ``height``.
        options: ``depths`` (a multiple of 8), ``sources`` and ``slab``; those that the graph
            does not depend on may be left out.
        state: The published state dict, with or without ``refine_network.*``.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the state dict is not MVSNet's.
    """
    makers = {'features': _features, 'volume': _volume, 'depth': _depth}
    if graph not in makers:
        raise RecipeError(f'MVSNet has no graph {graph!r}; name one of {list(makers)}')
    _check_engine_size(height, width)
    numbers = _check_options(options)
    network = load_network(state)
    return makers[graph](network, height // STRIDE, width // STRIDE, numbers)


def load_network(state: Mapping[str, Tensor]) -> MvsNet:
    """Make the network a state dict is for, with refinement if it has it.

    Raises:
        WeightsError: If names or shapes are not MVSNet's.
    """
    has_refinement = any(key.startswith('refine_network.') for key in state)
    network = MvsNet(with_refinement=has_refinement).eval()
    load_strict(network, state)
    return network


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make random weights that keep every signal bounded, for tests and benchmarks only."""
    generator = np.random.Generator(np.random.PCG64(seed))
    state = {}
    for name, tensor in sorted(MvsNet().state_dict().items()):
        shape = tuple(tensor.shape)
        if name.endswith('num_batches_tracked'):
            state[name] = torch.zeros((), dtype=torch.int64)
            continue
        values = generator.random(shape) * 2 - 1
        if tensor.ndim > 1:
            values *= np.sqrt(6 / tensor[0].numel())
        else:
            is_scale = name.endswith(('.running_var', 'bn.weight', '.1.weight'))
            values = 0.1 * values + (1.0 if is_scale else 0.0)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def _features(network: MvsNet, rows: int, columns: int, _: Mapping[str, int]) -> Exportable:
    image = (1, STRIDE * rows, STRIDE * columns, 3)
    return Exportable(
        module=FeatureGraph(network).eval(),
        inputs=(TensorSpec(name='image', shape=image, dtype='uint8'),),
        outputs=(_float('features', (1, NUM_FEATURES, rows, columns)),),
    )


def _volume(network: MvsNet, rows: int, columns: int, numbers: Mapping[str, int]) -> Exportable:
    sources, planes = numbers['sources'], min(numbers['slab'], numbers['depths'])
    return Exportable(
        module=VolumeGraph(network).eval(),
        inputs=(
            _float('reference', (1, NUM_FEATURES, rows, columns)),
            _float('sources', (sources, NUM_FEATURES, rows, columns)),
            _float('transforms', (sources, 3, 4)),
            _float('num_views', (1,)),
            _float('depths', (planes + 2,), unit='m'),
            _float('inside', (planes + 2,)),
        ),
        outputs=(_float('costs', (1, NUM_COST_FEATURES, planes, rows, columns)),),
        examples={
            'transforms': _example_transforms(sources, rows, columns),
            'num_views': np.array([1.0 + sources], np.float32),
            'depths': np.linspace(1.0, 4.0, planes + 2, dtype=np.float32),
            'inside': np.array([0.0] + [1.0] * (planes + 1), np.float32),
        },
    )


def _depth(network: MvsNet, rows: int, columns: int, numbers: Mapping[str, int]) -> Exportable:
    num_depths, size = numbers['depths'], (1, rows, columns)
    return Exportable(
        module=SoftArgminGraph(network).eval(),
        inputs=(
            _float('costs', (1, NUM_COST_FEATURES, num_depths, rows, columns)),
            _float('values', (num_depths,), unit='m or 1/m'),
        ),
        outputs=(_float('value', size, unit='m or 1/m'), _float('confidence', size)),
        examples={'values': np.linspace(1.0, 4.0, num_depths, dtype=np.float32)},
    )


def _float(name: str, shape: tuple[int, ...], *, unit: str = '') -> TensorSpec:
    return TensorSpec(name=name, shape=shape, dtype='float32', unit=unit)


def _example_transforms(sources: int, rows: int, columns: int) -> np.ndarray:
    """Cameras of 50 degrees or so, side by side, each turned inwards a little."""
    k = np.array([[columns, 0.0, columns / 2], [0.0, columns, rows / 2], [0.0, 0.0, 1.0]])
    transforms = np.empty((sources, 3, 4), np.float32)
    for index in range(sources):
        side = (1 + index // 2) * (1 if index % 2 == 0 else -1)
        turn = np.array([[1.0, 0.0, -0.02 * side], [0.0, 1.0, 0.01], [0.02 * side, -0.01, 1.0]])
        transforms[index, :, :3] = k @ turn @ np.linalg.inv(k)
        transforms[index, :, 3] = k @ np.array([0.1 * side, 0.03 * side, 0.01])
    return transforms


def _check_inputs(images: Tensor, transforms: Tensor, depths: Tensor) -> None:
    batch, views, channels, height, width = images.shape
    fits = height % SIZE_MULTIPLE == 0 and width % SIZE_MULTIPLE == 0 and channels == 3
    if not fits or views < 2 or depths.shape[1] % DEPTH_MULTIPLE:
        raise ShapeError(
            'MVSNet needs (N, V, 3, H, W) images, V at least 2, H and W multiples of '
            f'{SIZE_MULTIPLE}, and a multiple of {DEPTH_MULTIPLE} depths, got '
            f'{tuple(images.shape)} and {tuple(depths.shape)}; fit them first'
        )
    if transforms.shape != (batch, views - 1, 3, 4) or depths.shape[0] != batch:
        raise ShapeError(
            f'MVSNet needs transforms of shape {(batch, views - 1, 3, 4)} and depths of '
            f'{batch} items, got {tuple(transforms.shape)} and {tuple(depths.shape)}; give one '
            'transform for each source and one list of depths for each item'
        )


def _check_engine_size(height: int, width: int) -> None:
    smallest = 2 * SIZE_MULTIPLE
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE or min(height, width) < smallest:
        raise RecipeError(
            f'an MVSNet engine needs height and width in multiples of {SIZE_MULTIPLE} and at '
            f'least {smallest}, got {height}x{width}; the pipeline fits frames of other sizes'
        )


def _check_options(options: Options) -> dict[str, int]:
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise RecipeError(f'MVSNet does not know the options {unknown}; use {", ".join(DEFAULTS)}')
    numbers: dict[str, int] = {}
    for name, value in {**DEFAULTS, **options}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RecipeError(
                f'MVSNet needs a whole number above 0 as {name}, got {value!r}; correct the recipe'
            )
        numbers[name] = value
    if numbers['depths'] % DEPTH_MULTIPLE:
        raise RecipeError(
            f'MVSNet takes a multiple of {DEPTH_MULTIPLE} depths, got {numbers["depths"]}; '
            'correct the recipe'
        )
    return numbers
