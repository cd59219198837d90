"""Camera effects: exposure, colour, blur, noise, light and borders.

Works on (H, W, 3) float32 images within 0..255. What belongs to the scene is drawn once for
all cameras, what belongs to a camera once for each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Rng = np.random.Generator
Image = np.ndarray


NOISE = (0.2, 6.0)
"""Least and largest standard deviation of a camera's noise, grey levels."""


def shoot(
    rng: Rng,
    left: Image,
    right: Image,
    *,
    burnt: float = 0.2,
    noise: tuple[float, float] = NOISE,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn two clean views into camera images, (H, W, 3) uint8; ``burnt`` of them overexposed."""
    shots = shoot_views(rng, (left, right), burnt=burnt, noise=noise)
    return shots[0], shots[1]


def shoot_views(
    rng: Rng,
    views: Sequence[Image],
    *,
    burnt: float = 0.2,
    alike: float = 0.3,
    noise: tuple[float, float] = NOISE,
) -> list[np.ndarray]:
    """Turn clean views of one scene into camera images, (H, W, 3) uint8.

    Args:
        rng: Where draws come from.
        views: (H, W, 3) float32, 0..255.
        burnt: Chance that all are overexposed.
        alike: Chance that all cameras have the same gain.
        noise: Least and largest standard deviation of their noise, grey levels.
    """
    images = _scene_light(rng, views, burnt)
    is_alike = rng.random() < alike
    level = float(np.exp(rng.uniform(*np.log(noise))))
    return [_camera(rng, image, level, is_alike=is_alike) for image in images]


def reflect(
    rng: Rng, left: Image, right: Image, max_disparity: float
) -> tuple[np.ndarray, np.ndarray]:
    """Add one soft-edged light to both views whose disparity is not that of what it lies on.

    A glossy surface shows a lamp or a window at the lamp's depth; the truth stays the surface's.
    """
    height, width = left.shape[:2]
    x, y = rng.uniform(0.0, width), rng.uniform(0.0, height)
    reach_x, reach_y = np.exp(rng.uniform(np.log(3.0), np.log(0.25 * height), 2))
    colour = rng.uniform(0.8, 1.0, 3) * rng.uniform(30.0, 160.0)
    power = 2 if rng.random() < 0.5 else 8
    shift = rng.uniform(0.0, 0.5 * max_disparity)
    down = (np.abs(np.arange(height) - y) / reach_y) ** power
    shots = []
    for image, centre in ((left, x), (right, x - shift)):
        across = (np.abs(np.arange(width) - centre) / reach_x) ** power
        light = np.exp(-(down[:, None] + across[None]))[..., None] * colour
        shots.append(np.clip(image + light, 0.0, 255.0).astype(np.float32))
    return shots[0], shots[1]


def _scene_light(rng: Rng, views: Sequence[Image], burnt: float) -> list[Image]:
    """Draw what all cameras share: exposure, gamma, tint, grey, vignetting."""
    gain = rng.uniform(0.55, 1.25) if rng.random() < 1.0 - burnt else rng.uniform(1.25, 2.0)
    tint = rng.uniform(0.85, 1.15, 3) * gain
    gamma = float(np.exp(rng.normal(0.0, 0.2)))
    table = (255.0 * (np.arange(256) / 255.0) ** gamma).astype(np.float32)
    images = []
    for image in views:
        image = table[image.astype(np.uint8)] * tint.astype(np.float32)
        images.append(image)
    if rng.random() < 0.45:
        weights = np.array((0.299, 0.587, 0.114), np.float32)
        images = [np.repeat((image @ weights)[..., None], 3, -1) for image in images]
    if rng.random() < 0.35:
        shade = _vignette(images[0].shape, rng.uniform(0.1, 0.6))
        images = [image * shade for image in images]
    return images


def _vignette(shape: tuple[int, ...], depth: float) -> np.ndarray:
    y = np.linspace(-1.0, 1.0, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, shape[1], dtype=np.float32)[None]
    return (1.0 - np.float32(depth) * 0.5 * (x * x + y * y))[..., None]


def _camera(rng: Rng, image: Image, noise: float, *, is_alike: bool) -> np.ndarray:
    """Draw what one camera does: gain, glare, blur, noise, smeared borders, clipping."""
    if not is_alike:
        gain = 1.0 + rng.normal(0.0, 0.06) + rng.normal(0.0, 0.02, 3)
        image = image * gain.astype(np.float32) + np.float32(rng.normal(0.0, 3.0))
    if rng.random() < 0.10:
        image = image + _glare(rng, image.shape)
    if rng.random() < 0.6:
        image = _blur(image, float(rng.uniform(0.3, 1.1)))
    image = image + noise * rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.12:
        image = _smear_border(rng, image)
    return np.clip(image + 0.5, 0.0, 255.0).astype(np.uint8)


def _glare(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a soft bright spot at a place of its own: it has no disparity."""
    y = np.arange(shape[0], dtype=np.float32)[:, None] - rng.uniform(0, shape[0])
    x = np.arange(shape[1], dtype=np.float32)[None] - rng.uniform(0, shape[1])
    reach = rng.uniform(4.0, 40.0)
    spot = rng.uniform(40.0, 220.0) * np.exp(-(x * x + y * y) / reach**2)
    return spot[..., None].astype(np.float32)


def _blur(image: Image, sigma: float) -> Image:
    """Blur with a separable Gaussian of five taps."""
    taps = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (2, 2)
        wide = np.pad(image, pad, mode='edge')
        size = image.shape[axis]
        parts = [np.take(wide, range(k, k + size), axis) * taps[k] for k in range(5)]
        image = sum(parts[1:], parts[0])
    return image


def _smear_border(rng: Rng, image: Image) -> Image:
    """Repeat the pixels along a slanted line to the border, as rectification does."""
    height, width = image.shape[:2]
    edge = rng.uniform(2.0, 14.0) + rng.normal(0.0, 0.04) * np.arange(height)
    edge = np.clip(edge, 0, width - 1).astype(int)[:, None]
    columns = np.arange(width)[None]
    is_left = rng.random() < 0.5
    source = np.maximum(columns, edge) if is_left else np.minimum(columns, width - 1 - edge)
    return np.take_along_axis(image, source[..., None], 1)
