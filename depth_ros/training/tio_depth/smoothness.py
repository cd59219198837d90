"""Disparity is smooth where the image is: first steps of one, second steps of the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GAMMA = 2.0
_LUMA = (0.299, 0.587, 0.114)


def pixel_smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Return mean(|d_x| exp(-gamma |I_xx|) + |d_y| exp(-gamma |I_yy|)), disparity in pixels.

    Zhou and Dong 2023, section 3.3, the smoothness term of steps 1 and 2, as published with
    the weights: the steps to both neighbours count, and the image's edges are where its grey
    value bends. Unlike ``photometric_loss.edge_aware_smoothness`` it is not divided by the mean:
    levels have a least disparity, so nothing shrinks.

    Args:
        disparity: (B, 1, H, W) px.
        image: (B, 3, H, W), 0..1.
    """
    luma = image.new_tensor(_LUMA)[:, None, None]
    grey = (image * luma).sum(1, keepdim=True)
    turned = (disparity.transpose(2, 3), grey.transpose(2, 3))
    return _along_rows(disparity, grey) + _along_rows(*turned)


def _along_rows(disparity: Tensor, grey: Tensor) -> Tensor:
    steps = (disparity[..., 1:] - disparity[..., :-1]).abs()
    both = functional.pad(steps, (1, 0)) + functional.pad(steps, (0, 1))
    wide = functional.pad(grey, (1, 1, 0, 0), mode='replicate')
    bend = (2.0 * grey - wide[..., :-2] - wide[..., 2:]).abs()
    return (both * torch.exp(-GAMMA * bend)).mean()
