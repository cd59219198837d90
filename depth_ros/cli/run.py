"""``depth-ros run stereo``: image pairs to depth maps, pictures and point clouds."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from depth_ros import __version__
from depth_ros.cli.arguments import add_pair_arguments, add_stereo_arguments, stereo_settings
from depth_ros.cli.command_parser import EXIT_FAILED
from depth_ros.cli.images import FoundPairs, PairFiles, find_pairs
from depth_ros.cli.outputs import (
    KINDS,
    OutputFolder,
    Record,
    file_identity,
    parse_kinds,
    write_json,
)
from depth_ros.cli.progress import Progress, open_progress
from depth_ros.cli.rig import Rig, RigSettings, rig_settings
from depth_ros.cli.timing import percentiles
from depth_ros.cli.versions import installed_versions
from depth_ros.errors import CalibrationError, InputError
from depth_ros.stereo import StereoProcessor, StereoSettings, Wanted, open_stereo

SUMMARY = 'summary.json'
PAIR_KEYS = ('name', 'files', 'valid_fraction', 'depth_m')


@dataclass(slots=True, eq=False)
class Tally:
    """What became of the pairs; counts grow while running.

    Attributes:
        records: Records of finished pairs, made now or before.
        skipped: How many of them were done before.
        refused: Pairs that could not be used, by reason.
        seconds: Wall time of the pairs made now.
    """

    records: list[Record] = field(default_factory=list)
    skipped: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser('run', help='turn images into depth')
    tasks = parser.add_subparsers(required=True, metavar='TASK', parser_class=type(parser))
    stereo = tasks.add_parser(
        'stereo',
        help='rectified or raw image pairs',
        description='Turn image pairs into depth. LEFT and RIGHT are two images or two folders; '
        'pairs that are done already are skipped.',
    )
    stereo.add_argument('left', type=Path, metavar='LEFT')
    stereo.add_argument('right', type=Path, metavar='RIGHT')
    add_pair_arguments(stereo, is_required=True)
    stereo.add_argument(
        '-o', '--output', type=Path, default=Path('depth_out'), help='folder, default depth_out'
    )
    stereo.add_argument(
        '--write',
        default=','.join(KINDS),
        metavar='LIST',
        help=f'which files, out of {",".join(KINDS)} (default all)',
    )
    stereo.add_argument('--overwrite', action='store_true', help='do pairs again that are done')
    stereo.add_argument('--model', default='sgbm', help='default sgbm; see depth-ros info')
    stereo.add_argument('--engine', default='auto', help='runtime, default auto')
    stereo.add_argument('--precision', default='f32', help='f32 (default) or bf16')
    add_stereo_arguments(stereo)
    stereo.set_defaults(run=run_stereo)


def run_stereo(arguments: argparse.Namespace) -> int:
    """Run all pairs; give the exit code: 2 if a pair of several was refused."""
    settings = stereo_settings(
        arguments,
        model=arguments.model,
        engine=arguments.engine,
        precision=arguments.precision,
    )
    kinds = parse_kinds(arguments.write)
    found = find_pairs(arguments.left, arguments.right)
    for path in found.unpaired:
        _warn(f'{path} has no right image, left out')
    rig = rig_settings(arguments)
    folder = OutputFolder(arguments.output, kinds, _identity(settings, rig))
    with open_progress() as progress, PairRunner(settings, Rig(rig), folder, progress) as runner:
        tally = _run_pairs(found, runner, is_again=arguments.overwrite)
        summary = runner.summary(tally, found)
    write_json(arguments.output / SUMMARY, summary)
    _tell(summary, arguments.output)
    return EXIT_FAILED if tally.refused else 0


class PairRunner:
    """Runs pairs; the engine is opened when the first pair needs it."""

    def __init__(
        self, settings: StereoSettings, rig: Rig, folder: OutputFolder, progress: Progress
    ) -> None:
        """Remember what to run with."""
        self.progress = progress
        self.folder = folder
        self._settings = settings
        self._rig = rig
        self._processor: StereoProcessor | None = None
        self._opening_s = 0.0

    def __enter__(self) -> PairRunner:
        """Give itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the engine, if one was opened."""
        if self._processor is not None:
            self._processor.close()

    def run(self, pair: PairFiles) -> Record:
        """Read, match and write one pair.

        Raises:
            InputError: If its images or the calibration cannot be used.
        """
        frame = self._rig.read_frame(pair)
        if self._processor is None:
            start = time.perf_counter()
            self._processor = open_stereo(self._settings, progress=self.progress)
            self._opening_s = time.perf_counter() - start
        output = self._processor.process(frame, wanted=Wanted(depth=True))
        height, width = output.rectified.left.shape[:2]
        title = (
            f'{pair.name} | {self._processor.describe()} | image {width}x{height} | '
            f'{100 * output.valid_fraction:.0f} % of pixels known'
        )
        ran_by = asdict(self._processor.identity)
        return self.folder.write(pair, output, title=title, ran_by=ran_by)

    def summary(self, tally: Tally, found: FoundPairs) -> Record:
        """Give what ``summary.json`` says."""
        ran_by = tally.records[-1]['ran_by'] if tally.records else {}
        assert isinstance(ran_by, dict)
        fractions = np.array([record['valid_fraction'] for record in tally.records], np.float64)
        num_made = len(tally.records) - tally.skipped
        return {
            'model': self._settings.model,
            'engine': ran_by.get('engine', self._settings.engine),
            'precision': ran_by.get('precision', self._settings.precision),
            'size': ran_by.get('size', ''),
            'calibration': self._rig.describe(),
            'received': len(found.pairs),
            'unpaired_left': len(found.unpaired),
            'refused': dict(tally.refused),
            'outputs': num_made,
            'skipped': tally.skipped,
            'rate_hz': round(num_made / (tally.seconds - self._opening_s), 3) if num_made else 0.0,
            'valid_fraction': round(float(fractions.mean()), 4) if fractions.size else 0.0,
            'stages_ms': _stages(tally.records),
            'versions': installed_versions(),
            'pairs': [{key: record[key] for key in PAIR_KEYS} for record in tally.records],
        }


def _run_pairs(found: FoundPairs, runner: PairRunner, *, is_again: bool) -> Tally:
    """Run or skip every pair; a bad one among several is told and counted."""
    tally = Tally()
    for index, pair in enumerate(found.pairs):
        runner.progress('matching', index / len(found.pairs))
        done = None if is_again else runner.folder.finished(pair)
        if done is not None:
            tally.records.append(done)
            tally.skipped += 1
            continue
        start = time.perf_counter()
        try:
            tally.records.append(runner.run(pair))
        except InputError as error:
            if len(found.pairs) == 1 or _concerns_all(error):
                raise
            tally.refused[error.reason] += 1
            _warn(f'{pair.name} left out: {error}')
        tally.seconds += time.perf_counter() - start
    return tally


def _concerns_all(error: InputError) -> bool:
    """Whether every further pair would fail alike: the calibration itself is at fault."""
    return isinstance(error, CalibrationError) and error.reason != 'calibration_size'


def _identity(settings: StereoSettings, rig: RigSettings) -> Record:
    """Give what results depend on besides the images, to see which are still good."""
    files = [*rig.calibration, *([Path(settings.weights)] if settings.weights else [])]
    return {
        'version': __version__,
        'settings': repr(settings),
        'rig': repr(rig),
        'files': [file_identity(path) for path in files if path.is_file()],
    }


def _stages(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Give percentiles of every stage over all pairs."""
    times: dict[str, list[float]] = {}
    for record in records:
        stages = record['stages_ms']
        assert isinstance(stages, dict)
        for name, value in stages.items():
            times.setdefault(name, []).append(float(value))
    return {name: percentiles(values) for name, values in times.items()}


def _tell(summary: Record, output: Path) -> None:
    """Print one line a pair and one at the end."""
    pairs = summary['pairs']
    assert isinstance(pairs, list)
    for pair in pairs:
        depth = pair['depth_m']
        metres = 'no depth'
        if depth['p50'] is not None:
            metres = f'{depth["p5"]:.2f} / {depth["p50"]:.2f} / {depth["p95"]:.2f} m'
        print(f'{pair["name"]:<24} {100 * pair["valid_fraction"]:5.1f} % known   {metres}')
    print(
        f'{summary["outputs"]} done, {summary["skipped"]} done before (depth at 5 / 50 / 95 %); '
        f'files are in {output}, summary in {output / SUMMARY}'
    )


def _warn(text: str) -> None:
    print(f'depth-ros: {text}', file=sys.stderr)
