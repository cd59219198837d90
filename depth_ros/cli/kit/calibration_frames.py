"""Frames of a recording as the engines of a model are given them, to calibrate int8 on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from depth_ros.cli.kit.arguments import add_pair_arguments
from depth_ros.cli.kit.batch import warn
from depth_ros.cli.kit.mono_inputs import MonoInputSettings, open_source
from depth_ros.cli.kit.sources import FrameItem, add_topic_arguments
from depth_ros.cli.kit.stereo_inputs import add_bag_arguments, open_pairs
from depth_ros.engines.calibrations import (
    INT8,
    INT8_RUNTIME,
    MOST_FRAMES,
    CalibrationFrames,
    expect_enough,
)
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import ExportPlan
from depth_ros.engines.recipe import FULL_PRECISION
from depth_ros.engines.runtime import AUTO_ENGINE
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_reader import is_bag
from depth_ros.frames import ImagePair, MonoFrame, StereoFrame
from depth_ros.models.registry import models
from depth_ros.tasks.engine_inputs import listen
from depth_ros.tasks.matching.matcher import Matcher
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tasks.mono.values import MonoWanted
from depth_ros.tasks.networks import open_model
from depth_ros.tasks.pipeline import NetworkSettings, Pipeline
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Progress, Task

FrameT = TypeVar('FrameT')
_MONO_TOPICS = ('image_topic', 'info_topic')


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """How a recording gets to the engines of a task.

    Attributes:
        settings: Makes the task's settings of a model and an engine.
        frames: Opens the recording; gives frames spread evenly.
        processed: Returns what gives a frame to a pipeline as the task does.
    """

    settings: Callable[..., NetworkSettings]
    frames: Callable[[argparse.Namespace], Iterable]
    processed: Callable[..., Callable[..., object]]


def add_calibration_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the recording and what it may need to be read."""
    parser.add_argument(
        '--calibrate',
        dest='left',
        type=Path,
        metavar='BAG|FOLDER',
        help='for --precision int8: a bag, or a folder of images or of pairs, of what the robot '
        f'sees; up to {MOST_FRAMES} frames of it are used',
    )
    parser.set_defaults(right=None, layout='auto', baseline_m=0.0)
    add_pair_arguments(parser, is_required=False)
    add_bag_arguments(parser)
    add_topic_arguments(parser, _MONO_TOPICS)


def expect_calibration_inputs(arguments: argparse.Namespace, choice: EngineChoice) -> None:
    """Refuse a recording that cannot be one, or that nothing would be calibrated on.

    Raises:
        ParameterError: Saying what to type instead.
    """
    path: Path | None = arguments.left
    if path is None:
        return
    if choice.precision != INT8 or choice.runtime not in (AUTO_ENGINE, INT8_RUNTIME):
        raise ParameterError(
            f'--calibrate is for engine {INT8_RUNTIME} in precision {INT8}; add --engine '
            f'{INT8_RUNTIME} --precision {INT8}, or leave it out'
        )
    if not (path.is_dir() or is_bag(path)):
        raise ParameterError(
            f'--calibrate takes a bag or a folder of images, {path} is neither; check the path'
        )


def calibration_frames(
    arguments: argparse.Namespace, plan: ExportPlan, choice: EngineChoice, progress: Progress
) -> Mapping[str, CalibrationFrames]:
    """Run a recipe's model in float32 on the recording; return what each graph was given.

    Args:
        arguments: With those of ``add_calibration_inputs``.
        plan: Which model, size and weights.
        choice: Which engine.
        progress: Called with a phase and a fraction.

    Raises:
        InputError: If the recording cannot be read.
        ParameterError: If no task of the recipe is calibrated from recordings.
    """
    found: dict[str, CalibrationFrames] = {}
    for task, model in _served(plan):
        given = _given(arguments, plan, _settings(plan, task, model, choice), task, progress)
        found.update(given)
    if not found:
        tasks = ', '.join(task.value for task in _WAYS)
        raise ParameterError(
            f'{plan.recipe.name!r} cannot be calibrated from a recording: that is done for the '
            f"tasks {tasks}; use precision 'f32'"
        )
    return found


