"""Measure the paths on pairs that no training batch shares, with truth or without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from depth_ros.models.tio_depth.network import TioDepth, expectation
from depth_ros.models.tio_depth.network_decoder import Path as Branch
from depth_ros.scenes.stacked import stack
from depth_ros.training.photometric_loss import photometric_error, warp_by_disparity
from depth_ros.training.task import Mixed
from depth_ros.training.tio_depth.losses import in_view
from depth_ros.training.tio_depth.pairs import (
    Changes,
    CropSettings,
    StereoPairBatch,
    changed,
    find_kitti,
    resized_pair,
)
from depth_ros.training.tio_depth.room_pairs import RoomSource, StereoRoomSettings
from depth_ros.training.tio_depth.steps import Step

VALIDATION_SEED = 20_261_121
FIGURES = ('epe', 'abs_rel', 'photometric')
COLUMNS = tuple(f'val_{figure}_{step.value}' for step in Step for figure in FIGURES)
"""Of the plain branch, the pair and the distilled branch; those that a recipe trains are filled.

``epe`` is the mean error of disparity, px, and ``abs_rel`` that of depth over its truth, both
where disparity is known; ``photometric`` tells how the right view, warped, differs from the left
one where the match lies inside it, 0..1.
"""

_UNCHANGED = Changes(mirror=0.0, jitter=0.0)


@lru_cache(maxsize=2)
def room_set(
    settings: StereoRoomSettings, photos: tuple[Path, ...], count: int
) -> Sequence[StereoPairBatch]:
    """Draw the fixed rendered pairs, one a batch."""
    own = replace(settings, seed=VALIDATION_SEED, changes=_UNCHANGED)
    return list(islice(RoomSource(pairs=own, photos=photos).batches(batch_size=1), count))


def kitti_set(
    crops: CropSettings, folders: tuple[Path, ...], count: int
) -> Iterable[StereoPairBatch]:
    """Read pairs from the ends of the drives, evenly spread, whole and at full size."""
    found = find_kitti(folders, is_held_out=True)
    places = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    for place in places:
        pair = resized_pair(found[place].read(), (crops.full_height, crops.full_width))
        yield stack([changed(np.random.default_rng(0), pair, _UNCHANGED)])


def measure(
    network: TioDepth,
    pairs: Iterable[StereoPairBatch],
    steps: Sequence[Step],
    *,
    device: str,
    mixed: Mixed,
) -> dict[str, float]:
    """Measure the paths of some steps; return ``COLUMNS`` of those that are known."""
    network.eval()
    found: dict[str, list[float]] = {}
    for batch in pairs:
        left, right = (to_images(view, device) for view in (batch.left, batch.right))
        truth = torch.from_numpy(batch.disparity).to(device)[:, None]
        with torch.no_grad():
            for step, disparity in _disparities(network, left, right, steps, mixed).items():
                for name, value in _figures(disparity, truth, left, right).items():
                    found.setdefault(f'val_{name}_{step.value}', []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def to_images(views: np.ndarray, device: str) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32, 0..1."""
    return torch.from_numpy(views).to(device).permute(0, 3, 1, 2).float() / 255.0


def _disparities(
    network: TioDepth, left: Tensor, right: Tensor, steps: Sequence[Step], mixed: Mixed
) -> dict[Step, Tensor]:
    size, decoder = (left.shape[2], left.shape[3]), network.decoder
    with mixed():
        encoded = network.encode(torch.cat((left, right)))
    features = [item.float() for item in encoded]
    of_left = [item[: len(left)] for item in features]
    ways = {
        Step.MONO: lambda: decoder.mono(of_left, size, Branch.MONO),
        Step.STEREO: lambda: decoder.stereo(features, size, both_sides=False),
        Step.DISTIL: lambda: decoder.mono(of_left, size, Branch.REFINE),
    }
    return {step: expectation(ways[step]()) for step in steps}


def _figures(disparity: Tensor, truth: Tensor, left: Tensor, right: Tensor) -> dict[str, float]:
    is_inside = in_view(disparity)
    unlike = photometric_error(warp_by_disparity(right, disparity), left)[is_inside]
    figures = {'photometric': float(unlike.mean())} if is_inside.any() else {}
    is_known = torch.isfinite(truth)
    if is_known.any():
        found, wanted = disparity[is_known], truth[is_known]
        figures['epe'] = float((found - wanted).abs().mean())
        figures['abs_rel'] = float((wanted / found - 1.0).abs().mean())
    return figures
