"""``depth-ros run stereo``: image pairs to depth maps, pictures and point clouds."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import numpy as np

from depth_ros.camera import StereoCamera
from depth_ros.cli.kit.arguments import add_pair_arguments, expect_settings_used
from depth_ros.cli.kit.batch import (
    BatchRunner,
    Tally,
    batch_summary,
    finish_batch,
    identity_of_files,
    line_of,
    run_all,
    warn,
)
from depth_ros.cli.kit.commands import EXIT_FAILED
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.outputs import (
    NOTHING,
    SUMMARY,
    OutputFolder,
    Record,
    add_output_arguments,
    chosen_kinds,
    run_facts,
)
from depth_ros.cli.kit.progress import open_progress
from depth_ros.cli.kit.stereo_inputs import PairItem, PairSource, add_pair_inputs, open_pairs
from depth_ros.cli.run.stereo_beside import BesideFiles, add_beside_arguments
from depth_ros.cli.run.stereo_outputs import KINDS
from depth_ros.cli.run.stereo_remarks import limits_remark, size_remark
from depth_ros.frames import StereoFrame
from depth_ros.geometry.rectify import rectified_rig
from depth_ros.models.registry import model_entry
from depth_ros.tasks.stereo.hint_remarks import hint_remark
from depth_ros.tasks.stereo.nothing_remark import nothing_remark
from depth_ros.tasks.stereo.processor import StereoOutput, StereoProcessor, Wanted, open_stereo
from depth_ros.tasks.stereo.settings import PREVIOUS_HINTS, StereoSettings
from depth_ros.tensors import Progress, Task

NO_METRES = (
    'without a calibration there is disparity in pixels and no depth: metres need --calibration '
    'FILE, or roughly --fov-deg DEG with --baseline-m M; the images must be rectified'
)
NO_PREVIOUS = (
    'hints previous of a single pair are none: there is no pair before; give a folder or a bag, '
    'or leave previous out'
)
NUM_NAMED = 8
"""How many wrong pairs are named at the end."""
PAIR_KEYS = ('name', 'files', 'valid_fraction', 'depth_m', 'fault', 'hint_used', 'remarks')


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros run``."""
    stereo = tasks.add_parser(
        'stereo',
        description='Turn image pairs into depth. LEFT and RIGHT are two images or two folders, '
        'FOLDER holds both sides, BAG is a recording of a rig. Without --calibration images give '
        'disparity only. Pairs that are done already are skipped.',
    )
    add_pair_inputs(stereo)
    add_pair_arguments(stereo, is_required=False)
    stereo.add_argument(
        '--fov-deg',
        type=float,
        default=0.0,
        metavar='DEG',
        help='horizontal field of view of rectified images: with --baseline-m a rough calibration',
    )
    add_beside_arguments(stereo)
    add_output_arguments(stereo, KINDS, task='stereo', again='do pairs again that are done')
    add_settings(stereo, StereoSettings, title='stereo')
    stereo.set_defaults(run=run_stereo)


def run_stereo(arguments: argparse.Namespace) -> int:
    """Run all pairs; return the exit code: 2 if a pair was refused or looks wrong."""
    settings = read_settings(StereoSettings, arguments)
    expect_settings_used(StereoSettings, arguments, Task.STEREO, (settings.model,))
    beside = BesideFiles(arguments, settings)
    kinds = chosen_kinds(arguments, KINDS)
    tally = Tally()
    source = open_pairs(arguments, tally.refuse, needs_calibration=False)
    if not source.has_metres:
        beside.expect_metres(has_metres=source.has_metres)
        warn(NO_METRES)
    if source.count == 1 and PREVIOUS_HINTS in settings.hint_words:
        warn(NO_PREVIOUS)
    folder = OutputFolder(
        arguments.out,
        kinds,
        {**_identity(settings, source, beside), 'range': str(arguments.range)},
    )
    with (
        open_progress() as progress,
        PairRunner(
            settings, folder, progress, has_metres=source.has_metres, beside=beside
        ) as runner,
    ):
        run_all(
            source,
            runner.run,
            folder,
            tally=tally,
            progress=progress,
            is_again=arguments.overwrite,
        )
        summary = runner.summary(tally, source)
    for text in source.unpaired():
        warn(f'{text}, left out')
    instead = '' if source.has_metres else 'no metres'
    lines = [line_of(record, instead=instead) for record in tally.records]
    _remark(tally.records)
    nothing = [
        nothing_remark(str(r['name']), r['valid_fraction'], settings) for r in tally.records
    ]
    nothing = [text for text in nothing if text]
    for text in nothing[:NUM_NAMED]:
        warn(text)
    wrong = [record for record in tally.records if record['fault']]
    lines += [f'{record["name"]} looks wrong: {record["fault"]}' for record in wrong[:NUM_NAMED]]
    if len(wrong) > NUM_NAMED:
        lines.append(f'{len(wrong)} pairs look wrong; "fault" in {SUMMARY} has all of them')
    return max(
        finish_batch(arguments.out, summary, lines, tally), EXIT_FAILED if wrong or nothing else 0
    )


