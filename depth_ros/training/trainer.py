"""The training loop: batches in, checkpoints, metrics and averaged weights out."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from depth_ros.errors import WeightsError
from depth_ros.files.whole_file import whole_file
from depth_ros.training.checkpoint import TrainState, load_state, recipe_text, save_state
from depth_ros.training.metrics import MetricsLog
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.step import Learner, mixed_precision, run_progress
from depth_ros.training.task import DataFolders, Note, Noted
from depth_ros.training.worker import BatchWorkers

COLUMNS = ('step', 'samples', 'minutes', 'learning_rate', 'loss', 'gradient')
"""Of every run; those of the task follow."""
METRICS_NAME = 'metrics.csv'
WEIGHTS_NAME = 'weights.safetensors'

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How one session of a run is carried out; nothing here changes the recipe.

    Attributes:
        out: Folder of checkpoint, metrics and weights.
        folders: Where photographs and data sets are.
        device: ``'cpu'`` or ``'cuda'``.
        until_s: Time budget of the schedule, s; None leaves the length to the steps.
        weights: Weights to begin with where ``out`` holds no checkpoint, e.g. the shipped ones.
        threads: CPU threads of torch; None leaves them as they are.
        restart: Begin a new schedule on the weights of the last one (warm restart).
        log_every: Steps between rows of the metrics.
        validate_every: Steps between validations.
        save_every: Steps between checkpoints.
        stop_after: End this session at this step, as a kill would; for tests.
    """

    out: Path
    folders: DataFolders = field(default_factory=DataFolders)
    device: str = 'cpu'
    until_s: float | None = None
    weights: Path | None = None
    threads: int | None = None
    restart: bool = False
    log_every: int = 50
    validate_every: int = 500
    save_every: int = 200
    stop_after: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingProgress:
    """What a progress bar shows; ``metric`` is the first of the task's, by its name."""

    stage: str
    share: float
    step: int
    loss: float
    metric: tuple[str, float]
    samples_per_s: float


def fits_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> bool:
    """Whether a saved state is of as many parameters, each of the same shape, in this order."""
    learnt = [value for group in optimizer.param_groups for value in group['params']]
    known = [number for group in saved['param_groups'] for number in group['params']]
    if len(learnt) != len(known):
        return False
    moments = [saved['state'].get(number, {}).get('exp_avg') for number in known]
    return all(
        moment is None or moment.shape == value.shape
        for moment, value in zip(moments, learnt, strict=True)
    )


