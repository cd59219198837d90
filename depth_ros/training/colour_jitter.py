"""Random brightness, contrast, saturation and hue, the same for images that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

STRENGTH = 0.2
HUE_STRENGTH = 0.1
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Jitter:
    """Factors, 1 for no change, and the turn of the hue, 0..1 for a whole turn.

    Attributes:
        brightness: Factor of the values.
        contrast: Factor of their distance from the image's mean grey.
        saturation: Factor of their distance from the pixel's own grey.
        hue: Turn.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0


def draw_jitter(rng: np.random.Generator) -> Jitter:
    """Draw as Godard et al. 2019 (arXiv 1806.01260, section 4): +-0.2, hue +-0.1."""
    brightness, contrast, saturation = rng.uniform(1.0 - STRENGTH, 1.0 + STRENGTH, 3)
    return Jitter(
        brightness=float(brightness),
        contrast=float(contrast),
        saturation=float(saturation),
        hue=float(rng.uniform(-HUE_STRENGTH, HUE_STRENGTH)),
    )


def shake_colours(image: np.ndarray, jitter: Jitter) -> np.ndarray:
    """Change an (H, W, 3) uint8 RGB image; return a new one."""
    values = image.astype(np.float32) * np.float32(jitter.brightness)
    mean = float((values @ _LUMA).mean())
    values = mean + jitter.contrast * (values - mean)
    grey = (values @ _LUMA)[..., np.newaxis]
    values = np.clip(grey + jitter.saturation * (values - grey), 0.0, 255.0)
    if jitter.hue:
        values = _turned(values.astype(np.float32), 360.0 * jitter.hue)
    return np.asarray(np.clip(values + 0.5, 0.0, 255.0).astype(np.uint8))


def _turned(values: np.ndarray, degrees: float) -> np.ndarray:
    hsv = cv2.cvtColor(values, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + degrees) % 360.0
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
