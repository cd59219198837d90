"""Monodepth2 in torch: depth and pose networks, their static export forms, synthetic weights.

Written from Godard et al. 2019, "Digging Into Self-Supervised Monocular Depth Estimation" (arXiv
1806.01260), section 3 and supplementary tables; parameter names are those of the official files,
each file's under the prefix of its name: ``encoder.``, ``depth.``, ``pose_encoder.``, ``pose.``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.errors import RecipeError, WeightsError
from depth_ros.models.monodepth2.network_depth import DepthNetwork, decoder_layout_of
from depth_ros.models.monodepth2.network_pose import PoseNetwork
from depth_ros.models.monodepth2.network_resnet import SIZE_MULTIPLE, layout_of
from depth_ros.models.monodepth2.network_synthetic import synthetic_state
from depth_ros.tensors import Exportable, TensorSpec

__all__ = ['exportable', 'load_depth', 'load_pose', 'synthetic_state']

DEPTH, POSE = 'depth', 'pose'
_PREFIXES = {DEPTH: ('encoder.', 'depth.'), POSE: ('pose_encoder.', 'pose.')}


class DepthGraph(nn.Module):
    """The depth network as engines see it: uint8 RGB rows in, disparity out."""

    def __init__(self, network: DepthNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Map a (1, H, W, 3) uint8 RGB image to (1, H, W) float32 disparity in 0..1."""
        return self.network(_to_planes(image))[0][:, 0]


class PoseGraph(nn.Module):
    """The pose network as engines see it: two uint8 RGB images in, one motion out."""

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Map two (1, H, W, 3) uint8 RGB images to axis-angle and translation, (1, 3) each."""
        axis_angle, translation = self.network(_to_planes(first), _to_planes(second))
        return axis_angle[:, 0, 0], translation[:, 0, 0]


def load_depth(state: Mapping[str, Tensor]) -> DepthNetwork:
    """Make the depth network that the merged official weights belong to.

    Raises:
        WeightsError: Naming what is missing, unexpected or of another shape.
    """
    network = DepthNetwork(layout_of(state, 'encoder.encoder.'), decoder_layout_of(state))
    load_strict(network, _part(state, DEPTH))
    return network.eval()


def load_pose(state: Mapping[str, Tensor]) -> PoseNetwork:
    """Make the pose network that the merged official weights belong to.

    Raises:
        WeightsError: If there is none among them, or as ``load_depth``.
    """
    if not any(key.startswith(_PREFIXES[POSE]) for key in state):
        raise WeightsError(
            'these Monodepth2 weights have no pose network (those trained on stereo pairs alone '
            'have none); pass a folder that has pose_encoder.pth and pose.pth'
        )
    network = PoseNetwork(layout_of(state, 'pose_encoder.encoder.'))
    load_strict(network, _part(state, POSE))
    return network.eval()


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Make a static graph of one input size; ResNet-18 or -50, as the weights are.

    Args:
        graph: ``'depth'`` or ``'pose'``.
        height: Rows of the images; a multiple of 32.
        width: Columns, as ``height``.
        options: None are known.
        state: The official files merged, as ``read_checkpoint`` gives them.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the weights are another network's, or hold no pose network.
    """
    _check_request(graph, height, width, options)
    images = (1, height, width, 3)
    if graph == DEPTH:
        return Exportable(
            module=DepthGraph(load_depth(state)).eval(),
            inputs=(TensorSpec(name='image', shape=images, dtype='uint8'),),
            outputs=(TensorSpec(name='disparity', shape=(1, height, width), dtype='float32'),),
        )
    return Exportable(
        module=PoseGraph(load_pose(state)).eval(),
        inputs=(
            TensorSpec(name='first', shape=images, dtype='uint8'),
            TensorSpec(name='second', shape=images, dtype='uint8'),
        ),
        outputs=(
            TensorSpec(name='axis_angle', shape=(1, 3), dtype='float32', unit='rad'),
            TensorSpec(name='translation', shape=(1, 3), dtype='float32'),
        ),
    )


def _part(state: Mapping[str, Tensor], graph: str) -> dict[str, Tensor]:
    """Return the weights of one network, and those of no network so that they are refused.

    The classifiers that the official encoders still carry (``fc``) are left out.
    """
    others = tuple(name for key, names in _PREFIXES.items() if key != graph for name in names)
    return {
        key: value
        for key, value in state.items()
        if not key.startswith(others) and '.encoder.fc.' not in key
    }


def _to_planes(images: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in 0..1."""
    return images.float().permute(0, 3, 1, 2) / 255


def _check_request(
    graph: str, height: int, width: int, options: Mapping[str, int | float | str | bool]
) -> None:
    if graph not in _PREFIXES:
        raise RecipeError(
            f'Monodepth2 has no graph {graph!r}; name one of: {", ".join(_PREFIXES)}'
        )
    if options:
        raise RecipeError(f'Monodepth2 has no options, got {sorted(options)}; remove them')
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE or min(height, width) < 2 * SIZE_MULTIPLE:
        raise RecipeError(
            f'a Monodepth2 engine needs height and width in multiples of {SIZE_MULTIPLE} and at '
            f'least {2 * SIZE_MULTIPLE}, got {height}x{width}; the pipeline fits frames to it'
        )
