"""TiO-Depth in torch: the network, its static export forms and synthetic weights.

Written from Zhou and Dong 2023, "Two-in-One Depth: Bridging the Gap Between Monocular and
Binocular Self-supervised Depth Estimation" (arXiv 2309.00933); parameter names are those of the
official checkpoint. One set of weights serves three paths: a single image on the plain or on the
distilled branch, and a rectified pair.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.errors import RecipeError, ShapeError, WeightsError
from depth_ros.models.tio_depth import network_decoder
from depth_ros.models.tio_depth.network_decoder import DualPathDecoder, Path
from depth_ros.models.tio_depth.network_matching import disparity_levels
from depth_ros.models.tio_depth.network_swin import (
    SwinEncoder,
    SwinSizes,
    relative_position_index,
)
from depth_ros.tensors import Exportable, TensorSpec

STEREO = 'stereo'
GRAPHS = (Path.MONO.value, Path.REFINE.value, STEREO)
SIZE_MULTIPLE = 32
MIN_SIZE = 64
_MIN_NETWORK_SIZE = 17
_MEAN, _SPREAD = 0.45, 0.225


class TioDepth(nn.Sequential):
    """Encoder (``0``) and decoder (``1``), as the official checkpoint numbers them.

    Args:
        swin: Sizes of the encoder; the published ones by default.
        channels: Of the decoder's stages, coarse to fine, and of its head.
    """

    def __init__(
        self,
        swin: SwinSizes | None = None,
        channels: tuple[int, ...] = network_decoder.CHANNELS,
    ) -> None:
        swin = swin or SwinSizes()
        super().__init__(SwinEncoder(swin), DualPathDecoder(swin.channels, channels))

    @property
    def encoder(self) -> SwinEncoder:
        """The Swin Transformer."""
        return self[0]

    @property
    def decoder(self) -> DualPathDecoder:
        """The decoder of all paths."""
        return self[1]

    def forward(self, images: Tensor, path: Path = Path.REFINE) -> Tensor:
        """Estimate disparity from single images.

        Args:
            images: (N, 3, H, W) RGB in 0..1; any H and W from 17.
            path: Branch to use; the published monocular figures are those of ``REFINE``.

        Returns:
            (N, 1, H, W): disparity in input pixels, as a rig like the training data's has it.
        """
        features = self.encode(images)
        return expectation(self.decoder.mono(features, _size(images), path))

    def stereo(self, left: Tensor, right: Tensor, *, both_sides: bool = False) -> Tensor:
        """Match rectified pairs.

        Args:
            left: (N, 3, H, W) RGB in 0..1; any H and W from 17.
            right: As ``left``.
            both_sides: Whether the right views' disparity is wanted too.

        Returns:
            (N, 1, H, W), or (2N, 1, H, W) with the right views behind the left ones: disparity
            in input pixels, positive.
        """
        if left.shape != right.shape:
            raise ShapeError(
                f'TiO-Depth needs two images of one size, got {tuple(left.shape)} and '
                f'{tuple(right.shape)}; resize one of them'
            )
        features = self.encode(torch.cat([left, right]))
        scores = self.decoder.stereo(features, _size(left), both_sides=both_sides)
        return expectation(scores)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Return the encoder's four maps of (N, 3, H, W) RGB images in 0..1, fine to coarse.

        Raises:
            ShapeError: If the images are no such images or too small.
        """
        _check_images(images)
        return self.encoder((images - _MEAN) / _SPREAD)


def expectation(scores: Tensor) -> Tensor:
    """Average the 49 levels by the softmax of their scores (N, 49, H, W) -> (N, 1, H, W).

    Levels come last, as OpenVINO's convolutions leave them, and are summed instead of multiplied
    as a matrix, which engines may run in low precision.
    """
    levels = torch.tensor(disparity_levels(), dtype=scores.dtype, device=scores.device)
    shares = scores.permute(0, 2, 3, 1).softmax(dim=3)
    return (shares * levels).sum(dim=3).unsqueeze(1)


class MonoGraph(nn.Module):
    """A single image's path as engines see it: uint8 RGB rows in, disparity out."""

    def __init__(self, network: TioDepth, path: Path) -> None:
        super().__init__()
        self.network = network
        self.path = path

    def forward(self, image: Tensor) -> Tensor:
        """Map a (1, H, W, 3) uint8 RGB image to (1, H, W) float32 disparity in pixels."""
        return self.network(_to_unit(image), self.path)[:, 0]


