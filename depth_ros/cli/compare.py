"""``depth-ros compare``: disparities of models, engines and files against truth or each other."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from depth_ros.cli.kit.arguments import add_pair_arguments, expect_settings_used
from depth_ros.cli.kit.images import PairFiles
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.progress import open_progress
from depth_ros.cli.kit.rig import Rig, rig_settings
from depth_ros.cli.kit.tables import text_table
from depth_ros.errors import ParameterError
from depth_ros.evaluation.accuracy import StereoErrors, disparity_errors
from depth_ros.files.maps import DISPARITY_SUFFIXES, read_disparity
from depth_ros.frames import StereoFrame
from depth_ros.tasks.stereo.processor import Wanted, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Progress, Task

CONTENDER = ('model', 'engine', 'precision')
"""Settings that a contender's name says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """What is compared: a file, or a model with engine and precision.

    Attributes:
        name: As it was written.
        file: Disparity file, or None for a model.
        model: Model's name, empty for a file.
        engine: Runtime.
        precision: Precision.
    """

    name: str
    file: Path | None = None
    model: str = ''
    engine: str = 'auto'
    precision: str = 'f32'


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonRow:
    """One line of the result: a contender and its errors."""

    name: str
    errors: StereoErrors


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'compare',
        description='Compare disparities. A contender is MODEL[:ENGINE[:PRECISION]], run on '
        '--pair, or a disparity file. All are compared with --truth; without it, with the first.',
    )
    parser.add_argument(
        'contenders',
        nargs='+',
        metavar='CONTENDER',
        help=f'e.g. sgbm, crestereo:onnxruntime, or a file ({", ".join(DISPARITY_SUFFIXES)})',
    )
    parser.add_argument(
        '--pair', nargs=2, type=Path, metavar=('LEFT', 'RIGHT'), help='images to run models on'
    )
    parser.add_argument('--truth', type=Path, metavar='FILE', help='true disparity, left grid')
    parser.add_argument('--json', action='store_true', help='for programs')
    add_pair_arguments(parser, is_required=False)
    add_settings(parser, StereoSettings, title='stereo', without=CONTENDER)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare and print a table."""
    contenders = [parse_contender(word) for word in arguments.contenders]
    if arguments.truth is not None:
        _expect_pixels(arguments.truth)
    if arguments.truth is None and len(contenders) < 2:
        raise ParameterError('one contender needs something to compare with; add --truth FILE')
    models = [contender.model for contender in contenders if contender.model]
    expect_settings_used(StereoSettings, arguments, Task.STEREO, models)
    settings = [_settings(arguments, contender) for contender in contenders]
    frame = _read_pair(arguments) if any(contender.model for contender in contenders) else None
    reference = read_disparity(arguments.truth) if arguments.truth else None
    maps = []
    with open_progress() as progress:
        for index, (contender, chosen) in enumerate(zip(contenders, settings, strict=True)):
            progress(contender.name, index / len(contenders))
            maps.append(_disparity(contender, chosen, frame, progress))
    rows = _rows(contenders, maps, reference)
    print(_as_json(rows) if arguments.json else _as_table(rows, arguments.truth))
    if not arguments.json and models:
        print(_judged(settings))
    return 0


def parse_contender(word: str) -> Contender:
    """Read ``model[:engine[:precision]]``, or a path that ends like a disparity file.

    Raises:
        ParameterError: If there are too many parts or an empty one, or the file is of depth.
    """
    if Path(word).suffix.lower() in DISPARITY_SUFFIXES:
        _expect_pixels(Path(word))
        return Contender(name=word, file=Path(word))
    parts = word.split(':')
    if len(parts) > 3 or not all(parts):
        raise ParameterError(
            f'a contender is MODEL[:ENGINE[:PRECISION]] or a disparity file, got {word!r}'
        )
    return Contender(name=word, **dict(zip(CONTENDER, parts)))  # type: ignore[arg-type]  # noqa: B905


def _expect_pixels(path: Path) -> None:
    """Refuse a file that is named as ``depth-ros run`` names depth."""
    if path.stem.lower().endswith(('depth', 'depth_mm')):
        raise ParameterError(
            f'compare takes disparity in pixels, but {path} is named as depth; give the '
            '_disparity.npy of the same run, or rename it if it holds pixels'
        )


def _settings(arguments: argparse.Namespace, contender: Contender) -> StereoSettings | None:
    """Check a model's settings before anything slow begins."""
    if contender.file:
        return None
    return read_settings(
        StereoSettings, arguments, {name: getattr(contender, name) for name in CONTENDER}
    )


def _read_pair(arguments: argparse.Namespace) -> StereoFrame:
    options = {'--pair LEFT RIGHT': arguments.pair, '--calibration FILE': arguments.calibration}
    missing = [option for option, value in options.items() if value is None]
    if missing:
        raise ParameterError(
            f'models need images and calibration: add {" and ".join(missing)}, or name disparity '
            'files only'
        )
    left, right = arguments.pair
    return Rig(rig_settings(arguments)).read_frame(PairFiles(left=left, right=right))


def _disparity(
    contender: Contender,
    settings: StereoSettings | None,
    frame: StereoFrame | None,
    progress: Progress,
) -> np.ndarray:
    """Read a file, or run a model on the pair."""
    if contender.file:
        return read_disparity(contender.file)
    assert settings is not None and frame is not None
    processor = open_stereo(settings, progress=progress)
    try:
        return processor.process(frame, wanted=Wanted(depth=False)).disparity.disparity
    finally:
        processor.close()


def _rows(
    contenders: Sequence[Contender], maps: Sequence[np.ndarray], truth: np.ndarray | None
) -> list[ComparisonRow]:
    """Compare with truth, or all but the first with the first."""
    reference = maps[0] if truth is None else truth
    first = 1 if truth is None else 0
    return [
        ComparisonRow(name=contender.name, errors=disparity_errors(disparity, reference))
        for contender, disparity in list(zip(contenders, maps, strict=True))[first:]
    ]


def _as_table(rows: Sequence[ComparisonRow], truth: Path | None) -> str:
    header = ('contender', 'EPE px', 'bad-1 %', 'bad-2 %', 'bad-3 %', 'density %', 'pixels')
    cells = [
        [
            row.name,
            f'{row.errors.epe_px:.3f}',
            *(
                f'{100 * share:.2f}'
                for share in (row.errors.bad1, row.errors.bad2, row.errors.bad3)
            ),
            f'{100 * row.errors.density:.1f}',
            str(row.errors.num_pixels),
        ]
        for row in rows
    ]
    against = f'against {truth}' if truth else 'against the first contender, which is no truth'
    return f'{text_table(header, cells)}\n{against}'


def _judged(settings: Sequence[StereoSettings | None]) -> str:
    """Return which pixels of the models are compared."""
    least = {
        one.model: one.own_min_confidence if one.min_confidence < 0.0 else one.min_confidence
        for one in settings
        if one is not None
    }
    chosen = [f'{model} only pixels {value:g} sure' for model, value in least.items() if value]
    if not chosen:
        return 'all pixels that the models know are compared'
    return (
        f'of {", of ".join(chosen)} and more are compared; add --min-confidence 0 for all, as '
        'evaluate stereo has it'
    )


def _as_json(rows: Sequence[ComparisonRow]) -> str:
    """Return a list of objects; what is not known is null."""
    records = [{'contender': row.name, **asdict(row.errors)} for row in rows]
    for record in records:
        for key, value in record.items():
            if isinstance(value, float) and not math.isfinite(value):
                record[key] = None
    return json.dumps(records, indent=2)
