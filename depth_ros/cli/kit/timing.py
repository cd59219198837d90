"""Timing: contenders run in turns, so that load on the machine affects all equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    *,
    num_rounds: int,
    num_warmups: int = 2,
    report: Callable[[float], None] | None = None,
) -> dict[str, list[float]]:
    """Run every contender once a round.

    Args:
        contenders: What to run, by name.
        num_rounds: Timed rounds.
        num_warmups: Rounds before them that do not count.
        report: Called with the fraction done.

    Returns:
        Wall milliseconds of every timed run, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(num_warmups + num_rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if index >= num_warmups:
                times[name].append(1000.0 * (time.perf_counter() - start))
        if report:
            report((index + 1) / (num_warmups + num_rounds))
    return times


def percentiles(values_ms: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds, rounded to hundredths."""
    cuts = np.percentile(np.asarray(values_ms, np.float64), (50, 95, 99))
    return {f'p{share}': round(float(cut), 2) for share, cut in zip((50, 95, 99), cuts)}  # noqa: B905
