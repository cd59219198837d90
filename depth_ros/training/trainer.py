"""The training loop: batches in, checkpoints, metrics and averaged weights out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from depth_ros.checkpoints import load_checkpoint, load_strict
from depth_ros.errors import DepthRosError
from depth_ros.models.crestereo.network_tiny import CreStereoTiny, tiny_network
from depth_ros.training.checkpoint import TrainState, load_state, recipe_text, save_state
from depth_ros.training.losses import total_loss
from depth_ros.training.metrics import MetricsLog
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.samples import Batch
from depth_ros.training.schedule import one_cycle, run_progress
from depth_ros.training.validation import validate
from depth_ros.training.worker import BatchWorkers

COLUMNS = (
    'step', 'samples', 'minutes', 'learning_rate', 'loss', 'gradient',
    'train_epe', 'train_epe_visible', 'val_epe', 'val_epe_visible', 'val_bad_2', 'val_bad_2_near',
)  # fmt: skip
METRICS_NAME = 'metrics.csv'
WEIGHTS_NAME = 'weights.safetensors'


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How one session of a run is carried out; nothing here changes the recipe.

    Attributes:
        out: Folder of checkpoint, metrics and weights.
        photos: Folders with photographs for the textures; may be empty.
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
    photos: tuple[Path, ...] = ()
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
class Progress:
    """What a progress bar shows."""

    share: float
    step: int
    loss: float
    epe: float
    samples_per_s: float


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
        device = torch.device(settings.device)
        layout = torch.channels_last
        self.network = CreStereoTiny(recipe.network).to(device, memory_format=layout)
        self.average = CreStereoTiny(recipe.network).to(device, memory_format=layout).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=1e-9, weight_decay=recipe.weight_decay
        )
        self.step, self.cycle_start, self.samples_seen, self.elapsed_s = 0, 0, 0, 0.0
        self._restore()

    def _restore(self) -> None:
        wanted = '' if self.settings.restart else recipe_text(self.recipe)
        state = load_state(self.settings.out, recipe=wanted)
        if state is None:
            self._begin_with(self.settings.weights)
            return
        self.average.load_state_dict(state.average)
        self.step, self.samples_seen = state.step, state.samples_seen
        self.cycle_start, self.elapsed_s = state.cycle_start, state.elapsed_s
        self.network.load_state_dict(state.model)
        if self.settings.restart:
            self.cycle_start, self.elapsed_s = self.step, 0.0
        self.optimizer.load_state_dict(state.optimizer)
        torch.set_rng_state(state.rng)

    def _begin_with(self, weights: Path | None) -> None:
        if weights is None:
            return
        state = load_checkpoint(weights)
        iterations = self.recipe.network.iterations[-1]
        whole = tiny_network(state, iterations=iterations).state_dict()
        load_strict(self.network, whole)
        load_strict(self.average, whole)

    def save(self) -> None:
        """Write checkpoint and averaged weights."""
        state = TrainState(
            step=self.step,
            elapsed_s=self.elapsed_s,
            model=self.network.state_dict(),
            average=self.average.state_dict(),
            optimizer=self.optimizer.state_dict(),
            rng=torch.get_rng_state(),
            samples_seen=self.samples_seen,
            recipe=recipe_text(self.recipe),
            cycle_start=self.cycle_start,
        )
        save_state(state, self.settings.out)
        save_weights(self.average.state_dict(), self.settings.out / WEIGHTS_NAME)

    @property
    def progress(self) -> float:
        """Share of the present schedule that is done, 0..1."""
        return run_progress(
            step=self.step - self.cycle_start,
            steps=self.recipe.steps,
            elapsed_s=self.elapsed_s,
            budget_s=self.settings.until_s,
        )

    def run(self, report: Callable[[Progress], None]) -> None:
        """Train to the end of the schedule, reporting after every step."""
        log = MetricsLog(self.settings.out / METRICS_NAME, COLUMNS, last_step=self.step)
        workers = BatchWorkers(
            self.recipe.samples,
            self.settings.photos,
            batch_size=self.recipe.batch_size,
            first=self.step,
            streams=self.recipe.streams,
        )
        try:
            self._loop(workers, log, report)
        finally:
            workers.close()

    def _loop(
        self, workers: BatchWorkers, log: MetricsLog, report: Callable[[Progress], None]
    ) -> None:
        settings, window = self.settings, []
        tick = time.monotonic()
        while self.progress < 1.0 and self.step != settings.stop_after:
            window.append(self.train_step(workers.next()))
            now = time.monotonic()
            # A machine that was suspended must not use the schedule up.
            passed = min(now - tick, 30.0)
            tick, self.elapsed_s = now, self.elapsed_s + passed
            rate = self.recipe.batch_size / max(passed, 1e-9)
            last = window[-1]
            report(
                Progress(
                    share=self.progress,
                    step=self.step,
                    loss=last['loss'],
                    epe=last['train_epe'],
                    samples_per_s=rate,
                )
            )
            is_last = self.progress >= 1.0
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
            'learning_rate': self.optimizer.param_groups[0]['lr'],
        }
        if self.step % self.settings.validate_every == 0 or is_last:
            row |= validate(self.average, self.recipe, self.settings.photos, self._mixed)
        return row

    def _mixed(self) -> AbstractContextManager:
        if not self.recipe.mixed:
            return nullcontext()
        return torch.autocast(self.settings.device, torch.bfloat16)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Take one optimizer step; give loss, gradient norm and errors of the batch."""
        recipe = self.recipe
        rate = one_cycle(self.progress, peak=recipe.learning_rate, warm_up=recipe.warm_up)
        self.optimizer.param_groups[0]['lr'] = rate
        left, right, disparity, hidden = to_tensors(batch, self.settings.device)
        self.network.train()
        with self._mixed():
            predictions = self.network.predict(left, right)
        loss = total_loss(predictions, disparity, hidden)
        if not torch.isfinite(loss):
            raise DepthRosError(
                f'the loss is {float(loss.detach())} at step {self.step}; go on from the last '
                'checkpoint with a lower --learning-rate'
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
        self.optimizer.step()
        self.step += 1
        self.samples_seen += left.shape[0]
        self._update_average()
        error = (predictions.full.detach() - disparity).abs()
        return {
            'loss': float(loss.detach()),
            'gradient': float(norm),
            'train_epe': float(error.mean()),
            'train_epe_visible': float(error[~hidden].mean()),
        }

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


def to_tensors(batch: Batch, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give images (B, 3, H, W) float32, disparity (B, 1, H, W) and the occlusion mask."""
    images = [
        torch.from_numpy(image).to(device).permute(0, 3, 1, 2).float()
        for image in (batch.left, batch.right)
    ]
    disparity = torch.from_numpy(batch.disparity).to(device).unsqueeze(1)
    hidden = torch.from_numpy(batch.is_occluded).to(device).unsqueeze(1)
    return images[0], images[1], disparity, hidden


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write the weights that inference needs, at once, contiguous and on the CPU."""
    tensors = {
        key: value.detach().cpu().contiguous().clone()
        for key, value in state.items()
        if not key.endswith('num_batches_tracked')
    }
    partial = path.with_suffix('.partial')
    save_file(tensors, partial)
    partial.chmod(0o644)
    partial.replace(path)
