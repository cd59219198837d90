"""What the monocular path tells stereo matching: where to look, where edges are, what is outside.

Zhou and Dong 2023, section 3.3, step 2. Nothing here sends gradient to the monocular path.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.training.tio_depth.visibility import in_view

MATCHING_THRESHOLD = 1.0


def matching_guidance(
    matches: Sequence[Tensor],
    mono_probabilities: Tensor,
    *,
    threshold: float = MATCHING_THRESHOLD,
) -> Tensor:
    """Keep the matches of every scale near the monocular volume (cost guidance).

    For matching probabilities C and the monocular ones P, brought to C's size,

        mean(c(P) * [|C - P|_1 >= t] * |C - P|_1), added over the scales;

    c is how sure P is: the probability of its best level and the two beside it. Distributions
    that share half of their mass (t = 1) are near enough. P is averaged over the pixels of a
    coarse one; the published code takes samples between them.

    Args:
        matches: (B, N, h, w) each, as ``DecodedPair.matches``.
        mono_probabilities: (B, N, H, W).
        threshold: t.
    """
    total = mono_probabilities.new_zeros(())
    for found in matches:
        size = (found.shape[2], found.shape[3])
        wanted = functional.adaptive_avg_pool2d(mono_probabilities.detach(), size)
        distance = (found - wanted).abs().sum(1, keepdim=True)
        counts = (distance.detach() >= threshold) * peak_mass(wanted)
        total = total + (counts * distance).mean()
    return total


def peak_mass(probabilities: Tensor) -> Tensor:
    """Add the best level's probability and its two neighbours': (B, N, H, W) -> (B, 1, H, W)."""
    padded = functional.pad(probabilities, (0, 0, 0, 0, 1, 1))
    mass = padded[:, :-2] + probabilities + padded[:, 2:]
    return mass.gather(1, probabilities.argmax(1, keepdim=True))


def gradient_guidance(disparity: Tensor, mono_disparity: Tensor) -> Tensor:
    """Keep the steps of stereo as large as the monocular ones, whatever their level.

    mean(||d_x| - |m_x||) + mean(||d_y| - |m_y||), in pixels.

    Args:
        disparity: Of the stereo path, (B, 1, H, W) px.
        mono_disparity: Of the monocular path, alike.
    """
    wanted = mono_disparity.detach()
    terms = [
        (torch.diff(disparity, dim=axis).abs() - torch.diff(wanted, dim=axis).abs()).abs().mean()
        for axis in (2, 3)
    ]
    return terms[0] + terms[1]


def outside_guidance(disparity: Tensor, mono_disparity: Tensor) -> Tensor:
    """Keep stereo at the monocular disparity where the match lies outside the right view.

    mean((1 - M_out) |d - m|) over all pixels, M_out being 1 inside.

    Args:
        disparity: Of the stereo path, (B, 1, H, W) px.
        mono_disparity: Of the monocular path, alike.
    """
    wanted = mono_disparity.detach()
    return (~in_view(wanted) * (disparity - wanted).abs()).mean()
