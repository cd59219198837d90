"""The mono demo: ``mono_node`` on the left images of the OAK-D pairs.

Official weights are used where they are found; otherwise synthetic ones show that the
whole graph runs: the picture says "untrained" all over, and only ``relative_depth/image`` is
published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.cli.demo.processes import DemoSettings
from depth_ros.cli.demo.task import DemoTask
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.exports import EXPORT_PACKAGES
from depth_ros.engines.runtime import is_importable
from depth_ros.errors import EngineError, WeightsError
from depth_ros.models.registry import models_of
from depth_ros.pictures.panels import depth_panel
from depth_ros.pictures.watermark import watermarked
from depth_ros.tasks.mono.processor import MonoProcessor, open_mono
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tensors import Progress, Task

if TYPE_CHECKING:
    from depth_ros.ros.demo.observer import Seen

MADE_UP = 'synthetic:1'
UNTRAINED_LINE = (
    'weights:     none found, so made-up ones ran ("untrained"): the depth means nothing; '
    'see depth-ros weights list'
)


def say_on_stdout(text: str) -> None:
    """Print the phase of long work."""
    print(f'depth_ros demo: {text}', flush=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundModel:
    """Weights that the demo will run.

    Attributes:
        weights: As the node takes them.
        is_untrained: Whether they are made up.
        has_rig: Whether metres follow from the rig they were trained with.
    """

    weights: str
    is_untrained: bool
    has_rig: bool


def mono_demo(settings: DemoSettings, tell: Callable[[str], None] = say_on_stdout) -> DemoTask:
    """Prepare the engine, so that the node only has to load it, and return the task.

    Args:
        settings: What to run.
        tell: Called with the phase of long work.

    Raises:
        EngineError: If weights have to be made up and cannot be; says what to type.
    """
    from depth_ros.ros.demo.observer import MONO_METRIC_WATCHED, MONO_WATCHED

    settings = replace(settings, model=settings.model or models_of(Task.MONO)[0])
    found = find_weights(settings, tell)
    rates = {'camera': 'left/image_raw', 'relative depth': 'relative_depth/image'}
    if found.has_rig:
        rates |= {'depth': 'depth/image', 'points': 'points'}
    return DemoTask(
        node='mono_node',
        parameters={
            'model': settings.model,
            'scale.mode': 'training_rig' if found.has_rig else 'none',
            **({'weights': found.weights} if found.weights else {}),
        },
        remappings={'image_raw': 'left/image_raw', 'camera_info': 'left/camera_info'},
        camera={'sides': 'left'},
        watched=MONO_METRIC_WATCHED if found.has_rig else MONO_WATCHED,
        rates=rates,
        awaited='relative_depth/image',
        received='received',
        counted=('scale_mode', 'scale_factor'),
        facts={'is_untrained': found.is_untrained},
        picture='mono.png',
        draw=lambda seen, title: mono_picture(seen, title, found),
        notes=(UNTRAINED_LINE,) if found.is_untrained else (),
    )


def find_weights(settings: DemoSettings, tell: Callable[[str], None]) -> FoundModel:
    """Build or load the engine of the weights there are, made-up ones only if there are none.

    Raises:
        EngineError: If weights have to be made up but torch is missing, or the runtime is.
        WeightsError: If the given weights cannot be used.
    """
    progress = _progress(tell)
    try:
        return _describe(_open(settings, settings.weights, progress), settings.weights)
    except WeightsError:
        if settings.weights:
            raise
    missing = [name for name in EXPORT_PACKAGES if not is_importable(name)]
    try:
        tell(f'no weights of {settings.model} found: making some up, once, which shows the graph')
        return _describe(_open(settings, MADE_UP, progress), MADE_UP)
    except EngineError as error:
        if not missing:
            raise
        raise EngineError(
            f'no weights of {settings.model!r} are exported, and making some up needs '
            f'{", ".join(missing)}; type: make demo MODEL={settings.model}, which installs them, '
            f'or: pip install {" ".join(missing)}'
        ) from error


def mono_picture(seen: Seen, title: str, found: FoundModel) -> np.ndarray | None:
    """Draw image and depth, in metres where they are known; None if one of them did not come."""
    if seen.left is None or seen.relative is None:
        return None
    is_metric = seen.depth is not None and not found.is_untrained
    depth = seen.depth if is_metric and seen.depth is not None else seen.relative
    caption = 'depth, m' if is_metric else 'relative depth, no unit'
    words = ' | UNTRAINED: made-up weights, means nothing' if found.is_untrained else ''
    panel = depth_panel(image=seen.left, depth=depth, title=title + words, caption=caption)
    return watermarked(panel) if found.is_untrained else panel


def _open(settings: DemoSettings, weights: str, progress: Progress) -> MonoProcessor:
    return open_mono(
        MonoSettings(model=settings.model, engine=EngineChoice(weights=weights)), progress=progress
    )


def _describe(processor: MonoProcessor, weights: str) -> FoundModel:
    try:
        return FoundModel(
            weights=weights,
            is_untrained=processor.is_untrained,
            has_rig=processor.has_training_rig and not processor.is_untrained,
        )
    finally:
        processor.close()


def _progress(tell: Callable[[str], None]) -> Progress:
    said: list[str] = []

    def report(phase: str, fraction: float | None) -> None:
        if phase not in said:
            said.append(phase)
            tell(phase)

    return report
