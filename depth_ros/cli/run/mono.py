"""``depth-ros run mono``: images of one camera, or a bag, to depth."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

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
from depth_ros.cli.kit.mono_inputs import (
    MonoInputSettings,
    MonoItem,
    MonoSource,
    add_input_arguments,
    input_settings,
    open_source,
)
from depth_ros.cli.kit.options import add_settings, as_options, read_settings
from depth_ros.cli.kit.outputs import (
    NOTHING,
    OutputFolder,
    Record,
    add_output_arguments,
    chosen_kinds,
    run_facts,
)
from depth_ros.cli.kit.posed_images import PosedSource
from depth_ros.cli.kit.progress import open_progress
from depth_ros.cli.run.mono_outputs import MONO_KINDS
from depth_ros.errors import ParameterError
from depth_ros.files.bag_reader import is_bag
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.refine import DepthSource, RefinedDepth
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode, ScaleMode
from depth_ros.tasks.mono.values import MonoOutput
from depth_ros.tensors import Progress

IMAGE_KEYS = ('name', 'files', 'valid_fraction', 'depth_m', 'scale', 'refined')
WITH_POSES = (
    'the folder has poses.txt, so depth is taken from its motion, as by --refine multiview'
)
UNUSED_FACTOR = (
    '--scale-factor is not used by --scale-mode {mode}; leave it out, or set --scale-mode fixed'
)
RATE_HZ, MIN_RATE_HZ, MAX_RATE_HZ = 10.0, 0.1, 1000.0


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros run``."""
    parser = tasks.add_parser(
        'mono',
        description='Turn the images of one camera into depth: an image, a folder, or a rosbag2 '
        'bag (sqlite3 or MCAP). What is done already is skipped. Depth of one image has no '
        'scale of its own: without --scale-mode it is relative. A folder with poses (images/, '
        'K.txt, poses.txt) gives metres by its motion (--refine auto or multiview); images and '
        'bags come without poses here: type --refine none, or nothing.',
    )
    add_input_arguments(parser)
    add_output_arguments(parser, MONO_KINDS, task='mono')
    add_settings(parser, MonoSettings, title='mono')
    parser.add_argument(
        '--reference',
        type=Path,
        metavar='FILE|FOLDER',
        help='for reference_depth: .npy in metres or 16-bit .png, named as the images; a bag '
        'brings its own',
    )
    parser.add_argument(
        '--rate',
        type=float,
        default=RATE_HZ,
        metavar='HZ',
        help=f'images a second of a folder with poses, default {RATE_HZ:g}',
    )
    parser.set_defaults(run=run_mono)


def run_mono(arguments: argparse.Namespace) -> int:
    """Run all images; return the exit code: 2 if one of several was refused."""
    settings = mono_settings(arguments)
    inputs = input_settings(
        arguments,
        needs_camera=settings.scale.mode is not ScaleMode.NONE,
        needs_reference=settings.scale.mode is ScaleMode.REFERENCE_DEPTH,
    )
    kinds = chosen_kinds(arguments, MONO_KINDS)
    tally = Tally()
    is_moving = needs_poses(settings)
    source: MonoSource = (
        PosedSource(inputs, tally.refuse, rate_hz=rate_of(arguments))
        if is_moving
        else open_source(inputs, tally.refuse)
    )
    folder = OutputFolder(
        arguments.out, kinds, {**_identity(settings, inputs), 'range': str(arguments.range)}
    )
    with open_progress() as progress, ImageRunner(settings, folder, progress) as runner:
        run_all(
            source,
            runner.run,
            folder,
            tally=tally,
            progress=progress,
            # What comes of an image depends on those before it.
            is_again=arguments.overwrite or is_moving,
        )
        summary = runner.summary(tally, source)
    lines = [as_options(line, arguments) for line in _lines(tally.records)]
    nothing = without_depth(tally.records)
    lines += [as_options(nothing, arguments)] if nothing else []
    code = finish_batch(arguments.out, summary, lines, tally)
    return EXIT_FAILED if nothing else code


class ImageRunner(BatchRunner[MonoProcessor]):
    """Runs images; the engine is opened when the first one needs it."""

    def __init__(
        self, settings: MonoSettings, folder: OutputFolder[MonoOutput], progress: Progress
    ) -> None:
        """Remember what to run with."""
        super().__init__(lambda: open_mono(settings, progress=progress))
        self._folder = folder
        self._settings = settings

    def run(self, item: MonoItem) -> Record:
        """Read, compute and write one image.

        Raises:
            InputError: If the image or its calibration cannot be used.
        """
        frame = item.frame()
        reference = item.reference(frame.camera)
        processor = self._processor()
        output = processor.process(frame, reference=reference, world_from_camera=item.pose())
        height, width = output.frame.image.shape[:2]
        ran_by = processor.identity
        runs = f'{ran_by.model} {ran_by.size} {ran_by.precision} on {ran_by.engine}'
        by = processor.describe() if processor.keyframes is None else runs
        title = f'{item.name} | {by} | image {width}x{height} | {_scale(output)}'
        facts = run_facts(
            valid_fraction=output.valid_fraction,
            depth=output.depth.depth if output.depth else NOTHING,
            stages_s=output.stages_s,
            ran_by=asdict(ran_by),
        )
        facts['is_untrained'] = output.is_untrained
        facts['has_metres'] = output.depth is not None
        facts['reason'] = output.reason
        facts['scale'] = _scale_record(output, self._settings.scale.mode)
        facts['refined'] = _refined_record(output)
        return self._folder.write(item, output, title=title, facts=facts)

    def summary(self, tally: Tally, source: MonoSource) -> Record:
        """Return what ``summary.json`` says."""
        return {
            'task': 'mono',
            'model': self._settings.model,
            'engine': self._settings.engine.runtime,
            'precision': self._settings.engine.precision,
            'size': '',
            'calibration': source.describe(),
            'scale_mode': self._settings.scale.mode.value,
            'is_untrained': any(record['is_untrained'] for record in tally.records),
            **batch_summary(tally, opening_s=self.opening_s),
            'images': [{key: record[key] for key in IMAGE_KEYS} for record in tally.records],
        }


