"""``depth-ros evaluate match``: LoFTR beside SIFT and ORB on real pairs with truth."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, closing
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
from depth_ros.errors import ParameterError
from depth_ros.evaluation.match import (
    EXPLANATION,
    YARDSTICKS,
    MatchRow,
    evaluate_set,
    table,
)
from depth_ros.evaluation.match_pairs import MATCH_SETS
from depth_ros.models.registry import model_entry, shipped_model
from depth_ros.settings import settings_of
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tensors import Task

STUDENT = 'loftr_coarse'


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros evaluate``."""
    parser = tasks.add_parser(
        'match',
        description='Measure matches on real pairs: LoFTR, SIFT and ORB with all their matches, '
        'LoFTR and SIFT also with as many of their surest as both have.',
    )
    add_report_arguments(parser, folders=[item.folder for item in MATCH_SETS.values()])
    parser.add_argument(
        '--student', default='', metavar='FILE', help='weights of the coarse student, judged too'
    )
    parser.add_argument(
        '--pairs', type=int, default=0, metavar='N', help='first pairs of each set, 0 for all'
    )
    wanted = [setting.name for setting in settings_of(EngineChoice)]
    add_settings(parser, MatchSettings, title='matching', only=('model', 'variant', *wanted))
    parser.set_defaults(run=run, model=shipped_model(Task.MATCHING))


def run(args: argparse.Namespace) -> int:
    """Measure and print the table; return the exit status."""
    if args.pairs < 0:
        raise ParameterError(f'--pairs must be 0 (all) or more, got {args.pairs}; 1 is quickest')
    found = present_sets(args, MATCH_SETS)
    rows: list[MatchRow] = []
    with ExitStack() as stack:
        progress = stack.enter_context(open_progress())
        matchers = {
            name: stack.enter_context(closing(open_matcher(settings, progress=progress)))
            for name, settings in _settings(args).items()
        }
        say_untrained(any(matcher.pipeline.is_untrained for matcher in matchers.values()))
        for number, name in enumerate(found.present):
            progress(name, number / len(found.present))
            pairs = islice(found.load(name), args.pairs or None)
            rows += evaluate_set(name, pairs, matchers)
    return report(args, f'{EXPLANATION}\n\n{table(rows)}', rows)


def _settings(args: argparse.Namespace) -> dict[str, MatchSettings]:
    """Return what to open, by the names in the table."""
    chosen = read_settings(MatchSettings, args, {'max_matches': 0})
    networks = [chosen]
    if args.student:
        engine = replace(chosen.engine, weights=args.student, preset='', size=None)
        networks.append(replace(chosen, model=STUDENT, variant='', engine=engine))
    yardsticks = {
        name: MatchSettings(model=model, max_matches=0) for name, model in YARDSTICKS.items()
    }
    return {**{_title(settings): settings for settings in networks}, **yardsticks}


def _title(settings: MatchSettings) -> str:
    title = model_entry(settings.model, Task.MATCHING).title
    return f'{title} {settings.variant.replace("_", " ")}'.rstrip()
