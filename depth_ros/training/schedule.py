"""The learning rate over a run: a short warm-up, then half a cosine down to nothing."""

from __future__ import annotations

import math


def one_cycle(progress: float, *, peak: float, warm_up: float) -> float:
    """Return the learning rate at ``progress`` 0..1 of the run.

    Linear from peak / 25 to the peak within ``warm_up``, then cosine to 0.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < warm_up:
        return peak * (0.04 + 0.96 * progress / warm_up)
    along = (progress - warm_up) / (1.0 - warm_up)
    return peak * 0.5 * (1.0 + math.cos(math.pi * along))


def run_progress(*, step: int, steps: int, elapsed_s: float, budget_s: float | None) -> float:
    """Return the completed share of the run, by steps or time, whichever is larger."""
    by_steps = step / steps
    return by_steps if budget_s is None else max(by_steps, elapsed_s / budget_s)