def _remark(records: list[Record]) -> None:
    """Print what was remarked on the first pairs, and how many more there are."""
    remarks = [text for record in records for text in cast('list[str]', record['remarks'])]
    for text in remarks[:NUM_NAMED]:
        warn(text)
    if len(remarks) > NUM_NAMED:
        warn(f'{len(remarks) - NUM_NAMED} more remarks are in {SUMMARY}, "remarks" of each pair')


class PairRunner(BatchRunner[StereoProcessor]):
    """Runs pairs; the engine is opened when the first pair needs it."""

    def __init__(
        self,
        settings: StereoSettings,
        folder: OutputFolder[StereoOutput],
        progress: Progress,
        *,
        has_metres: bool,
        beside: BesideFiles,
    ) -> None:
        """Remember what to run with."""
        super().__init__(
            lambda: open_stereo(settings, progress=progress, frame_size=self._frame_size)
        )
        self._frame_size: tuple[int, int] | None = None
        self._rig: tuple[tuple[bytes, bytes, bool], StereoCamera] | None = None
        self._folder = folder
        self._settings = settings
        self._beside = beside
        self._wanted = Wanted(depth=has_metres)

    def run(self, pair: PairItem) -> Record:
        """Read, match and write one pair.

        Raises:
            InputError: If its images or the calibration cannot be used.
        """
        frame = pair.frame()
        # An impossible rig is reported before an engine is built for it.
        rig = self._rig_of(frame)
        is_first = self._frame_size is None
        self._frame_size = self._frame_size or (rig.left.height, rig.left.width)
        processor = self._processor()
        if is_first and (limits := limits_remark(frame.useful, self._settings)):
            warn(limits)
        frame = replace(frame, beside=self._beside.of(pair.name, frame, rig.left))
        output = processor.process(frame, wanted=self._wanted)
        height, width = output.rectified.left.shape[:2]
        title = (
            f'{pair.name} | {processor.describe()} | image {width}x{height} | '
            f'{100 * output.valid_fraction:.0f} % of pixels known'
            f'{" | LOOKS WRONG" if output.fault else ""}'
        )
        facts = run_facts(
            valid_fraction=output.valid_fraction,
            depth=NOTHING if output.depth is None else output.depth.depth,
            stages_s=output.stages_s,
            ran_by=asdict(processor.identity),
        )
        facts['fault'] = output.fault
        used = output.hint_used
        facts['hint_used'] = None if used is None else round(used, 4)
        facts['remarks'] = [text for text in self._remarks(pair.name, output) if text]
        return self._folder.write(pair, output, title=title, facts=facts)

    def _rig_of(self, frame: StereoFrame) -> StereoCamera:
        """Return the rectified rig; that of the pair before where the calibration is the same."""
        left, right, is_rectified = frame.left.camera, frame.right.camera, frame.right.is_rectified
        key = (left.fingerprint(), right.fingerprint(), is_rectified)
        if self._rig is None or self._rig[0] != key:
            baseline_m = self._settings.baseline_m or None
            rig = rectified_rig(left, right, baseline_m=baseline_m, is_rectified=is_rectified)
            self._rig = key, rig
        return self._rig[1]

    def _remarks(self, name: str, output: StereoOutput) -> Iterator[str]:
        is_network = model_entry(self._settings.model, Task.STEREO).needs_weights
        yield size_remark(name, output.rectified.left.shape[:2], is_network=is_network)
        yield hint_remark(name, output, unit_setting='--hint-unit-m')

    def summary(self, tally: Tally, source: PairSource) -> Record:
        """Return what ``summary.json`` says."""
        return {
            'task': 'stereo',
            'model': self._settings.model,
            'engine': self._settings.engine.runtime,
            'precision': self._settings.engine.precision,
            'size': '',
            'calibration': source.describe(),
            **batch_summary(tally, opening_s=self.opening_s),
            'hint_used': _mean_used(tally.records),
            'unpaired_left': source.num_unpaired_left(),
            'pairs': [{key: record[key] for key in PAIR_KEYS} for record in tally.records],
        }


def _mean_used(records: list[Record]) -> float | None:
    """Return the mean share of hints of other sensors that were used; None without any."""
    shares = [share for record in records if (share := record['hint_used']) is not None]
    return round(float(np.mean(cast('list[float]', shares))), 4) if shares else None


def _identity(settings: StereoSettings, source: PairSource, beside: BesideFiles) -> Record:
    """Return what results depend on besides the images, to detect outdated ones."""
    named = (settings.engine.weights, settings.mask)
    files = [*source.calibration, *beside.files, *map(Path, named)]
    return {
        **identity_of_files(settings, source.settings, files),
        'hint_unit_m': beside.unit_m,
    }
