"""Drawn items used several times: sample n of a stream depends on the seed and n only.

A chunk of things (scenes, clips) is drawn from a pool of textures, then each is used as often as
samples need it, in shuffled order and with a random generator of its own, so that a run resumed
at any step sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

Rng = np.random.Generator
Pool = TypeVar('Pool')
Item = TypeVar('Item')


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunks(Generic[Pool, Item]):
    """How a stream is made.

    Attributes:
        seed: Of everything drawn.
        samples: Samples of a chunk; every item is used ``samples / items`` times.
        chunks_per_pool: Chunks that share a pool.
        draw_pool: Draws a pool.
        draw_items: Draws a chunk's items from it.
    """

    seed: int
    samples: int
    chunks_per_pool: int
    draw_pool: Callable[[Rng], Pool]
    draw_items: Callable[[Rng, Pool], Sequence[Item]]

    def from_sample(self, first: int, *, stream: int = 0) -> Iterator[tuple[Rng, Item]]:
        """Return an item and a generator to make a sample of it, from sample ``first`` on."""
        chunk, inside = divmod(first, self.samples)
        pool_number = chunk // self.chunks_per_pool
        pool = self.draw_pool(self._rng(stream, pool_number, 1))
        while True:
            if chunk // self.chunks_per_pool != pool_number:
                pool_number = chunk // self.chunks_per_pool
                pool = self.draw_pool(self._rng(stream, pool_number, 1))
            rng = self._rng(stream, chunk, 2)
            items = self.draw_items(rng, pool)
            order = rng.permutation(self.samples) % len(items)
            for number in range(inside, self.samples):
                yield self._rng(stream, chunk, 3, number), items[order[number]]
            chunk, inside = chunk + 1, 0

    def _rng(self, *key: int) -> Rng:
        return np.random.default_rng((self.seed, *key))
