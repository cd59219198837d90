"""``depth-ros evaluate stereo FOLDER``: any data set with truth, every model side by side."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from depth_ros.cli.evaluate.report import known_only, say, say_untrained
from depth_ros.cli.kit.options import read_settings
from depth_ros.cli.kit.progress import open_progress
from depth_ros.engines.artifact import manifest_path, read_manifest
from depth_ros.errors import InputError, ParameterError
from depth_ros.evaluation.disparity_figures import (
    EVERYWHERE,
    DisparityFigures,
    disparity_figures,
    joined,
    parts_of,
)
from depth_ros.evaluation.stereo import Matcher, processor_matcher, sgbm_matcher
from depth_ros.evaluation.tables import markdown_table, number, percent
from depth_ros.files.data_sets.stereo_truth import (
    TRUTH_SETS,
    TruthFiles,
    plain_remarks,
    read_truth_set,
)
from depth_ros.files.image import read_rgb
from depth_ros.files.stereo_submission import SUBMISSIONS, Submitted
from depth_ros.files.whole_file import write_json
from depth_ros.models.registry import model_entry, weightless_models
from depth_ros.pictures.disparity_errors import error_picture
from depth_ros.pictures.panels import write_picture
from depth_ros.tasks.stereo.processor import open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Task

SEARCHED = 4
"""Classical matchers search up to the width over this, in multiples of 16."""
SMALLER, LARGER = 3.0, 20.0
"""A truth so many times below, or above, what all methods find is not believed: methods search a
part of the width, so that a truth may well be larger than what they find."""
HEADER = (
    'method', 'EPE px', 'bad-0.5 %', 'bad-1 %', 'bad-2 %', 'bad-4 %', 'D1 %', 'density %', 's',
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderRow:
    """One method on one part of one pair.

    Attributes:
        pair: Name of the pair.
        method: What made the disparity.
        part: Part of the image; see ``parts_of``.
        figures: Errors.
        seconds: Wall time of the pair.
    """

    pair: str
    method: str
    part: str
    figures: DisparityFigures
    seconds: float


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what judging a folder takes."""
    parser.add_argument(
        'folder',
        type=Path,
        nargs='?',
        metavar='FOLDER',
        help='data set, or left/, right/ and truth/, or NAME_left, NAME_right and NAME_truth',
    )
    parser.add_argument(
        '--layout', default='auto', choices=('auto', *TRUTH_SETS), help='of FOLDER; auto finds it'
    )
    parser.add_argument(
        '--model',
        dest='models',
        nargs='+',
        metavar='MODEL|FILE.onnx',
        help='models, or graphs of this project; several for FOLDER alone',
    )
    parser.add_argument(
        '--limit', type=int, default=0, metavar='N', help='first pairs of FOLDER, 0 for all'
    )
    parser.add_argument(
        '--pictures', type=Path, metavar='DIR', help='draw the errors of every pair and method'
    )
    parser.add_argument(
        '--submit',
        choices=tuple(SUBMISSIONS),
        help='write the maps as that benchmark takes them, below --out; truth is not needed',
    )
    parser.add_argument('--out', type=Path, metavar='DIR', help='where --submit writes')


def judge_folder(args: argparse.Namespace) -> int:
    """Measure, print, draw and write; return the exit status.

    Raises:
        ParameterError: If options contradict each other.
        InputError: If the folder has no pair, or none with truth.
    """
    _check(args)
    layout, pairs = read_truth_set(args.folder, args.layout)
    pairs = pairs[: args.limit or None]
    if not args.submit and not any(pair.truth for pair in pairs):
        raise InputError(
            'layout', f'no pair of {args.folder} ({layout}) has truth; add --submit to write maps'
        )
    say(f'{args.folder}: {len(pairs)} pairs laid out as {layout}')
    for text in plain_remarks(args.folder) if layout == 'plain' else ():
        say(text)
    num_blind = sum(pair.truth is None for pair in pairs)
    if num_blind and not args.submit:
        say(f'{num_blind} of {len(pairs)} pairs have no truth and are not judged')
    rows: list[FolderRow] = []
    with open_progress() as progress, ExitStack() as stack:
        judge = _Judge(args, stack)
        for index, pair in enumerate(pairs):
            progress(pair.name, index / len(pairs))
            rows += judge.rows(pair)
    if rows:
        print(tables(rows))
    if args.json is not None:
        write_json(args.json, [known_only(asdict(row)) for row in rows])
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.limit < 0:
        raise ParameterError(f'--limit must be 0 (all) or more, got {args.limit}')
    if bool(args.submit) != bool(args.out):
        raise ParameterError('--submit BENCHMARK and --out DIR go together; give both or neither')
    if args.submit and len(args.models) > 1:
        raise ParameterError(f'--submit takes one model, got --model {" ".join(args.models)}')
    if args.data is not None:
        raise ParameterError('FOLDER and --data are two things to judge; give one of them')