class Trainer:
    """One run: network, optimizer, running average and where it stands.

    Args:
        recipe: What to train.
        settings: How this session does it.
    """

    def __init__(self, recipe: TrainRecipe, settings: RunSettings) -> None:
        torch.manual_seed(recipe.seed)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.recipe, self.settings = recipe, settings
        self.network = channels_last(recipe.task.build().to(torch.device(settings.device)))
        self.average = deepcopy(self.network).eval()
        self.learner = Learner(self.network, recipe.descent)
        self.mixed = mixed_precision(settings.device, is_mixed=recipe.mixed)
        self.step, self.cycle_start, self.samples_seen, self.elapsed_s = 0, 0, 0, 0.0
        self._restore()

    def _restore(self) -> None:
        wanted = '' if self.settings.restart else recipe_text(self.recipe)
        state = load_state(self.settings.out, recipe=wanted)
        if state is None:
            self._begin_with(self.settings.weights)
            return
        self._take_weights(state)
        self.step, self.samples_seen = state.step, state.samples_seen
        self.cycle_start, self.elapsed_s = state.cycle_start, state.elapsed_s
        if self.settings.restart:
            self.cycle_start, self.elapsed_s = self.step, 0.0
        # Only another stage may learn other parts; a run that is resumed goes on exactly.
        if self.settings.restart and not fits_optimizer(self.learner.optimizer, state.optimizer):
            logger.info('%s learns other parts: the optimizer begins anew', self.recipe.name)
        else:
            self.learner.optimizer.load_state_dict(state.optimizer)
        torch.set_rng_state(state.rng)

    def _take_weights(self, state: TrainState) -> None:
        try:
            self.network.load_state_dict(state.model)
            self.average.load_state_dict(state.average)
        except RuntimeError as error:
            raise WeightsError(
                f'the run in {self.settings.out} is of another network than {self.recipe.name}; '
                f'choose another --out and add --weights {self.settings.out / WEIGHTS_NAME}'
            ) from error

    def _begin_with(self, weights: Path | None) -> None:
        if weights is not None:
            self.recipe.task.begin_with(self.network, weights)
            self.average.load_state_dict(self.network.state_dict())

    def save(self) -> None:
        """Write checkpoint and averaged weights."""
        state = TrainState(
            step=self.step,
            elapsed_s=self.elapsed_s,
            model=self.network.state_dict(),
            average=self.average.state_dict(),
            optimizer=self.learner.optimizer.state_dict(),
            rng=torch.get_rng_state(),
            samples_seen=self.samples_seen,
            recipe=recipe_text(self.recipe),
            cycle_start=self.cycle_start,
            name=self.recipe.name,
            stage=self.recipe.stage,
        )
        save_state(state, self.settings.out)
        task = self.recipe.task
        notes = task.notes() if isinstance(task, Noted) else {}
        save_weights(task.weights(self.average), self.settings.out / WEIGHTS_NAME, notes)

    @property
    def progress(self) -> float:
        """Share of the present schedule that is done, 0..1."""
        return run_progress(
            step=self.step - self.cycle_start,
            steps=self.recipe.steps,
            elapsed_s=self.elapsed_s,
            budget_s=self.settings.until_s,
        )

    @property
    def is_done(self) -> bool:
        """Whether the present schedule has ended."""
        return self.progress >= 1.0

    def run(self, report: Callable[[TrainingProgress], None]) -> None:
        """Train to the end of the schedule, reporting after every step."""
        task = self.recipe.task
        columns = (*COLUMNS, *task.train_metrics, *task.validation_metrics)
        log = MetricsLog(self.settings.out / METRICS_NAME, columns, last_step=self.step)
        workers = BatchWorkers(
            task.source(self.settings.folders),
            batch_size=self.recipe.batch_size,
            first=self.step,
            streams=self.recipe.streams,
        )
        try:
            self._loop(workers, log, report)
        finally:
            workers.close()

    def _loop(
        self, workers: BatchWorkers, log: MetricsLog, report: Callable[[TrainingProgress], None]
    ) -> None:
        settings, window = self.settings, []
        shown = self.recipe.task.train_metrics[0]
        tick = time.monotonic()
        while not self.is_done and self.step != settings.stop_after:
            window.append(self.train_step(workers.next()))
            now = time.monotonic()
            # A step counts as 30 s at most, so suspending the machine does not use up the time.
            passed = min(now - tick, 30.0)
            tick, self.elapsed_s = now, self.elapsed_s + passed
            rate = self.recipe.batch_size / max(passed, 1e-9)
            last = window[-1]
            report(
                TrainingProgress(
                    stage=self.recipe.stage,
                    share=self.progress,
                    step=self.step,
                    loss=last['loss'],
                    metric=(shown, last[shown]),
                    samples_per_s=rate,
                )
            )
            is_last = self.is_done
            if self.step % settings.log_every == 0 or is_last:
                log.add(self._row(window, is_last))
                window = []
            if self.step % settings.save_every == 0 or is_last:
                self.save()

    def _row(self, window: list[dict[str, float]], is_last: bool) -> dict[str, float]:
        row = {key: float(np.mean([step[key] for step in window])) for key in window[0]}
        row |= {
            'step': self.step,
            'samples': self.samples_seen,
            'minutes': self.elapsed_s / 60.0,
            'learning_rate': self.learner.rate,
        }
        if self.step % self.settings.validate_every == 0 or is_last:
            row |= self._validate()
        return row

    def _validate(self) -> dict[str, float]:
        self.average.eval()
        return self.recipe.task.validate(
            self.average,
            self.settings.folders,
            samples=self.recipe.validation_samples,
            device=self.settings.device,
            mixed=self.mixed,
        )

    def train_step(self, batch: Any) -> dict[str, float]:
        """Take one optimizer step; return loss, gradient norm and the task's figures.

        Raises:
            DepthRosError: If the loss is not finite.
        """
        self.network.train()
        found = self.learner.step(
            lambda: self.recipe.task.loss(
                self.network, batch, device=self.settings.device, mixed=self.mixed
            ),
            progress=self.progress,
            trouble=f'at step {self.step}; go on from the last checkpoint with a lower '
            '--learning-rate',
        )
        self.step += 1
        self.samples_seen += self.recipe.batch_size
        self._update_average()
        return found

    def _update_average(self) -> None:
        """Move the average towards the weights; faster when a schedule is young."""
        steps = self.step - self.cycle_start
        keep = min(self.recipe.average, (1.0 + steps) / (10.0 + steps))
        with torch.no_grad():
            for mean, value in zip(
                self.average.state_dict().values(), self.network.state_dict().values(), strict=True
            ):
                if mean.is_floating_point():
                    mean.lerp_(value, 1.0 - keep)
                else:
                    mean.copy_(value)


def channels_last(network: nn.Module) -> nn.Module:
    """Lay the weights of two-dimensional convolutions out as they are fastest, in place.

    ``Module.to`` would do it, but refuses networks that have three-dimensional ones as well.
    """
    for value in network.parameters():
        if value.dim() == 4:
            value.data = value.data.contiguous(memory_format=torch.channels_last)
    return network


def save_weights(
    state: Mapping[str, Tensor], path: Path, notes: Mapping[str, Note] | None = None
) -> None:
    """Write the weights that inference needs, at once, contiguous and on the CPU.

    Notes become what ``checkpoints.read.read_extras`` gives.
    """
    tensors = {
        key: value.detach().cpu().contiguous().clone()
        for key, value in state.items()
        if not key.endswith('num_batches_tracked')
    }
    extras = {key: json.dumps(value) for key, value in (notes or {}).items()}
    with whole_file(path) as draft:
        save_file(tensors, draft, extras)
        draft.chmod(0o644)