class StereoGraph(nn.Module):
    """The pair's path as engines see it: uint8 RGB rows in, the left view's disparity out."""

    def __init__(self, network: TioDepth) -> None:
        super().__init__()
        self.network = network

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Map two (1, H, W, 3) uint8 RGB images to (1, H, W) float32 disparity in pixels."""
        return self.network.stereo(_to_unit(left), _to_unit(right))[:, 0]


def load_weights(network: TioDepth, state: Mapping[str, Tensor]) -> None:
    """Load the official state dict, strictly.

    Raises:
        WeightsError: If names, shapes or the numbering of displacements are another network's.
    """
    load_strict(network, state)
    own = relative_position_index()
    for name, value in network.named_buffers():
        if name.endswith('relative_position_index') and not torch.equal(value, own):
            raise WeightsError(
                f'{name} numbers the displacements of a window otherwise than Swin '
                'Transformers do; pass the published checkpoint, unchanged'
            )


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
        graph: ``'mono'``, ``'refine'`` or ``'stereo'``.
        height: Rows of the images; a multiple of 32, at least 64.
        width: Columns, as ``height``.
        options: None are known.
        state: The official state dict.

    Raises:
        RecipeError: If graph, size or options cannot be served.
        WeightsError: If the state dict is not TiO-Depth's.
    """
    _check_request(graph, height, width, options)
    network = TioDepth()
    load_weights(network, state)
    network.encoder.freeze()
    is_stereo = graph == STEREO
    names = ('left', 'right') if is_stereo else ('image',)
    module = StereoGraph(network) if is_stereo else MonoGraph(network, Path(graph))
    return Exportable(
        module=module.eval(),
        inputs=tuple(
            TensorSpec(name=name, shape=(1, height, width, 3), dtype='uint8') for name in names
        ),
        outputs=(
            TensorSpec(name='disparity', shape=(1, height, width), dtype='float32', unit='px'),
        ),
    )


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Make random weights that keep every signal bounded, for tests and benchmarks only.

    Kernels are uniform with variance 1.7 / fan-in and sum to zero, so that the image's texture
    and not its brightness reaches the 49 scores.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    state = {}
    for name, tensor in sorted(TioDepth().state_dict().items()):
        if not tensor.is_floating_point():
            state[name] = tensor.clone()
            continue
        values = np.sqrt(3) * (generator.random(tuple(tensor.shape)) * 2 - 1)
        state[name] = torch.from_numpy(_scaled(name, values).astype(np.float32))
    return state


def _scaled(name: str, values: np.ndarray) -> np.ndarray:
    """Scale numbers of mean 0 and variance 1 to what a tensor of that name needs."""
    if name.endswith('relative_position_bias_table'):
        return 0.3 * values
    if values.ndim > 1:
        kernels = values.reshape(len(values), -1)
        kernels = kernels - kernels.mean(axis=1, keepdims=True)
        return (1.3 / np.sqrt(kernels.shape[1]) * kernels).reshape(values.shape)
    is_scale = name.endswith(('.weight', '.running_var'))
    return 0.1 * values + (1.0 if is_scale else 0.0)


def _to_unit(images: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in 0..1."""
    return images.float().permute(0, 3, 1, 2) / 255


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[2], images.shape[3]


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or min(_size(images)) < _MIN_NETWORK_SIZE:
        raise ShapeError(
            f'TiO-Depth needs (N, 3, H, W) images of at least {_MIN_NETWORK_SIZE} pixels a side, '
            f'got {tuple(images.shape)}; resize them'
        )


def _check_request(
    graph: str, height: int, width: int, options: Mapping[str, int | float | str | bool]
) -> None:
    if graph not in GRAPHS:
        raise RecipeError(f'TiO-Depth has no graph {graph!r}; name one of: {", ".join(GRAPHS)}')
    if options:
        raise RecipeError(
            f'TiO-Depth has no options, got {sorted(options)}; remove them from the recipe'
        )
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE or min(height, width) < MIN_SIZE:
        raise RecipeError(
            f'a TiO-Depth engine needs height and width in multiples of {SIZE_MULTIPLE} and at '
            f'least {MIN_SIZE}, got {height}x{width}; frames of other sizes are fitted to it'
        )
