"""Procedural and photographic textures for the synthetic scenes.

Every texture is a square of ``TEXTURE_SIZE`` texels. Looking one up repeats it mirrored, so
that no seam shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

TEXTURE_SIZE = 256

Rng = np.random.Generator


def spectral_noise(rng: Rng, exponent: float, size: int = TEXTURE_SIZE) -> np.ndarray:
    """Draw noise with spectrum 1 / f^exponent, (size, size) float32 within 0..1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1.0
    phase = rng.uniform(0.0, 2.0 * np.pi, frequency.shape)
    field = np.fft.irfft2(frequency**-exponent * np.exp(1j * phase), (size, size))
    low, high = np.percentile(field[::4, ::4], (1.0, 99.0))
    return np.clip((field - low) / (high - low), 0.0, 1.0).astype(np.float32)


def _mix(rng: Rng, amount: np.ndarray) -> np.ndarray:
    """Blend two random colours by (S, S) 0..1."""
    first, second = rng.uniform(0.0, 255.0, (2, 3))
    return (first + amount[..., None] * (second - first)).astype(np.float32)


def cloudy(rng: Rng) -> np.ndarray:
    """Draw coloured spectral noise, from smooth to fine."""
    image = _mix(rng, spectral_noise(rng, rng.uniform(0.5, 2.0)))
    if rng.random() < 0.5:
        image = 0.5 * (image + _mix(rng, spectral_noise(rng, rng.uniform(0.2, 1.2))))
    return image


def blotchy(rng: Rng) -> np.ndarray:
    """Draw hard-edged patches: thresholded noise in a few colours."""
    field = spectral_noise(rng, rng.uniform(1.0, 2.0))
    steps = int(rng.integers(2, 6))
    palette = rng.uniform(0.0, 255.0, (steps, 3)).astype(np.float32)
    return palette[np.minimum((field * steps).astype(int), steps - 1)]


def striped(rng: Rng) -> np.ndarray:
    """Draw straight or wavy stripes, hard or soft."""
    axis = np.arange(TEXTURE_SIZE, dtype=np.float32)
    along, across = np.meshgrid(axis, axis)
    wave = rng.uniform(0.0, 3.0) * np.sin(across * rng.uniform(0.02, 0.2))
    value = 0.5 + 0.5 * np.sin((along + wave) * 2.0 * np.pi / rng.uniform(4.0, 40.0))
    if rng.random() < 0.6:
        value = (value > rng.uniform(0.2, 0.8)).astype(np.float32)
    return _mix(rng, value)


def flat(rng: Rng) -> np.ndarray:
    """Draw a painted wall: one colour, hardly any structure."""
    field = spectral_noise(rng, rng.uniform(0.3, 2.0)) - 0.5
    colour = rng.uniform(20.0, 255.0) + rng.uniform(-25.0, 25.0, 3)
    return (colour + rng.uniform(0.0, 12.0) * field[..., None]).astype(np.float32)


