"""The losses of TiO-Depth's three steps (Zhou and Dong 2023, arXiv 2309.00933, section 3.3).

Step 1 rebuilds the left view from the right one through the planes of a disparity volume, after
FAL-Net (Gonzalez Bello and Kim 2020, arXiv 2008.03633): it is the right view shifted by every
level d_n, weighted by what the network says of that level, shifted likewise:

    I_l(x) = sum_n softmax_n(s_n(x - d_n)) * I_r(x - d_n)

The shifts are constant, so nothing is resampled at learned places; gradients reach all levels.

In step 2 the monocular path tells stereo matching where to look, where edges are and what is
outside; nothing sends gradient to the monocular path. Step 3 teaches what both paths know to the
distilled branch of the monocular one: stereo is right on surfaces and on one side of things, the
monocular path on the side that only one camera sees behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from depth_ros.models.tio_depth.network_matching import disparity_levels
from depth_ros.training.photometric_loss import photometric_error, warp_by_disparity

MARGIN_PX = 1.0
MATCHING_THRESHOLD = 1.0
GAMMA = 2.0
_LUMA = (0.299, 0.587, 0.114)
EDGE_THRESHOLD = 0.13


def in_view(disparity: Tensor) -> Tensor:
    """Return which pixels' matches lie inside the right view.

    Args:
        disparity: (B, 1, H, W) px of the left view.

    Returns:
        (B, 1, H, W) bool.
    """
    match = _columns(disparity) - disparity
    return (match >= 0.0) & (match <= disparity.shape[3] - 1)


def hidden_pixels(disparity: Tensor) -> Tensor:
    """Return which pixels something nearer covers in the right view.

    Every pixel is sent to its match, the nearest wins there (a z-buffer, Catmull 1974); hidden is
    who finds another on both sides of its match that is nearer by more than ``MARGIN_PX``. No
    order along the row is assumed, so what is seen on both sides of a pole is not hidden.

    Args:
        disparity: (B, 1, H, W) px of the left view, above 0.

    Returns:
        (B, 1, H, W) bool; False where the match lies outside the right view.
    """
    disparity = disparity.detach()
    width = disparity.shape[3]
    match = _columns(disparity) - disparity
    # One column more on either side takes what leaves the view.
    below, above = (
        (side.clamp(-1.0, float(width)) + 1.0).long() for side in (match.floor(), match.ceil())
    )
    nearest = disparity.new_zeros((*disparity.shape[:3], width + 2))
    for place in (below, above):
        nearest = nearest.scatter_reduce(3, place, disparity, 'amax')
    covering = torch.minimum(nearest.gather(3, below), nearest.gather(3, above))
    return (covering > disparity + MARGIN_PX) & in_view(disparity)


def hidden_from_left(disparity: Tensor) -> Tensor:
    """Tell what would be hidden were this the right view of a pair: the other side of things.

    Args:
        disparity: (B, 1, H, W) px, above 0.

    Returns:
        (B, 1, H, W) bool.
    """
    return hidden_pixels(disparity.flip(3)).flip(3)


def _columns(disparity: Tensor) -> Tensor:
    width = disparity.shape[3]
    return torch.arange(width, dtype=disparity.dtype, device=disparity.device)


def mono_reconstruction_loss(
    left: Tensor, right: Tensor, scores: Tensor, *, ssim_share: float
) -> tuple[Tensor, Tensor]:
    """Compare the left view with what the right one and its own volume make of it.

    The published loss is L1 (``ssim_share`` 0) plus 0.01 times the squared distance of VGG-19
    features at three depths; that term is left out, as it needs a second network's weights.

    Args:
        left: (B, 3, H, W), 0..1.
        right: As ``left``; what the network saw.
        scores: Of the right view's pixels, (B, 49, H, W).
        ssim_share: Share of structural dissimilarity, which stands in for the features.

    Returns:
        The loss, and the rebuilt left view.
    """
    rebuilt = synthesize_left(right, scores, disparity_levels())
    return photometric_error(rebuilt, left, ssim_share=ssim_share).mean(), rebuilt


def synthesize_left(right: Tensor, scores: Tensor, levels: Sequence[float]) -> Tensor:
    """Rebuild the left view.

    Args:
        right: (B, C, H, W).
        scores: Of its pixels, (B, len(levels), H, W); 0 is taken beyond its border.
        levels: Disparities, px, at least 0.

    Returns:
        (B, C, H, W); beyond the right view's border its outermost pixel counts.
    """
    moved = [
        shift_right(scores[:, index : index + 1], level, padding='constant')
        for index, level in enumerate(levels)
    ]
    weights = torch.cat(moved, 1).softmax(1)
    rebuilt = torch.zeros_like(right)
    for index, level in enumerate(levels):
        plane = shift_right(right, level, padding='replicate')
        rebuilt = rebuilt + weights[:, index : index + 1] * plane
    return rebuilt


def shift_right(image: Tensor, shift: float, *, padding: str) -> Tensor:
    """Move (B, C, H, W) by ``shift`` px, at least 0: x shows what was at x - shift.

    Args:
        image: What is moved.
        shift: Between two pixels, linear.
        padding: ``'constant'`` fills with 0, ``'replicate'`` repeats the border.
    """
    width, whole = image.shape[3], math.floor(shift)
    padded = functional.pad(image, (whole + 1, 0, 0, 0), mode=padding)
    below, above = padded[..., 1 : width + 1], padded[..., :width]
    return below + (shift - whole) * (above - below)


def stereo_reconstruction_loss(
    left: Tensor, right: Tensor, disparity: Tensor, mono_disparity: Tensor
) -> tuple[Tensor, Tensor]:
    """Compare the warped right view with the left one, or with a stand-in where that is hidden.

    Zhou and Dong 2023, section 3.3, step 2: 0.15 L1 + 0.85 (1 - SSIM) / 2 between I_r warped by
    the stereo disparity and

        M * I_l + (1 - M) * (I_r warped by the monocular disparity),

    M being 1 where the monocular disparity says that the right camera sees the pixel. So occluded
    pixels follow the monocular path instead of looking for a match that does not exist.

    Args:
        left: (B, 3, H, W), 0..1.
        right: As ``left``.
        disparity: Of the stereo path, (B, 1, H, W) px.
        mono_disparity: Of the monocular path, alike; no gradient reaches it.

    Returns:
        The loss, and the right view warped to the left one.
    """
    rebuilt = warp_by_disparity(right, disparity)
    target = occlusion_aware_target(left, right, mono_disparity)
    return photometric_error(rebuilt, target).mean(), rebuilt


def occlusion_aware_target(left: Tensor, right: Tensor, mono_disparity: Tensor) -> Tensor:
    """Return the left view with what the right camera does not see filled in; no gradient."""
    with torch.no_grad():
        is_seen = in_view(mono_disparity) & ~hidden_pixels(mono_disparity)
        return torch.where(is_seen, left, warp_by_disparity(right, mono_disparity))


def matching_guidance(matches: Sequence[Tensor], mono_probabilities: Tensor) -> Tensor:
    """Keep the matches of every scale near the monocular volume (cost guidance).

    For matching probabilities C and the monocular ones P, brought to C's size,

        mean(c(P) * [|C - P|_1 >= t] * |C - P|_1), added over the scales;

    t is ``MATCHING_THRESHOLD`` and c is how sure P is: the probability of its best level and the
    two beside it. Distributions that share half of their mass (t = 1) are near enough. P is
    averaged over the pixels of a coarse one; the published code takes samples between them.

    Args:
        matches: (B, N, h, w) each, as ``DecodedPair.matches``.
        mono_probabilities: (B, N, H, W).
    """
    total = mono_probabilities.new_zeros(())
    for found in matches:
        size = (found.shape[2], found.shape[3])
        wanted = functional.adaptive_avg_pool2d(mono_probabilities.detach(), size)
        distance = (found - wanted).abs().sum(1, keepdim=True)
        counts = (distance.detach() >= MATCHING_THRESHOLD) * peak_mass(wanted)
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


def half_object_edge_map(stereo_disparity: Tensor) -> Tensor:
    """Return how far stereo is to be followed: 1 on surfaces and on the wall right of things.

    1 - min(e, t) / t, t being ``EDGE_THRESHOLD`` and e the greatest |Laplacian| of depth over its
    mean in 3x3 pixels; then 1 on what lies behind the right sides of things, which both cameras
    see (it is what a mirrored pair would hide), whatever the Laplacian says. What remains at 0 are
    edges, and behind them what the left camera alone sees.

    Args:
        stereo_disparity: (B, 1, H, W) px, above 0.

    Returns:
        (B, 1, H, W) within 0..1, without gradient.
    """
    disparity = stereo_disparity.detach()
    depth = 1.0 / disparity
    edges = _laplacian(depth / depth.mean((2, 3), keepdim=True)).abs()
    edges = functional.max_pool2d(edges, 3, 1, 1)
    flat = 1.0 - edges.clamp(max=EDGE_THRESHOLD) / EDGE_THRESHOLD
    return torch.where(hidden_from_left(disparity), torch.ones_like(flat), flat)


def _laplacian(values: Tensor) -> Tensor:
    """Return 8 times each pixel minus its eight neighbours; the border is repeated."""
    padded = functional.pad(values, (1, 1, 1, 1), mode='replicate')
    return 9.0 * (values - functional.avg_pool2d(padded, 3, 1))


def hybrid_probabilities(mono: Tensor, stereo: Tensor, stereo_disparity: Tensor) -> Tensor:
    """Join the volumes of both paths, (B, N, H, W) each, by the half-object-edge map."""
    share = half_object_edge_map(stereo_disparity)
    return (share * stereo + (1.0 - share) * mono).detach()


def distillation_loss(scores: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over the pixels of KL(P_h || P) = sum_n P_h (log P_h - log P).

    Args:
        scores: Of the distilled branch, (B, N, H, W); P is their softmax.
        wanted: P_h, (B, N, H, W) probabilities.
    """
    log_found = functional.log_softmax(scores, 1)
    return functional.kl_div(log_found, wanted, reduction='none').sum(1).mean()
