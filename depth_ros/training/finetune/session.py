"""A fine-tuning from frames to kept or refused weights; no ROS, no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import nn

from depth_ros import __version__
from depth_ros.entries import load_named
from depth_ros.errors import ParameterError
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.models.registry import expect_tunable, models
from depth_ros.tensors import Progress, Task
from depth_ros.training.finetune.error_scale import recalibrate
from depth_ros.training.finetune.figures import TuningVerdict, judge
from depth_ros.training.finetune.loop import Outcome, Schedule, TuneProgress, TuningJob, tune
from depth_ros.training.finetune.mono_job import LEARNING_RATE, prepare_mono
from depth_ros.training.finetune.report import ReportPage, write_report
from depth_ros.training.finetune.stereo_job import prepare_stereo
from depth_ros.training.finetune.stereo_pairs import rectified_pairs, split_pairs
from depth_ros.training.finetune.store import TunedWeights
from depth_ros.training.finetune.students import check_size, student_of

LABEL_SHARE = 0.3
"""Share of the time budget for making labels."""
MAX_STEPS = 1_000_000

Loaded = TypeVar('Loaded')


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneSettings:
    """What is fine-tuned and how.

    Attributes:
        model: Name of the model.
        weights: Weights to begin with.
        size: (height, width) it learns at, that of the engine.
        minutes: Time from the first frame read to the last step.
        steps: Largest number of steps, 0 for as many as the time allows.
        learning_rate: Peak, 0 takes the model's.
        batch_size: Frames a step.
        max_frames: Frames to use at most, evenly chosen.
        baseline_m: Baseline where the calibration has none, else 0.
        threads: CPU threads of torch, 0 leaves them as they are.
        seed: Of order and changes of the frames.
    """

    model: str
    weights: Path
    size: tuple[int, int]
    minutes: float = 45.0
    steps: int = 0
    learning_rate: float = 0.0
    batch_size: int = 2
    max_frames: int = 120
    baseline_m: float = 0.0
    threads: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        expect_tunable(self.model)
        least = min(self.minutes, self.batch_size, self.max_frames)
        if not least > 0 or min(self.steps, self.learning_rate, self.threads) < 0:
            raise ParameterError(
                'minutes, batch size and frames must be above 0, steps, learning rate and '
                f'threads at least 0, got {self}; correct them'
            )

    @property
    def is_mono(self) -> bool:
        """Whether it learns from the video of one camera."""
        return Task.STEREO not in models()[self.model].tasks


@dataclass(frozen=True, kw_only=True, slots=True)
class Reporters:
    """Callbacks for progress.

    Attributes:
        preparing: Called with a phase and its share, None where unknown.
        tuning: Called after every step.
    """

    preparing: Progress
    tuning: Callable[[TuneProgress], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Result:
    """Result of a fine-tuning.

    Attributes:
        outcome: Figures and network.
        verdict: Whether the new weights are kept.
        path: New weights, or None if they were refused.
        error_factor: By what the error that the new network tells was scaled, as measured on
            frames held out; None where it tells none.
    """

    outcome: Outcome
    verdict: TuningVerdict
    path: Path | None
    error_factor: float | None = None


def finetune_stereo(
    settings: FinetuneSettings,
    frames: Iterable[StereoFrame],
    store: TunedWeights,
    reporters: Reporters,
    *,
    report: Path,
    source: str,
) -> Result:
    """Fine-tune a stereo network.

    Args:
        settings: What and how.
        frames: The rig's pairs, in order of time.
        store: Where weights are kept.
        reporters: Callbacks for progress.
        report: Page to write.
        source: Where the frames are from, in words.

    Raises:
        InputError: If the frames cannot be used, e.g. are too few or do not match.
        WeightsError: If the weights do not fit.
    """
    check_size(settings.model, settings.size)
    student, start_s = student_of(settings.model), time.monotonic()
    network = _begin(settings, lambda: student.load(settings.weights))
    baseline_m = settings.baseline_m or None
    pairs = split_pairs(list(rectified_pairs(frames, settings.size, baseline_m=baseline_m)))
    job = prepare_stereo(
        student,
        network,
        pairs,
        reporters.preparing,
        batch_size=settings.batch_size,
        budget_s=60.0 * settings.minutes * LABEL_SHARE,
    )
    rate = settings.learning_rate or student.learning_rate
    passed_s = time.monotonic() - start_s
    outcome = tune(network, job, _schedule(settings, passed_s, rate), reporters.tuning)
    factor = recalibrate(student, network, outcome.network, job.held_out)
    result = _finish(
        settings,
        job,
        network,
        outcome,
        store,
        report=report,
        source=source,
        told={} if factor is None else {'told error': f'times {factor:.3f}, on pairs held out'},
    )
    return replace(result, error_factor=factor)


def finetune_mono(
    settings: FinetuneSettings,
    frames: Iterable[MonoFrame],
    store: TunedWeights,
    reporters: Reporters,
    *,
    count: int,
    report: Path,
    source: str,
) -> Result:
    """Fine-tune Monodepth2; ``count`` is how many frames there are at most.

    Further arguments and errors are those of ``finetune_stereo``.
    """
    start_s = time.monotonic()
    load = load_named(models()[settings.model].tuning)
    task, network = _begin(settings, lambda: load(settings.weights, settings.size))
    job = prepare_mono(
        task, frames, count=count, max_frames=settings.max_frames, batch_size=settings.batch_size
    )
    rate = settings.learning_rate or LEARNING_RATE
    passed_s = time.monotonic() - start_s
    outcome = tune(network, job, _schedule(settings, passed_s, rate), reporters.tuning)
    return _finish(settings, job, network, outcome, store, report=report, source=source)


def _begin(settings: FinetuneSettings, load: Callable[[], Loaded]) -> Loaded:
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    return load()


def _schedule(settings: FinetuneSettings, passed_s: float, rate: float) -> Schedule:
    return Schedule(
        budget_s=max(1.0, 60.0 * settings.minutes - passed_s),
        steps=settings.steps or MAX_STEPS,
        learning_rate=rate,
        seed=settings.seed,
    )


def _finish(
    settings: FinetuneSettings,
    job: TuningJob,
    network: nn.Module,
    outcome: Outcome,
    store: TunedWeights,
    *,
    report: Path,
    source: str,
    told: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    """Evaluate, write the report, keep or refuse the weights."""
    verdict = judge(outcome.before, outcome.after)
    facts = {
        **job.facts,
        **told,
        'size': f'{settings.size[0]}x{settings.size[1]}',
        'steps': str(outcome.steps) + (', ended early' if outcome.ended_early else ''),
    }
    page = ReportPage(
        model=settings.model,
        parent=settings.weights.name,
        frames=source,
        facts=facts,
        before=outcome.before,
        after=outcome.after,
        verdict=verdict,
        history=outcome.history,
        rows=job.tiles(network, outcome.network),
    )
    write_report(page, report)
    path = None
    if verdict.is_better:
        record = _record(settings, outcome, verdict, {'frames': source, **facts})
        path = store.keep(job.weights(outcome.network), settings.weights, record, notes=job.notes)
    return Result(outcome=outcome, verdict=verdict, path=path)


def _record(
    settings: FinetuneSettings, outcome: Outcome, verdict: TuningVerdict, facts: Mapping[str, str]
) -> dict[str, object]:
    """Return the facts of the sidecar beside parent and hash."""
    return {
        'model': settings.model,
        'made': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'depth_ros': __version__,
        'gain': verdict.gain,
        'before': _finite(asdict(outcome.before)),
        'after': _finite(asdict(outcome.after)),
        'facts': dict(facts),
    }


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    """Drop values that are not finite: JSON has no NaN."""
    return {name: value for name, value in values.items() if value == value}
