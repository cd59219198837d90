"""Making two cameras' images comparable: each channel brought to one mean and contrast."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

MEAN, CONTRAST = 118.0, 50.0
"""Grey levels; those of an image that is exposed well."""
SOFT_PX = 0.8
_LEAST_CONTRAST = 0.5
"""Of an image in grey levels: what has less is not stretched any further."""


def normalised(image: np.ndarray) -> np.ndarray:
    """Bring every channel of (H, W, 3) 0..255 to ``MEAN`` and ``CONTRAST``; float32, 0..255."""
    values = image.astype(np.float32)
    mean, spread = values.mean((0, 1)), values.std((0, 1))
    factor = CONTRAST / np.maximum(spread, _LEAST_CONTRAST)
    return np.asarray(np.clip((values - mean) * factor + MEAN, 0.0, 255.0), np.float32)


def softened(image: np.ndarray) -> np.ndarray:
    """Blur away the noise of single pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), SOFT_PX))


def comparable(images: Tensor) -> Tensor:
    """Normalise (B, 3, H, W) 0..255 like ``normalised``; return 0..1, for photometric errors."""
    mean = images.mean((2, 3), keepdim=True)
    spread = images.std((2, 3), keepdim=True, unbiased=False).clamp(min=_LEAST_CONTRAST)
    return ((images - mean) / spread * CONTRAST + MEAN).clamp(0.0, 255.0) / 255.0


def to_planes(images: list[np.ndarray]) -> Tensor:
    """Stack (H, W, 3) images to (B, 3, H, W) float32, 0..255."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
