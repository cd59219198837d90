"""Synthetic weights for Monodepth2: untrained, but with smooth maps that follow the image.

For tests, benchmarks and a demo without official weights. Kernels are random; running statistics
and the last layers are then set from made-up images, so that every signal keeps its size.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.models.monodepth2.network_depth import NUM_SCALES, DepthNetwork
from depth_ros.models.monodepth2.network_pose import PoseNetwork
from depth_ros.models.monodepth2.network_resnet import LAYOUTS, SIZE_MULTIPLE

_IMAGE_SIZE = (4 * SIZE_MULTIPLE, 8 * SIZE_MULTIPLE)
_NUM_IMAGES = 2
_LOGIT_SPREAD, _LOGIT_MEAN = 1.0, -1.5
_MOTION_SPREAD = 2.0
_SKIP_SHARE = (0.3, 0.5, 0.7, 1.0)
"""How much of a skip's detail a level takes, from fine to coarse."""


def synthetic_state(seed: int, *, num_layers: int = 18) -> dict[str, Tensor]:
    """Make the four files' weights, merged, for tests, benchmarks and an untrained demo.

    Args:
        seed: Other seeds give other pictures.
        num_layers: 18 or 50.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    layout = LAYOUTS[num_layers]
    images = _images(random)
    depth, pose = DepthNetwork(layout), PoseNetwork(layout)
    with torch.no_grad():
        for network in (depth, pose):
            _fill(network, random)
        _smooth_decoder(depth)
        _set_statistics(depth, images)
        _set_statistics(pose, images, images.flip(0))
        _set_heads(depth, images)
        _set_motion(pose, images)
    return {**depth.state_dict(), **pose.state_dict()}


def _images(random: np.random.Generator) -> Tensor:
    """Noise at several sizes, (N, 3, H, W) in 0..1."""
    height, width = _IMAGE_SIZE
    total = torch.zeros(_NUM_IMAGES, 3, height, width)
    for cell in (64, 32, 16, 8, 4):
        shape = (_NUM_IMAGES, 3, height // cell, width // cell)
        noise = torch.from_numpy(random.random(shape, np.float32))
        total += F.interpolate(noise, size=_IMAGE_SIZE, mode='bilinear', align_corners=False)
    low, high = total.amin(), total.amax()
    return (total - low) / (high - low)


def _fill(network: nn.Module, random: np.random.Generator) -> None:
    """Uniform kernels of variance 2 / fan-in, small biases, weak residual branches."""
    for name, value in sorted(network.named_parameters()):
        noise = torch.from_numpy(random.random(tuple(value.shape), np.float32) * 2 - 1)
        if value.ndim > 1:
            value.copy_(noise * float(np.sqrt(6 / value[0].numel())))
        elif name.endswith('.weight'):
            value.copy_(1.0 + 0.1 * noise)
        else:
            value.copy_(0.1 * noise)


def _smooth_decoder(network: DepthNetwork) -> None:
    """Return every kernel of the decoder the same blurring shape, each with its own weight.

    Upsampled maps have blocks; blurred they are smooth. Detail of the skips is held back.
    """
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    blur = line[:, None] * line[None]
    for module in network.depth.modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight[:, :, 1:2, 1:2] - module.weight[:, :, 1:2, 1:2].mean(1, True)
            module.weight.copy_(3 * weight * blur)
    for level, share in enumerate(_SKIP_SHARE, start=1):
        convolution = network.depth.decoder[2 * (4 - level) + 1].conv.conv
        convolution.weight[:, convolution.out_channels :] *= share


def _set_statistics(network: nn.Module, *images: Tensor) -> None:
    """Set the running statistics to those of the images."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # type: ignore[assignment]
    network.train()
    network(*images)
    network.eval()
    for norm in norms:
        norm.momentum = 0.1
        norm.num_batches_tracked.zero_()


def _set_heads(network: DepthNetwork, images: Tensor) -> None:
    """Scale and shift the heads so that disparities spread over 0..1."""
    disparities = network(images, num_scales=NUM_SCALES)
    for head, disparity in zip(network.depth.decoder[-NUM_SCALES:], disparities, strict=True):
        logits = torch.logit(disparity.double())
        scale = float(_LOGIT_SPREAD / logits.std())
        head.conv.weight *= scale
        head.conv.bias *= scale
        head.conv.bias += float(_LOGIT_MEAN - scale * logits.mean())


def _set_motion(network: PoseNetwork, images: Tensor) -> None:
    """Scale the last layer so that motions are about ``_MOTION_SPREAD`` / 100."""
    axis_angle, translation = network(images, images.flip(0))
    head = network.pose.net[-1]
    scale = float(_MOTION_SPREAD / 100 / torch.cat([axis_angle, translation]).std())
    head.weight *= scale
    head.bias *= scale
