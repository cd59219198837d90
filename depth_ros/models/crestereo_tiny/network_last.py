"""The last step of ``network_half``: a disparity of half the size becomes one of the full size.

It works on cells of two by two pixels (pixel unshuffling as in Shi et al. 2016, arXiv 1609.05158).
At every pixel the images are compared at six disparities: the enlarged one, a pixel to both sides
of it, the nearest and the farthest of its neighbourhood, which are what stands before and behind
an edge, and the hint. Three convolutions then mix the nine cells around (Teed and Deng 2020, arXiv
2003.12039, section 3.3), add a fraction, and may go to the hint through a gate. Two more tell the
Laplace scale of the error, as ``network_error`` does.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from depth_ros.models.crestereo_tiny.network_error import (
    LOG_FIRST,
    LOG_LEAST,
    LOG_MOST,
    Matched,
    match_planes,
)
from depth_ros.models.crestereo_tiny.network_fine import HIDDEN, extremes
from depth_ros.models.crestereo_tiny.network_hint_fine import FULL_RULE, disagreement, slope
from depth_ros.models.crestereo_tiny.network_hint_planes import HintPlane
from depth_ros.models.crestereo_tiny.network_hint_rule import GateRule
from depth_ros.models.crestereo_tiny.network_upsampling import upsample_convex
from depth_ros.models.layers.network_precision import float32_region, full_precision

NUM_PLANES = 16
NUM_TOLD = 4
"""What is told of the error besides features: inside the right image, row's best match, votes."""
FEATURES = 16
WIDTH = 24
ERROR_WIDTH = 16
LEAST_SHARE = 1e-3
"""What a cell that bilinear enlarging leaves out begins with."""


class LastLevel(nn.Module):
    """Disparity at the full size from a result at half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(HIDDEN, FEATURES, 1)
        self.enter = nn.Conv2d(FEATURES + 4 * NUM_PLANES, WIDTH, 3, 1, 1)
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, 1, 1)
        self.leave = nn.Conv2d(WIDTH, 36 + 8, 1)
        self.hint_rule = GateRule(FULL_RULE)
        self.error_enter = nn.Conv2d(WIDTH + 4 * NUM_TOLD, ERROR_WIDTH, 3, 1, 1)
        self.error_leave = nn.Conv2d(ERROR_WIDTH, 4, 3, 1, 1)
        for layer in (self.leave, self.error_leave):
            nn.init.zeros_(layer.weight)
        nn.init.constant_(self.error_leave.bias, LOG_FIRST)
        with torch.no_grad():
            self.leave.bias.copy_(torch.cat((bilinear_logits(), torch.zeros(8))))

    def forward(
        self, left: Tensor, right: Tensor, matched: Matched, hint: HintPlane
    ) -> tuple[Tensor, Tensor]:
        """Return the disparity (B, 1, H, W) px, and the logarithm of its error's scale in px.

        Args:
            left: RGB (B, 3, H, W), 0..255.
            right: The same.
            matched: What was found at half the size: (B, 1, H/2, W/2) in px of that size.
            hint: At the full size, as far as it is believed.
        """
        cells = matched.disparity.detach()
        start = 2.0 * functional.interpolate(
            cells, scale_factor=2.0, mode='bilinear', align_corners=False
        )
        near, far = (2.0 * _enlarged(one, 2) for one in extremes(cells))
        known = hint.known
        away = (hint.disparity - start) * known
        with float32_region(left):
            tried = (start, start - 1.0, start + 1.0, near, far, hint.disparity)
            (own, *beside, there), detail = disagreement(left, right, tried)
        gain = (own - there) * known
        ways = (torch.tanh(away / 8.0), torch.tanh(away), torch.tanh(4.0 * away))
        steps = (torch.tanh((near - start) / 4.0), torch.tanh((start - far) / 4.0))
        errors = (own, *beside, there * known, gain)
        planes = torch.cat((*ways, *steps, *errors, detail, slope(start), hint.trust, known), 1)
        features = _enlarged(functional.relu(self.features(matched.features)), 2)
        x = functional.relu(
            self.enter(torch.cat((features, functional.pixel_unshuffle(planes, 2)), 1))
        )
        x = functional.relu(x + self.conv(x))
        mixing, rest = self.leave(x).split((36, 8), 1)
        residual, logit = functional.pixel_shuffle(full_precision(rest), 2).chunk(2, 1)
        votes = _enlarged(matched.nearby, 8)
        figures = torch.cat((hint.trust, torch.tanh(away.abs() / 2.0), votes, gain), 1)
        share = torch.sigmoid(self.hint_rule(figures, logit, known))
        mixed = upsample_convex(cells, mixing, 2) + residual
        disparity = mixed + share * (hint.disparity - mixed) * known
        return disparity, self._log_scale(x, disparity, matched)

    def _log_scale(self, features: Tensor, disparity: Tensor, matched: Matched) -> Tensor:
        """Return the logarithm of the scale (B, 1, H, W) px; nothing else learns from it."""
        planes = match_planes(disparity, matched, cell=8)
        told = functional.pixel_unshuffle(torch.cat(planes, 1).detach(), 2)
        x = functional.relu(self.error_enter(torch.cat((features.detach(), told), 1)))
        x = functional.pixel_shuffle(full_precision(self.error_leave(x)), 2)
        return x.clamp(LOG_LEAST, LOG_MOST)


def bilinear_logits() -> Tensor:
    """Return logits (36,), neighbour-major, of the shares that bilinear enlarging by 2 has."""
    shares = torch.full((3, 3, 2, 2), LEAST_SHARE)
    for row in (0, 1):
        for column in (0, 1):
            for y, high in ((1, 0.75), (2 * row, 0.25)):
                for x, wide in ((1, 0.75), (2 * column, 0.25)):
                    shares[y, x, row, column] = high * wide
    return torch.log(shares).flatten()


def _enlarged(values: Tensor, factor: int) -> Tensor:
    return functional.interpolate(values, scale_factor=float(factor), mode='nearest')
