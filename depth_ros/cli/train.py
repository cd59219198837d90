"""``depth-ros train RECIPE``: train one of the project's own networks, resumable at any moment."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depth_ros.cli.kit.arguments import add_out
from depth_ros.cli.kit.progress import never_silent, open_progress, time_text
from depth_ros.errors import ParameterError
from depth_ros.tensors import Progress

if TYPE_CHECKING:
    from depth_ros.training.recipe import TrainRecipe
    from depth_ros.training.trainer import TrainingProgress


RECIPE_FIELDS = {
    'learning_rate': 'learning_rate',
    'batch_size': 'batch_size',
    'workers': 'streams',
}
"""Arguments that change every stage of a recipe, and its fields."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser('train', help='train a network of this project (needs torch)')
    parser.add_argument('recipe', help='crestereo_tiny or another; a wrong name lists them all')
    parser.add_argument('--stage', help='only this stage of the recipe; all of them by default')
    add_out(parser, None, 'of the run; required, but for --contact-sheet')
    parser.add_argument('--device', default='cpu', choices=('cpu', 'cuda'))
    parser.add_argument('--threads', type=int, default=2, help='CPU threads of torch')
    parser.add_argument(
        '--steps', type=int, help='length of the run in steps, shared out over its stages'
    )
    parser.add_argument(
        '--until-minutes', type=float, help='length of the run in minutes, shared out likewise'
    )
    parser.add_argument('--learning-rate', type=float, help='peak learning rate')
    parser.add_argument('--batch-size', type=int, help='samples a step, where memory is short')
    parser.add_argument('--workers', type=int, help='processes that make the samples')
    parser.add_argument(
        '--weights', type=Path, help='weights to begin a new run with, e.g. the shipped ones'
    )
    parser.add_argument(
        '--photos', type=Path, action='append', help='folder with photographs for textures'
    )
    parser.add_argument(
        '--data',
        type=Path,
        action='append',
        help='folder of a data set, if the recipe reads one',
    )
    parser.add_argument(
        '--resume', action='store_true', help='go on with the checkpoint in --out, in its stage'
    )
    parser.add_argument(
        '--restart', action='store_true', help='as --resume, with a new schedule (warm restart)'
    )
    parser.add_argument(
        '--contact-sheet', type=Path, help='only draw a picture of some samples into this file'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; return the exit status."""
    print(f'{args.recipe}: loading torch', flush=True)
    from depth_ros.training.recipe import find_recipe

    find_recipe(args.recipe)
    _expect_out(args)
    from depth_ros.training.checkpoint import CHECKPOINT_NAME
    from depth_ros.training.photos import photo_folders
    from depth_ros.training.pictures import draw_contact_sheet, draw_curve
    from depth_ros.training.stages import run_stages
    from depth_ros.training.task import DataFolders
    from depth_ros.training.trainer import METRICS_NAME, RunSettings

    is_known = bool(args.out) and (args.out / CHECKPOINT_NAME).is_file()
    if is_known and not (args.resume or args.restart):
        raise ParameterError(
            f'{args.out} already holds a run; add --resume to go on with it, --restart for a new '
            'schedule on its weights, or choose another --out'
        )
    chosen = _schedules(args)
    photos = tuple(args.photos) if args.photos else photo_folders()
    folders = DataFolders(photos=photos, data=tuple(args.data or ()))
    if args.contact_sheet:
        draw_contact_sheet(chosen[0], folders, args.contact_sheet)
        print(f'samples of {args.recipe} are in {args.contact_sheet}')
        return 0
    settings = RunSettings(
        out=args.out,
        folders=folders,
        device=args.device,
        until_s=None if args.until_minutes is None else 60.0 * args.until_minutes,
        restart=args.restart,
        weights=args.weights,
        threads=args.threads,
    )
    last = ['']
    with open_progress() as shown, never_silent(shown, 'making samples') as tell:
        trainer = run_stages(chosen, settings, _reporter(tell, last))
    print(last[0])
    draw_curve(args.out / METRICS_NAME, args.out / 'curve.png')
    print(f'{trainer.samples_seen} samples seen; weights, metrics and curve are in {args.out}')
    return 0


def _expect_out(args: argparse.Namespace) -> None:
    """Refuse a run of hours that has no folder of its own."""
    if args.out is None and args.contact_sheet is None:
        raise ParameterError(
            f'train needs --out FOLDER, where the run is kept; e.g. --out runs/{args.recipe}'
        )


def _schedules(args: argparse.Namespace) -> list[TrainRecipe]:
    """Return the stages that were asked for, with what the command line changes of them.

    Raises:
        ParameterError: If a value is not above 0.
        RecipeError: If there is no such recipe or stage.
    """
    from depth_ros.training.recipe import find_recipe, find_schedule, schedules, shared_out

    changes = _changes(args)
    recipe = find_recipe(args.recipe)
    chosen = [find_schedule(recipe, args.stage)] if args.stage else schedules(recipe)
    chosen = [replace(one, **changes) for one in chosen]
    return shared_out(chosen, args.steps) if args.steps else chosen


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(args, name) for name in ('steps', *RECIPE_FIELDS)}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if value <= 0:
            option = name.replace('_', '-')
            raise ParameterError(f'--{option} must be above 0, got {value}; correct it')
    return {RECIPE_FIELDS[name]: value for name, value in given.items() if name != 'steps'}


def _reporter(tell: Progress, last: list[str]) -> Callable[[TrainingProgress], None]:
    """Return what tells the step, its figures, the rate and the time left; ``last`` keeps it."""
    begun: list[tuple[float, float]] = []

    def show(progress: TrainingProgress) -> None:
        now_s = time.monotonic()
        begun.append((now_s, progress.share))
        passed_s, done = now_s - begun[0][0], progress.share - begun[0][1]
        del begun[1:]
        left_s = passed_s / done * (1.0 - progress.share) if done > 0.0 else None
        left = '' if left_s is None else f', {time_text(left_s)} left'
        last[0] = _line(progress)
        tell(f'{last[0]}{left}', progress.share)

    return show


def _line(progress: TrainingProgress) -> str:
    name, value = progress.metric
    stage = f'{progress.stage}: ' if progress.stage else ''
    return (
        f'{stage}step {progress.step} loss {progress.loss:.2f} {name} {value:.3g} '
        f'{progress.samples_per_s:.1f} samples/s'
    )
