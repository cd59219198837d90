"""Evaluate weights as the training loop does: by the task's validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from depth_ros.errors import InputError, ParameterError
from depth_ros.training.recipe import TrainRecipe
from depth_ros.training.step import mixed_precision
from depth_ros.training.task import DataFolders
from depth_ros.training.trainer import channels_last


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeSettings:
    """How weights are evaluated.

    Attributes:
        folders: Where photographs and data sets are.
        samples: Size of the validation set; None takes the recipe's.
        device: ``'cpu'`` or ``'cuda'``.
        threads: CPU threads of torch; None leaves them as they are.
        is_mixed: Whether convolutions run in bfloat16, as recipes with ``mixed`` train.
    """

    folders: DataFolders = field(default_factory=DataFolders)
    samples: int | None = None
    device: str = 'cpu'
    threads: int | None = None
    is_mixed: bool = False


def judge_weights(recipe: TrainRecipe, weights: Path, settings: JudgeSettings) -> dict[str, float]:
    """Load weights into a recipe's network and run its validation.

    Returns:
        The task's validation metrics by name, as in ``metrics.csv`` of a run.

    Raises:
        WeightsError: If the weights are missing or of another network.
        ParameterError: If the number of samples is not positive.
        RecipeError: If a folder that is needed is absent or holds nothing usable.
        InputError: Reason ``'missing'``, if the folders hold nothing to judge by.
    """
    if settings.samples is not None and settings.samples < 1:
        raise ParameterError(
            f'samples must be 1 or more, got {settings.samples}; '
            f'{recipe.validation_samples} is what {recipe.name} has'
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(recipe.seed)
    network = recipe.task.build()
    recipe.task.begin_with(network, weights)
    network = channels_last(network.to(torch.device(settings.device))).eval()
    figures = recipe.task.validate(
        network,
        settings.folders,
        samples=settings.samples or recipe.validation_samples,
        device=settings.device,
        mixed=mixed_precision(settings.device, is_mixed=settings.is_mixed),
    )
    if not figures:
        raise InputError(
            'missing',
            f'{recipe.name} found nothing to judge by in '
            f'{[str(folder) for folder in settings.folders.data]}; name its data set with --data',
        )
    return figures
