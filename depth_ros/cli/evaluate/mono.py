"""``depth-ros evaluate mono``: relative depth of single images against measured depth."""

from __future__ import annotations

import argparse
from contextlib import closing
from itertools import product

from depth_ros.cli.evaluate.report import (
    add_report_arguments,
    present_sets,
    report,
    say_untrained,
)
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.progress import open_progress
from depth_ros.evaluation.mono import (
    EXPLANATION,
    MonoRow,
    evaluate_set,
    prior_estimators,
    processor_estimator,
    table,
    told,
)
from depth_ros.evaluation.mono_images import MONO_SETS
from depth_ros.settings import settings_of
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.settings import KeyframeDepthSettings, MonoSettings

MOVING = ('refine', *(f'keyframes.{one.name}' for one in settings_of(KeyframeDepthSettings)))
"""Settings of a camera that moves: these are single images."""


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros evaluate``."""
    parser = tasks.add_parser(
        'mono', description='Measure depth of one image on frames with measured depth.'
    )
    add_report_arguments(parser, folders=[item.folder for item in MONO_SETS.values()])
    wanted = [
        setting.name
        for setting in settings_of(MonoSettings)
        if setting.opens_engine and setting.name not in MOVING
    ]
    add_settings(parser, MonoSettings, title='mono', only=wanted)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print the table; return the exit status."""
    found = present_sets(args, MONO_SETS)
    settings = read_settings(MonoSettings, args)
    rows: list[MonoRow] = []
    with open_progress() as progress, closing(open_mono(settings, progress=progress)) as processor:
        say_untrained(processor.is_untrained)
        methods = {**prior_estimators(), settings.model: told(processor_estimator(processor))}
        for name, (method, estimator) in product(found.present, methods.items()):
            progress(f'{name}, {method}', len(rows) / (len(found.present) * len(methods)))
            rows.append(evaluate_set(name, found.load(name), method, estimator))
    return report(args, f'{EXPLANATION}\n\n{table(rows)}', rows)
