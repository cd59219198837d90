"""``depth-ros evaluate RECIPE``: weights on the validation set of a training recipe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from depth_ros.cli.evaluate.report import add_json_argument, report, say
from depth_ros.errors import ParameterError
from depth_ros.evaluation.tables import markdown_table

NO_PHOTOS = (
    'no photographs found: textures are procedural, so these are not the figures of a training '
    'with photographs; name their folder with --photos'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricRow:
    """One figure of a validation."""

    recipe: str
    weights: str
    metric: str
    value: float


def add_parser(tasks: argparse._SubParsersAction, word: str, *, known: Sequence[str]) -> None:
    """Add one recipe to ``depth-ros evaluate``.

    Args:
        tasks: Where to add it.
        word: What was typed.
        known: Tasks that are no recipes, for the error.

    Raises:
        ParameterError: If there is no such recipe; lists what can be evaluated.
    """
    _check_recipe(word, known)
    parser = tasks.add_parser(
        word,
        description='Measure weights as the training loop validates them: on the fixed synthetic '
        'set of the recipe, or on the data set that it reads.',
    )
    parser.add_argument(
        '--weights', type=Path, required=True, metavar='FILE', help='weights of this network'
    )
    parser.add_argument('--stage', help='by the samples of this stage; the last by default')
    parser.add_argument(
        '--samples', type=int, metavar='N', help="size of the set; the recipe's own by default"
    )
    parser.add_argument(
        '--photos', type=Path, action='append', help='folder with photographs for textures'
    )
    parser.add_argument(
        '--data', type=Path, action='append', help='folder of a data set, if the recipe reads one'
    )
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--threads', type=int, default=2, help='CPU threads of torch')
    parser.add_argument(
        '--mixed', action='store_true', help='convolutions in bfloat16, as in most trainings'
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print the table; return the exit status."""
    from depth_ros.training.judge import JudgeSettings, judge_weights
    from depth_ros.training.photos import photo_folders
    from depth_ros.training.recipe import find_recipe, find_schedule, schedules
    from depth_ros.training.task import DataFolders

    photos = tuple(args.photos) if args.photos else photo_folders()
    recipe = find_recipe(args.task)
    figures = judge_weights(
        find_schedule(recipe, args.stage) if args.stage else schedules(recipe)[-1],
        args.weights,
        JudgeSettings(
            folders=DataFolders(photos=photos, data=tuple(args.data or ())),
            samples=args.samples,
            device=args.device,
            threads=args.threads,
            is_mixed=args.mixed,
        ),
    )
    say('' if photos else NO_PHOTOS)
    rows = [
        MetricRow(recipe=args.task, weights=args.weights.name, metric=name, value=value)
        for name, value in figures.items()
    ]
    text = markdown_table(
        (args.task, args.weights.name), [(row.metric, f'{row.value:.4g}') for row in rows]
    )
    return report(args, text, rows)


def _check_recipe(word: str, tasks: Sequence[str]) -> None:
    """Refuse a word that is no recipe; the recipes are unknown without torch."""
    try:
        from depth_ros.training.recipe import recipes
    except ModuleNotFoundError as error:
        raise ParameterError(
            f'expected one of {", ".join(tasks)} or a training recipe, which needs {error.name}, '
            f'got {word!r}; type a task, or: pip install {error.name}'
        ) from error
    if word not in recipes():
        raise ParameterError(
            f'expected a task ({", ".join(tasks)}) or a training recipe '
            f'({", ".join(sorted(recipes()))}), got {word!r}; type: depth-ros evaluate '
            f'{tasks[0]} --data FOLDER'
        )
