"""One step of an optimizer, the same for training and fine-tuning: loss, gradient, new weights.

The learning rate over a run is a short warm-up, then half a cosine down to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from depth_ros.errors import DepthRosError
from depth_ros.training.task import Mixed, StepLoss


@dataclass(frozen=True, kw_only=True, slots=True)
class Descent:
    """How weights follow the gradient.

    Attributes:
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        warm_up: Share of the run until the peak.
        clip: Largest gradient norm.
    """

    learning_rate: float
    weight_decay: float
    warm_up: float
    clip: float


class Learner:
    """A network and the optimizer of what it learns.

    Args:
        network: Parameters that want no gradient stay as they are.
        descent: How the others follow it.
    """

    def __init__(self, network: nn.Module, descent: Descent) -> None:
        learnt = [value for value in network.parameters() if value.requires_grad]
        self.network, self.descent = network, descent
        self.optimizer = torch.optim.AdamW(learnt, lr=1e-9, weight_decay=descent.weight_decay)

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimizer.param_groups[0]['lr'])

    def step(
        self, forward: Callable[[], StepLoss], *, progress: float, trouble: str
    ) -> dict[str, float]:
        """Take a step; returns ``loss``, the norm ``gradient`` and the metrics of the loss.

        Args:
            forward: Runs the network on a batch.
            progress: Share of the schedule that is done, 0..1; decides the rate.
            trouble: When it was and what to do, for the error.

        Raises:
            DepthRosError: If the loss is not finite.
        """
        descent = self.descent
        rate = one_cycle(progress, peak=descent.learning_rate, warm_up=descent.warm_up)
        self.optimizer.param_groups[0]['lr'] = rate
        found = forward()
        loss = float(found.loss.detach())
        if not torch.isfinite(found.loss):
            raise DepthRosError(f'the loss is {loss} {trouble}')
        self.optimizer.zero_grad(set_to_none=True)
        found.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), descent.clip)
        self.optimizer.step()
        return {'loss': loss, 'gradient': float(norm), **found.metrics}


def mixed_precision(device: str, *, is_mixed: bool) -> Mixed:
    """Return the context of convolutions: in bfloat16, or one that changes nothing."""
    return partial(torch.autocast, device, torch.bfloat16) if is_mixed else nullcontext


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