def _served(plan: ExportPlan) -> Iterator[tuple[Task, str]]:
    """Return the tasks of a recipe that are calibrated, each with its first model."""
    for task in _WAYS:
        named = (
            name
            for name, entry in models().items()
            if (entry.recipe or entry.name) == plan.recipe.name and task in entry.tasks
        )
        model = next(named, None)
        if model is not None:
            yield task, model


def _settings(plan: ExportPlan, task: Task, model: str, choice: EngineChoice) -> NetworkSettings:
    engine = replace(choice, precision=FULL_PRECISION, preset='', size=plan.variant.size)
    return _WAYS[task].settings(model=model, engine=engine)


def _given(
    arguments: argparse.Namespace,
    plan: ExportPlan,
    settings: NetworkSettings,
    task: Task,
    progress: Progress,
) -> dict[str, CalibrationFrames]:
    """Return what the graphs of one task were given."""
    frames = _WAYS[task].frames(arguments)
    opened = open_model(task, settings, options=plan.variant.options, progress=progress)
    try:
        listeners = listen(opened.pipeline)
        process = _WAYS[task].processed(opened.pipeline, settings)
        for index, frame in enumerate(frames):
            progress(f'run {plan.recipe.name} in float32 on {arguments.left}', index / MOST_FRAMES)
            try:
                process(frame)
            except InputError as error:
                warn(f'a frame of {arguments.left} is left out: {error}')
    finally:
        opened.pipeline.close()
    source = arguments.left.name
    return {
        graph: CalibrationFrames(feeds=listener.inputs_given, source=source)
        for graph, listener in listeners.items()
    }


def _spread(
    items: Iterable[FrameItem[FrameT]], count: int, arguments: argparse.Namespace
) -> Iterator[FrameT]:
    """Return up to ``MOST_FRAMES`` of ``count`` frames, spread evenly; read when asked for.

    Raises:
        InputError: If there cannot be enough of them.
    """
    expect_enough(count, arguments.left.name)
    wanted = {index * count // MOST_FRAMES for index in range(MOST_FRAMES)}
    return (item.frame() for index, item in enumerate(items) if index in wanted)


def _pairs(arguments: argparse.Namespace) -> Iterator[StereoFrame]:
    source = open_pairs(arguments, _report, needs_calibration=False)
    return _spread(source, source.count, arguments)


def _images(arguments: argparse.Namespace) -> Iterator[MonoFrame]:
    settings = MonoInputSettings(
        path=arguments.left,
        calibration=next(iter(arguments.calibration or ()), None),
        focal_length_px=0.0,
        is_rectified=arguments.is_rectified,
        is_scaled=arguments.scale_calibration,
        reference=None,
        needs_camera=False,
        **{name: getattr(arguments, name) for name in _MONO_TOPICS},
    )
    source = open_source(settings, _report)
    return _spread(source, source.count, arguments)


def _neighbours(arguments: argparse.Namespace) -> Iterator[ImagePair]:
    """Return each frame with the next one that is taken."""
    pairs = pairwise(_images(arguments))
    return (ImagePair(first=first.image, second=second.image) for first, second in pairs)


def _report(reason: str, text: str) -> None:
    warn(text)


def _stereo(pipeline: Pipeline, settings: StereoSettings) -> Callable[[StereoFrame], object]:
    processor = StereoProcessor(pipeline, settings)
    return partial(processor.process, wanted=Wanted(depth=False))


def _mono(pipeline: Pipeline, settings: MonoSettings) -> Callable[[MonoFrame], object]:
    processor = MonoProcessor(pipeline, settings)
    return partial(processor.process, wanted=MonoWanted(depth=False))


def _matching(pipeline: Pipeline, settings: MatchSettings) -> Callable[[ImagePair], object]:
    return Matcher(pipeline, settings).match


_WAYS: dict[Task, _Way] = {
    Task.STEREO: _Way(settings=StereoSettings, frames=_pairs, processed=_stereo),
    Task.MONO: _Way(settings=MonoSettings, frames=_images, processed=_mono),
    Task.MATCHING: _Way(settings=MatchSettings, frames=_neighbours, processed=_matching),
}
"""Tasks whose graphs are calibrated from recordings."""
