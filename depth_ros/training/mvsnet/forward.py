"""The network as it is trained and its loss, the masked L1 of the initial and the refined map.

Convolutions may run in low precision; geometry is float32.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from depth_ros.models.mvsnet.network import MvsNet
from depth_ros.models.mvsnet.network_regularisation import regress
from depth_ros.models.mvsnet.network_volume import variance_volume
from depth_ros.training.mvsnet.batch import MvsBatch
from depth_ros.training.task import Mixed

REFINED_WEIGHT = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MvsnetForward:
    """Predictions beside the truth, (B, h, w) each; positions are intervals.

    Attributes:
        depth: Best depth of the network, metres: the refined one where there is one.
        initial: Expected position among the hypotheses.
        refined: Position of the refined depth; None without refinement.
        truth_depth: Metres, NaN unknown.
        truth: Its position.
        valid: Where the truth is known and within the hypotheses.
    """

    depth: Tensor
    initial: Tensor
    refined: Tensor | None
    truth_depth: Tensor
    truth: Tensor
    valid: Tensor

    @property
    def best(self) -> Tensor:
        """Position of the best depth."""
        return self.initial if self.refined is None else self.refined


def predict(
    network: MvsNet, batch: MvsBatch, *, device: str = 'cpu', mixed: Mixed = nullcontext
) -> MvsnetForward:
    """Run the network on a batch.

    The expectation is taken over what the hypotheses are even in, as inference does.
    """
    depths, truth_depth = _to(batch.depths, device), _to(batch.truth, device)
    is_inverse, transforms = _to(batch.is_inverse, device), _to(batch.transforms, device)
    images = _to(batch.images, device).permute(0, 1, 4, 2, 3).float() / 255
    with mixed():
        features = network.feature(images.flatten(0, 1))
    features = features.float().unflatten(0, images.shape[:2])
    volume = variance_volume(features[:, 0], features[:, 1:], transforms, depths)
    with mixed():
        costs = network.cost_regularization(volume)[:, 0]
    values = torch.where(is_inverse[:, None], 1.0 / depths, depths)
    value, initial, _ = regress(costs.float(), values)
    depth = torch.where(is_inverse[:, None, None], 1.0 / value, value)
    refined = None
    if hasattr(network, 'refine_network'):
        depth = _refined(network, images[:, 0], depth, depths, mixed)
        refined = hypothesis_position(depth, depths, is_inverse)
    truth = hypothesis_position(truth_depth, depths, is_inverse)
    return MvsnetForward(
        depth=depth,
        initial=initial,
        refined=refined,
        truth_depth=truth_depth,
        truth=truth,
        valid=valid_pixels(truth, depths.shape[1]),
    )


def _refined(
    network: MvsNet, image: Tensor, depth: Tensor, depths: Tensor, mixed: Mixed
) -> Tensor:
    """Add the residual; the depth is scaled to 0..1 for it (Yao et al. 2018, section 3.4)."""
    near, far = depths[:, 0, None, None], depths[:, -1, None, None]
    scaled = (depth - near) / (far - near)
    with mixed():
        residual = network.refine_network.residual(image, scaled)
    return near + (far - near) * (scaled + residual.float())


def _to(values: np.ndarray, device: str) -> Tensor:
    return torch.from_numpy(values).to(device)


def hypothesis_position(depth: Tensor, depths: Tensor, is_inverse: Tensor) -> Tensor:
    """Return the positions of depths among the hypotheses, in intervals from the nearest.

    Args:
        depth: (B, h, w), metres.
        depths: (B, D), ascending, even in depth or in inverse depth.
        is_inverse: (B,) bool: which of the two.

    Returns:
        (B, h, w): 0 at the nearest hypothesis, D - 1 at the farthest; NaN stays NaN.
    """
    near, far = depths[:, :1, None], depths[:, -1:, None]
    linear = (depth - near) / (far - near)
    inverse = (1.0 / near - 1.0 / depth) / (1.0 / near - 1.0 / far)
    return torch.where(is_inverse[:, None, None], inverse, linear) * (depths.shape[1] - 1.0)


def valid_pixels(position: Tensor, count: int) -> Tensor:
    """Return the mask (B, h, w) bool: the truth is known and within the ``count`` hypotheses."""
    return (position >= 0.0) & (position <= count - 1.0)


def masked_l1(found: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Average |found - truth| over the valid pixels of all samples; 0 where there are none."""
    error = torch.where(valid, found - truth, torch.zeros_like(found)).abs()
    return error.sum() / valid.sum().clamp(min=1)


def depth_loss(initial: Tensor, refined: Tensor | None, truth: Tensor, valid: Tensor) -> Tensor:
    """Add the errors of the initial and the refined map (Yao et al. 2018, eq. 6, lambda 1).

    All are positions among the hypotheses, that is, depths in units of each sample's own
    interval: scenes of every scale count alike, where the paper's all had one interval.

    Args:
        initial: (B, h, w), see ``hypothesis_position``.
        refined: The same, or None without refinement.
        truth: The same; anything where not valid.
        valid: (B, h, w) bool.
    """
    loss = masked_l1(initial, truth, valid)
    if refined is not None:
        loss = loss + REFINED_WEIGHT * masked_l1(refined, truth, valid)
    return loss