class _Judge:
    """All methods, opened once, and what is made of their maps."""

    def __init__(self, args: argparse.Namespace, stack: ExitStack) -> None:
        self._args = args
        self._networks: dict[str, Matcher] = {}
        self._classical = ''
        for word in args.models:
            model, weights = _model_of(word)
            if not model_entry(model, Task.STEREO).needs_weights:
                self._classical = model
                continue
            self._networks |= _opened(args, stack, model, weights)

    def rows(self, pair: TruthFiles) -> Iterator[FolderRow]:
        """Run every method on a pair; give a row for each part of it."""
        left, right = read_rgb(pair.left), read_rgb(pair.right)
        truth = pair.read_truth() if pair.truth else None
        parts = {} if truth is None else parts_of(left, truth, pair.read_visible())
        medians_px = []
        for method, matcher in self._methods(left.shape[1]).items():
            start = time.perf_counter()
            found = matcher(left, right)
            seconds = time.perf_counter() - start
            if self._args.submit:
                result = Submitted(
                    name=pair.name, disparity=found, seconds=seconds, method=_short(method)
                )
                SUBMISSIONS[self._args.submit](self._args.out, result)
            if truth is None:
                continue
            medians_px.append(_median(found))
            if self._args.pictures is not None:
                self._args.pictures.mkdir(parents=True, exist_ok=True)
                picture = self._args.pictures / f'{pair.name}_{_short(method)}.png'
                write_picture(picture, error_picture(left, truth, found))
            for part, mask in parts.items():
                yield FolderRow(
                    pair=pair.name,
                    method=method,
                    part=part,
                    figures=disparity_figures(found, truth, mask),
                    seconds=seconds,
                )
        if truth is not None:
            say(truth_remark(pair.name, _median(truth), medians_px))

    def _methods(self, width: int) -> dict[str, Matcher]:
        """Return what judges a pair: SGBM with filled holes is beside every network."""
        if self._args.submit and not self._classical:
            return self._networks
        searched = max(16, -(-width // SEARCHED // 16) * 16)
        yardstick = self._classical or weightless_models(Task.STEREO)[0]
        filled = {f'{yardstick} filled': sgbm_matcher(searched, is_filled=True)}
        if self._args.submit:
            return filled
        raw = {self._classical: sgbm_matcher(searched, is_filled=False)}
        return {**(raw if self._classical else {}), **filled, **self._networks}


def truth_remark(name: str, truth_px: float, medians_px: list[float]) -> str:
    """Return a sentence where a truth can hardly be disparity in pixels of the pair, else nothing.

    Args:
        name: Of the pair.
        truth_px: Median of the truth; NaN without any.
        medians_px: Those of what the methods found.
    """
    known = [median for median in medians_px if np.isfinite(median)]
    if not np.isfinite(truth_px) or not known:
        return ''
    is_small = truth_px * SMALLER < min(known)
    if not (is_small or truth_px > LARGER * max(known)):
        return ''
    return (
        f'the truth of {name} has a median of {truth_px:.3g} px where the methods find '
        f'{min(known):.3g} to {max(known):.3g} px: is it disparity in pixels of these images (not '
        'metres, not of another size, not in steps)?'
    )


def _median(disparity: np.ndarray) -> float:
    known = disparity[np.isfinite(disparity)]
    return float(np.median(known)) if known.size else float('nan')


def _opened(
    args: argparse.Namespace, stack: ExitStack, model: str, weights: str
) -> dict[str, Matcher]:
    found = {}
    files = [weights] if weights else [str(path) for path in args.checkpoints or ['']]
    for file, size in product(files, args.sizes or ['']):
        # Errors are those of all pixels, unless somebody asks for the sure ones.
        every = {'min_confidence': 0.0} if args.min_confidence is None else {}
        settings = read_settings(
            StereoSettings, args, {**every, 'model': model, 'weights': file, 'size': size}
        )
        processor = stack.enter_context(closing(open_stereo(settings)))
        say_untrained(processor.is_untrained)
        identity = processor.identity
        name = Path(file).stem if file else model
        found[f'{name} {identity.size} {identity.engine}:{identity.precision}'] = (
            processor_matcher(processor)
        )
    return found


def _model_of(word: str) -> tuple[str, str]:
    """Return the model and the weights of a word: a name, or a graph whose manifest names it.

    Raises:
        ParameterError: If there is no such model, or the graph is not this project's.
    """
    path = Path(word)
    if path.suffix != '.onnx':
        model_entry(word, Task.STEREO)
        return word, ''
    manifest = manifest_path(path)
    if not manifest.is_file():
        raise ParameterError(
            f'{path} needs its manifest {manifest.name} beside it, which says what model it is; '
            'export it by depth-ros build'
        )
    return read_manifest(manifest).recipe, word


def tables(rows: list[FolderRow]) -> str:
    """Return the means over all pairs, whole and by parts, as Markdown."""
    methods = list(dict.fromkeys(row.method for row in rows))
    parts = list(dict.fromkeys(row.part for row in rows))
    whole = [_line(method, [row for row in rows if row.method == method]) for method in methods]
    by_part = []
    for method in methods:
        means = [
            joined([row.figures for row in rows if (row.method, row.part) == (method, part)])
            for part in parts
        ]
        by_part.append([method, *(percent(mean.bad2) for mean in means)])
    num_pairs = len({row.pair for row in rows})
    return (
        f'Means over {num_pairs} pairs, over the pixels that truth and method know; beside them '
        f'how many of the truth those are.\n\n{markdown_table(HEADER, whole)}\n\nbad-2 % by parts'
        f'\n\n{markdown_table(("method", *parts), by_part)}'
    )


def _line(method: str, rows: list[FolderRow]) -> list[str]:
    mine = [row for row in rows if row.part == EVERYWHERE]
    mean = joined([row.figures for row in mine])
    shares = (mean.bad05, mean.bad1, mean.bad2, mean.bad4, mean.d1_all, mean.density)
    seconds = float(np.mean([row.seconds for row in mine]))
    return [
        method,
        number(mean.epe_px, digits=2),
        *(percent(share) for share in shares),
        number(seconds, digits=2),
    ]


def _short(method: str) -> str:
    """Return a method's name as files may have it."""
    return ''.join(letter if letter.isalnum() else '_' for letter in method).strip('_')
