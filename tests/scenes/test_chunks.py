"""Streams of drawn things: every sample from its number alone, every thing used equally often."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np

from depth_ros.scenes.chunks import Chunks


def chunks(pools: list[int] | None = None) -> Chunks[int, tuple[int, int]]:
    """Give items (pool, number drawn); pools that are drawn are noted."""

    def draw_pool(rng: np.random.Generator) -> int:
        pool = int(rng.integers(1000))
        if pools is not None:
            pools.append(pool)
        return pool

    return Chunks(
        seed=5,
        samples=6,
        chunks_per_pool=2,
        draw_pool=draw_pool,
        draw_items=lambda rng, pool: [(pool, int(rng.integers(10**9))) for _ in range(3)],
    )


def test_stream_can_begin_at_any_sample() -> None:
    whole = [(int(rng.integers(99)), item) for rng, item in islice(chunks().from_sample(0), 30)]
    for first in (1, 6, 13, 24):
        stream = islice(chunks().from_sample(first), 5)
        assert [(int(rng.integers(99)), item) for rng, item in stream] == whole[first : first + 5]
    other = [item for _, item in islice(chunks().from_sample(0, stream=1), 30)]
    assert not set(other) & {item for _, item in whole}


def test_items_are_used_equally_and_pools_shared_by_chunks() -> None:
    pools: list[int] = []
    items = [item for _, item in islice(chunks(pools).from_sample(0), 24)]
    for start in range(0, 24, 6):
        assert sorted(Counter(items[start : start + 6]).values()) == [2, 2, 2]
    assert len(pools) == 2
    assert [pool for pool, _ in items] == [pools[0]] * 12 + [pools[1]] * 12
