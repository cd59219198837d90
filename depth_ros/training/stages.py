"""The schedules of a recipe one after another, each begun where the one before ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from depth_ros.training.checkpoint import load_state
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.trainer import RunSettings, Trainer, TrainingProgress


def run_stages(
    chosen: Sequence[TrainRecipe],
    settings: RunSettings,
    report: Callable[[TrainingProgress], None],
) -> Trainer:
    """Train through schedules, from that of the checkpoint in ``settings.out`` if there is one.

    Args:
        chosen: Schedules of one recipe, in their order.
        settings: How; a time budget is shared out as the steps are. ``restart`` begins with the
            first of them, whatever the checkpoint says.
        report: Called with the overall progress.

    Returns:
        The trainer of the last schedule that was run.

    Raises:
        WeightsError: If the checkpoint is of another recipe or network.
        DepthRosError: If a loss is not finite.
    """
    first, goes_on = _begin(chosen, settings)
    ends = _ends(chosen)
    for number in range(first, len(chosen)):
        begin, end = ends[number], ends[number + 1]
        until_s = None if settings.until_s is None else (end - begin) * settings.until_s
        own = replace(settings, restart=goes_on, until_s=until_s)
        trainer = Trainer(chosen[number], own)
        if not trainer.is_done:
            trainer.run(_told(report, begin, end))
        if not trainer.is_done:  # ended by ``stop_after``
            break
        goes_on = True
    return trainer


def _begin(chosen: Sequence[TrainRecipe], settings: RunSettings) -> tuple[int, bool]:
    """Return which schedule comes first, and whether it begins anew on other weights."""
    if settings.restart:
        return 0, True
    state = load_state(settings.out, recipe='')
    names = [one.stage for one in chosen]
    if state is None or state.name != chosen[0].name:
        return 0, False
    return (names.index(state.stage), False) if state.stage in names else (0, True)


def _ends(chosen: Sequence[TrainRecipe]) -> list[float]:
    """Return the shares of the whole at which schedules begin and the last one ends, 0..1."""
    total = sum(one.steps for one in chosen)
    return [sum(one.steps for one in chosen[:count]) / total for count in range(len(chosen) + 1)]


def _told(
    report: Callable[[TrainingProgress], None], begin: float, end: float
) -> Callable[[TrainingProgress], None]:
    """Turn the share of a schedule into that of the whole."""

    def tell(progress: TrainingProgress) -> None:
        report(replace(progress, share=begin + (end - begin) * min(1.0, progress.share)))

    return tell
