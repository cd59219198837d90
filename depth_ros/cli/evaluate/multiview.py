"""``depth-ros evaluate multiview``: depth of posed views against measured and exact depth."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice

from depth_ros.cli.evaluate.report import (
    add_report_arguments,
    present_sets,
    report,
    say_untrained,
)
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.progress import open_progress
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import format_size, load_recipe
from depth_ros.evaluation.data_sets import FoundSets
from depth_ros.evaluation.multiview import (
    EXPLANATION,
    Estimator,
    MultiViewRow,
    evaluate_views,
    network_estimator,
    sgbm_estimator,
    table,
)
from depth_ros.evaluation.posed_views import (
    CROP,
    MULTIVIEW_SETS,
    MultiViewSet,
    rendered_views,
)
from depth_ros.files.share import find_share
from depth_ros.models.registry import model_entry
from depth_ros.settings import settings_of
from depth_ros.tasks.multiview.processor import open_multiview
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tensors import Progress, Task

SAMPLINGS = ('linear', 'inverse')
SGBM = 'SGBM, one neighbour'
NUM_QUICK = 2


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros evaluate``."""
    parser = tasks.add_parser(
        'multiview',
        description='Measure depth of posed views on real frames and rendered scenes, with both '
        'samplings, beside SGBM on the reference and its rectified neighbour; with 192 depths and '
        f'4 sources at {format_size(CROP)} where nothing else is said.',
    )
    add_report_arguments(parser, folders=[item.folder for item in MULTIVIEW_SETS.values()])
    parser.add_argument(
        '--quick', action='store_true', help='the two crops of the standard split alone'
    )
    wanted = [setting.name for setting in settings_of(MultiViewSettings) if setting.opens_engine]
    add_settings(parser, MultiViewSettings, title='multiview', only=wanted, without=('sampling',))
    parser.set_defaults(run=run, size=format_size(CROP), num_depths=192, num_sources=4)


def run(args: argparse.Namespace) -> int:
    """Measure and print the table; return the exit status."""
    chosen = read_settings(MultiViewSettings, args)
    chosen = replace(chosen, engine=_with_weights(chosen))
    title = model_entry(chosen.model, Task.MULTIVIEW).title
    found = present_sets(args, MULTIVIEW_SETS)
    rows: list[MultiViewRow] = []
    views: list[MultiViewSet] = []
    with open_progress() as progress:
        for sampling in SAMPLINGS:
            settings = replace(chosen, sampling=sampling)
            with closing(open_multiview(settings, progress=progress)) as processor:
                say_untrained(processor.pipeline.is_untrained)
                views = views or _views(found, is_quick=args.quick)
                method = f'{title}, {sampling}'
                rows += _judged(views, method, network_estimator(processor), progress)
        rows += _judged(views, SGBM, sgbm_estimator, progress)
    return report(args, f'{EXPLANATION}\n\n{table(rows)}', rows)


def _views(found: FoundSets[MultiViewSet], *, is_quick: bool) -> list[MultiViewSet]:
    """Read and render the test views; takes seconds, so a network is opened first."""
    views = (item for name in found.present for item in found.load(name))
    return list(islice(views, NUM_QUICK)) if is_quick else [*views, *rendered_views()]


def _with_weights(settings: MultiViewSettings) -> EngineChoice:
    """Name the shipped weights where none are named and no shipped graph serves, if any ship.

    Graphs ship with the recipe's own options, and run without torch.
    """
    options = load_recipe(settings.model).options
    is_default = (settings.num_depths, settings.num_sources) == tuple(
        options[name].default for name in ('depths', 'sources')
    )
    if settings.engine.weights or is_default:
        return settings.engine
    path = find_share(f'weights/{settings.model}.safetensors')
    return replace(settings.engine, weights=str(path or ''))


def _judged(
    views: Sequence[MultiViewSet], method: str, estimator: Estimator, progress: Progress
) -> list[MultiViewRow]:
    rows = []
    for index, item in enumerate(views):
        progress(f'{method}: {item.name}', index / len(views))
        rows.append(evaluate_views(item, method, estimator))
    return rows
