"""The loop of fine-tuning: steps within a time budget; the best evaluated network is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from depth_ros.training.finetune.figures import Figures, gain
from depth_ros.training.step import Descent, Learner, run_progress
from depth_ros.training.task import Note, StepLoss

COOLING = 0.7
"""Share of the schedule from where the rate falls fast: a run that gets no better jumps there."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tile:
    """One picture of the report.

    Attributes:
        title: What it shows, in a few words.
        image: (H, W, 3) uint8 RGB.
    """

    title: str
    image: np.ndarray


class TuningJob(Protocol):
    """A network, the frames it learns from and those it is judged by."""

    @property
    def facts(self) -> Mapping[str, str]:
        """Facts about frames and labels for the report, by name."""
        ...

    @property
    def notes(self) -> Mapping[str, Note]:
        """Metadata for the weights' file."""
        ...

    def loss(self, network: nn.Module, rng: np.random.Generator) -> Tensor:
        """Run the network on a batch drawn with ``rng``; return the loss, a scalar."""
        ...

    def judge(self, network: nn.Module) -> Figures:
        """Measure a network on the held-out frames."""
        ...

    def tiles(self, before: nn.Module, after: nn.Module) -> list[list[Tile]]:
        """Draw some held-out frames: a row of pictures each."""
        ...

    def weights(self, network: nn.Module) -> Mapping[str, Tensor]:
        """Return what inference loads."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        budget_s: Time for the steps and the judging, s.
        steps: Steps after which it ends at the latest.
        learning_rate: Peak.
        judgements: How often the network is judged, evenly spread.
        patience: Judgements without a new best after which the rate is brought down at once, and
            then after which it ends early.
        seed: Of the order of the frames.
    """

    budget_s: float
    steps: int
    learning_rate: float
    judgements: int = 10
    patience: int = 3
    seed: int = 1

    @property
    def descent(self) -> Descent:
        """How weights follow the gradient."""
        return Descent(learning_rate=self.learning_rate, weight_decay=1e-4, warm_up=0.1, clip=5.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneProgress:
    """What a progress bar shows.

    Attributes:
        share: Of the whole, 0..1.
        step: Steps done.
        loss: Of the last one; NaN before the first.
        gain: Of the best network so far, against the one before.
        left_s: Time left at most, s.
    """

    share: float
    step: int
    loss: float
    gain: float
    left_s: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """Result of a fine-tuning.

    Attributes:
        network: The best network that was judged, the one before fine-tuning left aside.
        before: Figures of the network before.
        after: Figures of the best one.
        history: Steps and gain of every judgement.
        steps: Steps taken.
        ended_early: Whether it was cut short since nothing got better any more.
    """

    network: nn.Module
    before: Figures
    after: Figures
    history: tuple[tuple[int, float], ...]
    steps: int
    ended_early: bool


def tune(
    network: nn.Module,
    job: TuningJob,
    schedule: Schedule,
    report: Callable[[TuneProgress], None],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Fine-tune a copy of a network.

    Normalisation layers keep the statistics they have: batches of a few frames would replace
    them by worse ones.

    Raises:
        DepthRosError: If the loss is not finite.
    """
    run = _TuningRun(network, job, schedule, clock)
    while run.share < 1.0 and not run.is_stuck:
        loss = run.step()
        if run.share >= run.next_judgement or run.share >= 1.0:
            run.judge()
        report(run.progress(loss))
    return run.outcome()


class _TuningRun:
    def __init__(
        self, network: nn.Module, job: TuningJob, schedule: Schedule, clock: Callable[[], float]
    ) -> None:
        self._job, self._schedule, self._clock = job, schedule, clock
        self._start_s = clock()
        self._network = deepcopy(network).eval().requires_grad_(True)
        self._learner = Learner(self._network, schedule.descent)
        self._rng = np.random.default_rng(schedule.seed)
        self._steps = 0
        self._before = job.judge(network.eval())
        self._best: tuple[float, Figures, nn.Module] | None = None
        self._history: list[tuple[int, float]] = []
        self._since_best = 0
        self._skipped: float | None = None
        self._next_number = 1

    @property
    def share(self) -> float:
        """Share of the run that is done, by steps or by time, or skipped."""
        done = run_progress(
            step=self._steps,
            steps=self._schedule.steps,
            elapsed_s=self._clock() - self._start_s,
            budget_s=self._schedule.budget_s,
        )
        return min(1.0, done + (self._skipped or 0.0))

    @property
    def next_judgement(self) -> float:
        """Share of the run at which the network is judged next."""
        return self._next_number / self._schedule.judgements

    @property
    def is_stuck(self) -> bool:
        """Whether there was no improvement for long, even at a low learning rate."""
        return self._skipped is not None and self._since_best >= self._schedule.patience

    def step(self) -> float:
        """Take a step; return the loss."""
        found = self._learner.step(
            lambda: StepLoss(loss=self._job.loss(self._network, self._rng), metrics={}),
            progress=self.share,
            trouble=f'after {self._steps} steps; lower --learning-rate, or look whether the '
            'images are whole',
        )
        self._steps += 1
        return found['loss']

    def judge(self) -> None:
        """Evaluate the current network and keep the best one."""
        figures = self._job.judge(self._network)
        found = gain(self._before, figures)
        self._history.append((self._steps, found))
        self._since_best += 1
        if self._best is None or found > self._best[0]:
            self._best = (found, figures, deepcopy(self._network))
            self._since_best = 0
        if self._since_best >= self._schedule.patience and self._skipped is None:
            self._skipped, self._since_best = max(0.0, COOLING - self.share), 0
        self._next_number = math.floor(self.share * self._schedule.judgements + 1e-9) + 1

    def progress(self, loss: float) -> TuneProgress:
        """Return the progress of the run."""
        share, passed_s = self.share, self._clock() - self._start_s
        rest_s = passed_s * (1.0 - share) / max(share, 1e-6)
        return TuneProgress(
            share=1.0 if self.is_stuck else share,
            step=self._steps,
            loss=loss,
            gain=self._best[0] if self._best else 0.0,
            left_s=max(0.0, min(rest_s, self._schedule.budget_s - passed_s)),
        )

    def outcome(self) -> Outcome:
        """Return the best network."""
        if self._best is None:
            self.judge()
        assert self._best is not None
        return Outcome(
            network=self._best[2].requires_grad_(False),
            before=self._before,
            after=self._best[1],
            history=tuple(self._history),
            steps=self._steps,
            ended_early=bool(self._skipped) or self.is_stuck,
        )
