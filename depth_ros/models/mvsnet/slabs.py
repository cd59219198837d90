"""How hypotheses are spread over depth and cut into slabs; NumPy only.

A slab is a run of planes whose variance is computed at once. The first 3-D convolution looks one
plane to either side, so a slab is fed two planes more than it gives; beyond the ends of the
volume their variance is set to zero, as the convolution's own padding would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np


class Sampling(Enum):
    """How hypotheses are spread between the nearest and the farthest depth."""

    LINEAR = 'linear'
    """Evenly over depth, as the paper has it."""

    INVERSE = 'inverse'
    """Evenly over inverse depth: steps are of about equal parallax, fine near and coarse far."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Slab:
    """Planes ``start`` to ``stop`` of a volume.

    Attributes:
        start: First plane given.
        stop: Plane after the last one given.
        depths: ``(stop - start + 2,)`` float32: depths of these planes and of one more at either
            side; the outermost ones repeat at the ends of the volume.
        inside: ``(stop - start + 2,)`` float32: 0 for planes beyond the ends, else 1.
    """

    start: int
    stop: int
    depths: np.ndarray
    inside: np.ndarray


def depth_hypotheses(near: float, far: float, count: int, sampling: Sampling) -> np.ndarray:
    """Return ``(count,)`` float64 depths, ascending, both ends among them."""
    if sampling is Sampling.INVERSE:
        return 1.0 / np.linspace(1.0 / near, 1.0 / far, count)
    return np.linspace(near, far, count)


def cut_slabs(depths: np.ndarray, size: int) -> Iterator[Slab]:
    """Cut hypotheses into slabs of one size; the last one may repeat planes of the one before.

    Args:
        depths: ``(D,)``.
        size: Planes of a slab; all of them are taken where there are fewer.
    """
    count = len(depths)
    size = min(size, count)
    for first in range(0, count, size):
        start = min(first, count - size)
        planes = np.arange(start - 1, start + size + 1)
        is_inside = (planes >= 0) & (planes < count)
        yield Slab(
            start=start,
            stop=start + size,
            depths=depths[planes.clip(0, count - 1)].astype(np.float32),
            inside=is_inside.astype(np.float32),
        )