def mono_settings(arguments: argparse.Namespace) -> MonoSettings:
    """Read parsed arguments.

    Raises:
        ParameterError: If a value is not allowed, or the mode of scale lacks what it needs.
    """
    settings = read_settings(MonoSettings, arguments)
    if settings.refine is RefineMode.AUTO and has_poses(arguments):
        warn(WITH_POSES)
        settings = replace(settings, refine=RefineMode.MULTIVIEW)
    if settings.scale.factor and settings.scale.mode is not ScaleMode.FIXED:
        warn(UNUSED_FACTOR.format(mode=settings.scale.mode.value))
    needs_reference = settings.scale.mode is ScaleMode.REFERENCE_DEPTH
    has_reference = arguments.reference is not None or is_bag(arguments.input)
    if needs_reference != has_reference and not (has_reference and is_bag(arguments.input)):
        raise ParameterError(
            '--scale-mode reference_depth and --reference FILE|FOLDER belong together; give both'
        )
    return settings


def has_poses(arguments: argparse.Namespace) -> bool:
    """Whether the input is a folder with poses, and no other calibration was given for it."""
    is_posed = all((arguments.input / name).is_file() for name in ('K.txt', 'poses.txt'))
    return is_posed and not (arguments.calibration or arguments.focal_length_px)


def _identity(settings: MonoSettings, inputs: MonoInputSettings) -> Record:
    """Return what results depend on besides the images, to detect outdated ones."""
    files = [Path(settings.engine.weights), *([inputs.calibration] if inputs.calibration else [])]
    return identity_of_files(settings, replace(inputs, path=Path()), files)


def _scale_record(output: MonoOutput, mode: ScaleMode) -> Record:
    scaled = output.scaled
    assert scaled is not None, 'run asks for metric depth'
    return {
        'mode': mode.value,
        'factor': scaled.factor,
        'spread': scaled.spread,
        'reason': scaled.reason,
    }


def needs_poses(settings: MonoSettings) -> bool:
    """Whether images must come with their poses."""
    is_refined = settings.refine is RefineMode.MULTIVIEW
    return is_refined or settings.scale.mode is ScaleMode.MOTION


def rate_of(arguments: argparse.Namespace) -> float:
    """Return the images a second.

    Raises:
        ParameterError: If it is none.
    """
    rate: float = arguments.rate
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise ParameterError(
            f'--rate takes images a second within {MIN_RATE_HZ:g}..{MAX_RATE_HZ:g}, got {rate:g}'
        )
    return rate


def _refined_record(output: MonoOutput) -> Record:
    """Return whose depth the pixels have, as shares, or why there is none of keyframes."""
    source = output.source
    shares = {} if source is None else {
        member.name.lower(): round(float((source == member).mean()), 4) for member in DepthSource
    }  # fmt: skip
    refused = output.refusal[1] if output.refusal else ''
    age_s = output.refined.age_s if output.refined else None
    return {'shares': shares, 'keyframe_age_s': age_s, 'reason': refused}


def _scale(output: MonoOutput) -> str:
    """Return the scale in a few words."""
    scaled = output.scaled
    if output.refined is not None:
        return f'metres from keyframes{_fitted(output.refined)}'
    if output.is_untrained:
        return 'UNTRAINED: made-up weights, means nothing'
    if scaled is None or scaled.factor is None:
        return 'relative depth, no metres'
    spread = '' if scaled.spread is None else f', spread {100 * scaled.spread:.1f} %'
    return f'{scaled.factor:.4g} m for each unit{spread}'


def _fitted(refined: RefinedDepth) -> str:
    """Return how well the mono map agrees with keyframes; nothing without one."""
    if refined.fit is None:
        return ''
    percent = f'{100 * refined.fit.spread:.0f} %'
    if refined.is_map_used:
        return f', mono map fitted within {percent}'
    return f', mono map left out: {percent} off them'


def _lines(images: Sequence[Record]) -> Iterator[str]:
    """Return one line per image; the reason for relative depth only once each."""
    reasons = []
    for image in images:
        scale = image['scale']
        assert isinstance(scale, dict)
        refined = image['refined']
        assert isinstance(refined, dict)
        is_relative = scale['factor'] is None and refined['keyframe_age_s'] is None
        yield line_of(image, instead=_instead(image, refined) if is_relative else '')
        reasons.append(refined['reason'] or (scale['reason'] if is_relative else ''))
    yield from dict.fromkeys(filter(None, reasons))
    made_up = [image for image in images if image['is_untrained']]
    if any(not image.get('has_metres') for image in made_up):
        yield 'the weights are made up (untrained): these depths mean nothing'
    if any(image.get('has_metres') for image in made_up):
        yield (
            'the mono network has made-up weights (untrained): its relative depth means nothing; '
            'metres are of keyframes alone'
        )


def without_depth(images: Sequence[Record]) -> str:
    """Return that no image has depth of any kind, and the last reason; else nothing."""
    if not images or any(image['valid_fraction'] for image in images):
        return ''
    reason = images[-1].get('reason') or 'the network gives none'
    return f'no depth in any of {len(images)}: {reason}'


def _instead(image: Record, refined: Record) -> str:
    """Return what to say in place of metres."""
    is_known = bool(image['valid_fraction'])
    return 'relative' if is_known or not refined['reason'] else 'no depth yet'
