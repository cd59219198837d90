"""The mono demo: ``mono_node`` on the left images of the OAK-D pairs.

Where no weights are, ``multiview_node`` shows what one moving camera knows without a trained mono
network. Made-up weights that were asked for mark the picture "untrained" all over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.cli.demo.drives import multiview_demo
from depth_ros.cli.demo.processes import DemoSettings
from depth_ros.cli.demo.report import DemoTask
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import WeightsError
from depth_ros.models.registry import models_of
from depth_ros.pictures.panels import depth_panel
from depth_ros.pictures.watermark import watermarked
from depth_ros.tasks.mono.processor import open_mono
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tensors import Progress, Task

if TYPE_CHECKING:
    from depth_ros.ros.demo.observer import Seen

PICTURE = 'mono.png'
NO_WEIGHTS = (
    'weights:     none of a network for one image ship (depth-ros weights list), so',
    '             this is what one camera knows from its own motion: depth of',
    '             keyframes in metres, by multiview_node',
)


def say_on_stdout(text: str) -> None:
    """Print the phase of long work."""
    print(f'depth_ros demo: {text}', flush=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundModel:
    """Weights that the demo will run.

    Attributes:
        model: Its name.
        is_untrained: Whether they are made up.
        has_rig: Whether metres follow from the rig they were trained with.
    """

    model: str
    is_untrained: bool
    has_rig: bool


def mono_demo(settings: DemoSettings, tell: Callable[[str], None] = say_on_stdout) -> DemoTask:
    """Prepare the engine, so that the node only has to load it, and return the task.

    Args:
        settings: What to run.
        tell: Called with the phase of long work.

    Raises:
        WeightsError: If a model or weights were named, and cannot be used.
    """
    from depth_ros.ros.demo.observer import MONO_METRIC_WATCHED, MONO_WATCHED

    found = find_weights(settings, tell)
    if found is None:
        return motion_demo(settings)
    rates = {'camera': 'left/image_raw', 'relative depth': 'relative_depth/image'}
    if found.has_rig:
        rates |= {'depth': 'depth/image', 'points': 'points'}
    return DemoTask(
        node='mono_node',
        parameters={
            'model': found.model,
            'scale.mode': 'training_rig' if found.has_rig else 'none',
            **({'weights': settings.weights} if settings.weights else {}),
        },
        remappings={'image_raw': 'left/image_raw', 'camera_info': 'left/camera_info'},
        camera={'sides': 'left'},
        watched=MONO_METRIC_WATCHED if found.has_rig else MONO_WATCHED,
        rates=rates,
        awaited='relative_depth/image',
        received='received',
        counted=('scale_mode', 'scale_factor'),
        facts={'is_untrained': found.is_untrained},
        picture=PICTURE,
        draw=lambda seen, title: mono_picture(seen, title, found),
    )


def find_weights(
    settings: DemoSettings, tell: Callable[[str], None] = say_on_stdout
) -> FoundModel | None:
    """Build or load the engine of the weights there are; None if there are and were named none.

    Raises:
        WeightsError: If a model or weights were named, and cannot be used.
        EngineError: If the runtime is missing.
    """
    model = settings.model or models_of(Task.MONO)[0]
    chosen = MonoSettings(model=model, engine=EngineChoice(weights=settings.weights))
    try:
        processor = open_mono(chosen, progress=_progress(tell))
    except WeightsError:
        if settings.model or settings.weights:
            raise
        return None
    try:
        return FoundModel(
            model=model,
            is_untrained=processor.is_untrained,
            has_rig=processor.has_training_rig and not processor.is_untrained,
        )
    finally:
        processor.close()


def motion_demo(settings: DemoSettings) -> DemoTask:
    """Return what one camera shows without a trained mono network: depth from its motion."""
    task = multiview_demo(settings)
    return replace(task, picture=PICTURE, facts={'is_from_motion': True}, notes=NO_WEIGHTS)


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


def _progress(tell: Callable[[str], None]) -> Progress:
    said: list[str] = []

    def report(phase: str, fraction: float | None) -> None:
        if phase not in said:
            said.append(phase)
            tell(phase)

    return report
