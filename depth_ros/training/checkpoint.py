"""Save and restore a run, so that a kill at any moment loses at most one interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from depth_ros.errors import WeightsError
from depth_ros.files.whole_file import whole_file
from depth_ros.training.recipe import TrainRecipe

CHECKPOINT_NAME = 'checkpoint.pt'


@dataclass(kw_only=True)
class TrainState:
    """Everything a run continues from.

    Attributes:
        step: Optimizer steps done, which is also the number of the next batch.
        elapsed_s: Training time so far, over all sessions of this schedule, s.
        model: State dict of the weights being trained.
        average: State dict of their running average.
        optimizer: State dict of the optimizer.
        rng: State of torch's generator.
        samples_seen: Over all schedules.
        recipe: The recipe as text; another one is refused.
        cycle_start: Step at which the present schedule began (0, or a warm restart).
        name: The recipe's name.
        stage: Its stage, empty for a training in one.
    """

    step: int
    elapsed_s: float
    model: dict
    average: dict
    optimizer: dict
    rng: torch.Tensor
    samples_seen: int
    recipe: str
    cycle_start: int = 0
    name: str = ''
    stage: str = ''


def save_state(state: TrainState, folder: Path) -> Path:
    """Write the checkpoint under another name, then replace the old one atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CHECKPOINT_NAME
    with whole_file(path, is_flushed=True) as draft:
        torch.save({field: getattr(state, field) for field in state.__dataclass_fields__}, draft)
    return path


def load_state(folder: Path, *, recipe: str) -> TrainState | None:
    """Read the checkpoint of a run; None where there is none yet.

    Args:
        folder: Folder of the run.
        recipe: Recipe the checkpoint must come from, or empty to take any (a new schedule may
            go on with other samples or another pace).

    Raises:
        WeightsError: If it was written by another recipe.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        return None
    state = TrainState(**torch.load(path, map_location='cpu', weights_only=True))
    if recipe and state.recipe != recipe:
        raise WeightsError(
            f'{path} was made by another recipe ({state.recipe} instead of {recipe}); '
            'begin a new schedule with --restart, or choose another --out folder'
        )
    return state


def recipe_text(recipe: TrainRecipe) -> str:
    """Return what must not change within a run: the recipe without length and learning rate."""
    free = {'steps', 'learning_rate', 'warm_up', 'validation_samples', 'streams'}
    values = {key: value for key, value in asdict(recipe).items() if key not in free}
    return repr(sorted(values.items()))