def bricks(rng: Rng) -> np.ndarray:
    """Draw a repetitive pattern of bricks, tiles or a chessboard."""
    axis = np.arange(TEXTURE_SIZE)
    column, row = np.meshgrid(axis, axis)
    height, width = int(rng.integers(5, 40)), int(rng.integers(5, 60))
    shift = (row // height % 2) * int(rng.integers(0, width))
    joint = int(rng.integers(1, 4))
    line = (row % height < joint) | ((column + shift) % width < joint)
    chess = (row // height + (column + shift) // width) % 2
    value = line if rng.random() < 0.6 else chess
    grain = rng.uniform(0.0, 0.5) * spectral_noise(rng, rng.uniform(0.4, 1.5))
    return _mix(rng, np.clip(value.astype(np.float32) * 0.8 + grain, 0.0, 1.0))


def marked(rng: Rng) -> np.ndarray:
    """Draw a flat surface with sparse marks: print, screws, dirt."""
    image = flat(rng)
    for _ in range(int(rng.integers(5, 80))):
        y, x = rng.integers(0, TEXTURE_SIZE, 2)
        height, width = rng.integers(1, 14, 2)
        image[y : y + height, x : x + width] = rng.uniform(0.0, 255.0, 3)
    return image


def photographic(rng: Rng, photos: Sequence[np.ndarray]) -> np.ndarray:
    """Cut a piece out of a photograph, at one to three pixels per texel."""
    photo = photos[int(rng.integers(len(photos)))]
    step = int(rng.integers(1, 1 + max(1, min(3, min(photo.shape[:2]) // TEXTURE_SIZE))))
    photo = _shrink(photo, step)
    rows = max(0, photo.shape[0] - TEXTURE_SIZE)
    columns = max(0, photo.shape[1] - TEXTURE_SIZE)
    y, x = int(rng.integers(0, rows + 1)), int(rng.integers(0, columns + 1))
    piece = photo[y : y + TEXTURE_SIZE, x : x + TEXTURE_SIZE]
    short = [(0, TEXTURE_SIZE - size) for size in piece.shape[:2]]
    return np.pad(piece, (*short, (0, 0)), mode='reflect')[:, :, rng.permutation(3)]


def _shrink(photo: np.ndarray, step: int) -> np.ndarray:
    """Average blocks of step x step pixels, float32."""
    height, width = (size // step for size in photo.shape[:2])
    blocks = photo[: height * step, : width * step].reshape(height, step, width, step, 3)
    return blocks.mean((1, 3), dtype=np.float32)


PROCEDURAL: tuple[tuple[float, Callable[[Rng], np.ndarray]], ...] = (
    (0.34, cloudy),
    (0.16, blotchy),
    (0.13, striped),
    (0.15, flat),
    (0.11, bricks),
    (0.11, marked),
)


def draw_texture(rng: Rng, photos: Sequence[np.ndarray]) -> np.ndarray:
    """Draw one texture (S, S, 3) uint8; a third are photographic when there are photographs."""
    if photos and rng.random() < 0.34:
        image = photographic(rng, photos)
    else:
        shares = np.array([share for share, _ in PROCEDURAL])
        index = int(rng.choice(len(PROCEDURAL), p=shares / shares.sum()))
        image = PROCEDURAL[index][1](rng)
    return np.clip(image, 0.0, 255.0).astype(np.uint8)


def texture_pool(
    rng: Rng, photos: Sequence[np.ndarray], count: int, *, grainy: float = 0.0
) -> Tensor:
    """Draw ``count`` textures, (count, S, S, 3) uint8; a share ``grainy`` gets fine grain."""
    return torch.from_numpy(
        np.stack([_grained(rng, draw_texture(rng, photos), grainy) for _ in range(count)])
    )


def _grained(rng: Rng, image: np.ndarray, share: float) -> np.ndarray:
    """Lay sharp grain over a texture, as plaster, cloth, bark and dirt have it."""
    if share <= 0.0 or rng.random() >= share:
        return image
    grain = spectral_noise(rng, rng.uniform(0.0, 0.8))
    strength = float(np.exp(rng.uniform(np.log(12.0), np.log(90.0))))
    return np.clip(image + strength * (grain[..., None] - 0.5), 0.0, 255.0).astype(np.uint8)


def sample_textures(pool: Tensor, index: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Look textures up bilinearly, repeated mirrored.

    Args:
        pool: (N, S, S, 3) uint8.
        index: Which texture, int64, any shape.
        u: Column in texels, same shape; any value.
        v: Row in texels.

    Returns:
        Colours (..., 3) float32, 0..255.
    """
    size = pool.shape[1]
    texels = pool.reshape(-1, 3)
    column, row = torch.floor(u), torch.floor(v)
    across, down = (u - column).unsqueeze(-1), (v - row).unsqueeze(-1)
    left, right = _mirror(column, size), _mirror(column + 1.0, size)
    top = (index * size + _mirror(row, size)) * size
    bottom = (index * size + _mirror(row + 1.0, size)) * size
    upper = torch.lerp(texels[top + left].float(), texels[top + right].float(), across)
    lower = torch.lerp(texels[bottom + left].float(), texels[bottom + right].float(), across)
    return torch.lerp(upper, lower, down)


def _mirror(position: Tensor, size: int) -> Tensor:
    """Fold any integer position into 0..size - 1, mirrored at the borders."""
    folded = torch.remainder(position.long(), 2 * size)
    return torch.where(folded < size, folded, 2 * size - 1 - folded)
