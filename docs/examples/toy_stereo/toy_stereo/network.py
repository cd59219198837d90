"""The network in torch: what the recipe names. Exporting needs it, a robot does not.

``python -m toy_stereo.network FILE.npz`` writes its weights, which nobody had to train.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from depth_ros.checkpoints.read import load_strict
from depth_ros.tensors import Exportable, TensorSpec
from toy_stereo.model import NUM_DISPARITIES

WEIGHTS = {'sharpness': np.array(0.5, np.float32)}


class ToyNetwork(nn.Module):
    """Soft minimum over the mean absolute differences of 7x7 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.ones(()))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the disparity (1, H, W) in px of uint8 RGB images (1, H, W, 3)."""
        grey_left, grey_right = (image.float().mean(3) for image in (left, right))
        width = grey_left.shape[2]
        padded = nn.functional.pad(grey_right, (NUM_DISPARITIES, 0), value=1e3)
        shifts = range(NUM_DISPARITIES)
        starts = [NUM_DISPARITIES - shift for shift in shifts]
        moved = torch.stack([padded[:, :, start : start + width] for start in starts], dim=1)
        costs = (moved - grey_left[:, None]).abs().clamp(max=255.0)
        costs = nn.functional.avg_pool2d(costs, 7, stride=1, padding=3)
        shares = (-self.sharpness * costs).softmax(dim=1)
        return (shares * torch.arange(NUM_DISPARITIES)[None, :, None, None]).sum(dim=1)


def exportable(
    *,
    graph: str,
    height: int,
    width: int,
    options: Mapping[str, int | float | str | bool],
    state: Mapping[str, Tensor],
) -> Exportable:
    """Return the static graph of one input size; the recipe has one graph and no options."""
    network = ToyNetwork()
    load_strict(network, state)
    images, disparity = (1, height, width, 3), (1, height, width)
    return Exportable(
        module=network.eval(),
        inputs=(
            TensorSpec(name='left', shape=images, dtype='uint8'),
            TensorSpec(name='right', shape=images, dtype='uint8'),
        ),
        outputs=(TensorSpec(name='disparity', shape=disparity, dtype='float32', unit='px'),),
    )


def synthetic_state(seed: int) -> dict[str, Tensor]:
    """Return made-up weights, for tests and benchmarks: here there is nothing to make up."""
    return {name: torch.from_numpy(value) for name, value in WEIGHTS.items()}


if __name__ == '__main__':
    np.savez(sys.argv[1], **WEIGHTS)
