"""``depth-ros evaluate stereo``: figures of the card, or of any stereo model, on real pairs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path

from depth_ros.cli.evaluate.report import (
    add_report_arguments,
    present_sets,
    say_untrained,
    write_figures,
)
from depth_ros.cli.evaluate.stereo_folder import add_folder_arguments, judge_folder
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.progress import open_progress
from depth_ros.engines.recipe import load_recipe, parse_size
from depth_ros.errors import ParameterError
from depth_ros.evaluation.hints import AS_GIVEN, HINT_KINDS, spoiled
from depth_ros.evaluation.stereo import (
    EvaluationRow,
    Matcher,
    evaluate,
    processor_matcher,
    table,
)
from depth_ros.evaluation.stereo_pairs import STEREO_SETS, EvaluationPair
from depth_ros.files.share import share_path
from depth_ros.models.registry import hinted_models, model_entry
from depth_ros.tasks.stereo.hints import hint_source
from depth_ros.tasks.stereo.processor import StereoProcessor, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Task

CARD_MODEL = 'crestereo_tiny'
"""The model whose card has figures of torch in float32."""

CARD_SIZES = ('240x320', '480x640')
NATIVE = 'native'
AS_IN_NODES = ('engine', 'precision', 'hints', 'min_confidence', 'confidence_threshold_px')
"""Settings that the card's way of measuring does not know."""
CHOSEN = ('iterations', 'num_threads', *AS_IN_NODES)


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros evaluate``."""
    parser = tasks.add_parser(
        'stereo',
        description='Measure disparity on the pairs of a FOLDER with truth, every model side by '
        'side; or, with --data, on the real pairs of the card, beside SGBM. There crestereo_tiny '
        'runs in torch float32, as its card has it, unless --engine or --precision is named; all '
        'other models run as in nodes.',
    )
    add_folder_arguments(parser)
    folders = [item.folder for item in STEREO_SETS.values()]
    add_report_arguments(parser, folders=folders, is_required=False)
    add_settings(parser, StereoSettings, title='stereo', only=CHOSEN, without=('min_confidence',))
    parser.add_argument(
        '--min-confidence',
        type=float,
        help='judge pixels at least so sure alone, 0..1; default 0 judges all, other than nodes '
        "and run stereo, which take the value of the model's card: -1 does so here",
    )
    parser.add_argument(
        '--weights',
        dest='checkpoints',
        type=Path,
        action='append',
        help='weights, repeatable; the shipped ones',
    )
    parser.add_argument(
        '--size',
        dest='sizes',
        action='append',
        help='HEIGHTxWIDTH the pair is resized to, repeatable, or (in torch) native; '
        f"{' and '.join(CARD_SIZES)} for {CARD_MODEL}, else the recipe's",
    )
    parser.add_argument(
        '--hint-kind',
        dest='hint_kinds',
        action='append',
        choices=tuple(HINT_KINDS),
        help='hints to judge a model with that takes them, repeatable: those that a node gives '
        '(given), none, all wrong alike (shifted), of another scene (other); given',
    )
    parser.add_argument('--gallery', type=Path, help='picture to draw of pairs without truth')
    parser.add_argument(
        '--pairs',
        type=Path,
        action='append',
        help='folder of pairs for --gallery, repeatable; DATA/oakd_stereo',
    )
    parser.set_defaults(run=run, models=[CARD_MODEL], num_threads=2)


def run(args: argparse.Namespace) -> int:
    """Measure and print the table; return the exit status."""
    if args.folder is not None:
        return judge_folder(args)
    if args.data is None:
        raise ParameterError(
            'give FOLDER with stereo pairs and truth, or --data with the pairs of the card'
        )
    if len(args.models) > 1:
        raise ParameterError(
            f'--data judges one model at a time, got --model {" ".join(args.models)}; give FOLDER '
            'to see several side by side'
        )
    args.model = args.models[0]
    read_settings(StereoSettings, args, {'model': args.model})
    found = present_sets(args, STEREO_SETS)
    is_card = args.model == CARD_MODEL and not any(getattr(args, name) for name in AS_IN_NODES)
    rows = (_in_torch if is_card else _in_pipeline)(
        args, [pair for name in found.present for pair in found.load(name)]
    )
    write_figures(args.json, rows)
    return 0


def _in_torch(args: argparse.Namespace, pairs: Sequence[EvaluationPair]) -> list[EvaluationRow]:
    """Measure the small network as its card does."""
    try:
        from depth_ros.training.evaluate import load_networks, network_matchers
        from depth_ros.training.gallery import draw_gallery
    except ModuleNotFoundError as error:
        raise ParameterError(
            f'the figures of the card need {error.name}, which is not installed; type: '
            f'pip install {error.name}, or add --engine auto to run the shipped graphs'
        ) from error
    paths = args.checkpoints or [share_path(f'weights/{CARD_MODEL}.safetensors')]
    sizes = [None if word == NATIVE else parse_size(word) for word in args.sizes or CARD_SIZES]
    iterations = args.iterations or int(load_recipe(CARD_MODEL).options['iterations'].default)
    networks = load_networks(paths, iterations=iterations, threads=args.num_threads)
    rows = _measured(pairs, network_matchers(networks, sizes))
    if args.gallery:
        draw_gallery(args.pairs or [args.data / 'oakd_stereo'], networks, sizes, args.gallery)
    return rows


def _in_pipeline(args: argparse.Namespace, pairs: Sequence[EvaluationPair]) -> list[EvaluationRow]:
    """Measure a model as nodes run it, once for every weights and size."""
    if args.gallery:
        raise ParameterError(
            f'--gallery draws {CARD_MODEL} in torch only, got --model {args.model} '
            f'--engine {args.engine!r}; leave it out, or leave model and engine out'
        )
    with ExitStack() as stack:
        methods: dict[str, Matcher] = {}
        for settings in _settings(args):
            processor = stack.enter_context(closing(open_stereo(settings)))
            say_untrained(processor.pipeline.is_untrained)
            methods |= _with_hints(_label(settings, processor), processor, args.hint_kinds)
        return _measured(pairs, methods)


def _with_hints(
    label: str, processor: StereoProcessor, kinds: Sequence[str] | None
) -> dict[str, Matcher]:
    """Return a matcher for every kind of hint; one alone where no kind was named.

    Raises:
        ParameterError: If kinds were named and nothing gives hints.
    """
    if not kinds:
        return {label: processor_matcher(processor)}
    source = hint_source(processor.settings)
    if source is None:
        raise ParameterError(
            f'--hint-kind judges models that take hints, got {processor.settings.model} with '
            f'hints {processor.settings.hints!r}; name one of {", ".join(hinted_models())} with '
            '--model, and leave --hints none out'
        )
    makers = {kind: spoiled(kind, source.hint) for kind in kinds}
    # Hints that come with a pair are compared with it first; those of the model's own are not.
    makers.pop(AS_GIVEN, None)
    return {
        f'{label} hint {kind}': processor_matcher(processor, hint=makers.get(kind))
        for kind in kinds
    }


def _settings(args: argparse.Namespace) -> list[StereoSettings]:
    """Return what to open; nothing for SGBM, which is in every table already.

    Raises:
        ParameterError: If SGBM is given what only networks have, or a size is not one.
    """
    if not model_entry(args.model, Task.STEREO).needs_weights:
        named = {
            'engine': args.engine,
            'weights': args.checkpoints,
            'size': args.sizes,
            'iterations': args.iterations,
        }
        given = [name for name, value in named.items() if value]
        if given:
            raise ParameterError(f'{args.model} is no network: leave --{given[0]} out')
        return []
    if NATIVE in (args.sizes or ()):
        raise ParameterError(
            f'engines have one size, got --size {NATIVE}; write HEIGHTxWIDTH, or leave --engine '
            f'and --precision out with {CARD_MODEL}'
        )
    # Errors are those of all pixels, unless somebody asks for the sure ones.
    every = {'min_confidence': 0.0} if args.min_confidence is None else {}
    words = args.sizes or (CARD_SIZES if args.model == CARD_MODEL else ('',))
    return [
        read_settings(
            StereoSettings,
            args,
            {**every, 'model': args.model, 'weights': str(weights), 'size': word},
        )
        for weights, word in product(args.checkpoints or [''], words)
    ]


def _label(settings: StereoSettings, processor: StereoProcessor) -> str:
    known = processor.identity
    name = Path(settings.engine.weights).stem or settings.model
    return f'{name} {known.size} {known.engine}:{known.precision}'


def _measured(
    pairs: Sequence[EvaluationPair], methods: Mapping[str, Matcher]
) -> list[EvaluationRow]:
    """Judge all methods on all pairs and print the table."""
    rows: list[EvaluationRow] = []
    with open_progress() as progress:
        for row in evaluate(pairs, methods):
            rows.append(row)
            progress(f'{row.pair}, {row.method}', len(rows) / (len(pairs) * (2 + len(methods))))
    print(table(rows))
    return rows
