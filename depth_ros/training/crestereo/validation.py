"""The fixed synthetic validation set: drawn from a seed no training stream uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from depth_ros.scenes.layered.samples import Batch, SampleSettings, batches
from depth_ros.training.photos import load_photos

VALIDATION_SEED = 20_261_121
VALIDATION_BATCH = 8
TensorMatcher = Callable[[Tensor, Tensor], Tensor]
"""Matches RGB images (B, 3, H, W), 0..255: disparity (B, 1, H, W) px."""


@lru_cache(maxsize=2)
def validation_set(
    settings: SampleSettings, folders: tuple[Path, ...], count: int
) -> Sequence[Batch]:
    """Draw the validation batches; each scene is used once."""
    own = replace(settings, seed=VALIDATION_SEED, reuse=1, chunk=VALIDATION_BATCH)
    stream = batches(own, load_photos(folders), batch_size=VALIDATION_BATCH)
    return list(islice(stream, max(1, count // VALIDATION_BATCH)))


def measure(match: TensorMatcher, pairs: Iterable[Batch], *, device: str) -> dict[str, float]:
    """Measure a network on pairs of one size; pixels of unknown (NaN) disparity do not count.

    Returns:
        ``val_epe`` over all pixels and ``val_epe_visible`` over non-occluded ones, px;
        ``val_bad_2``, and ``val_bad_2_near`` over the visible pixels among the nearest quarter
        of each image, percent: that is where thin foreground gets lost.
    """
    errors, visible, near = [], [], []
    for batch in pairs:
        images = [
            torch.from_numpy(image).to(device).permute(0, 3, 1, 2).float()
            for image in (batch.left, batch.right)
        ]
        found = match(images[0], images[1])[:, 0].float().cpu().numpy()
        errors.append(np.abs(found - batch.disparity))
        visible.append(~batch.is_occluded)
        quarter = np.nanquantile(batch.disparity, 0.75, axis=(1, 2), keepdims=True)
        near.append(batch.disparity >= quarter)
    error, seen = np.concatenate(errors), np.concatenate(visible)
    is_known = np.isfinite(error)
    close = np.concatenate(near) & seen & is_known
    return {
        'val_epe': float(error[is_known].mean()),
        'val_epe_visible': float(error[seen & is_known].mean()),
        'val_bad_2': 100.0 * float((error[is_known] > 2.0).mean()),
        'val_bad_2_near': 100.0 * float((error[close] > 2.0).mean()),
    }
