"""The mono demo: ``mono_node`` of a camera that drives through the rendered room.

Metres come from its own motion, with or without a mono network; where one is given its relative
depth is drawn too. Made-up weights that were asked for see photographs instead, give no metres and
mark the picture "untrained" all over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.cli.demo.drives import (
    BASE_FROM_CAMERA,
    LEFT,
    ONE_CAMERA,
    RENDERED_LINE,
    draw_once,
)
from depth_ros.cli.demo.processes import DemoSettings
from depth_ros.cli.demo.report import DemoTask
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import WeightsError
from depth_ros.models.registry import models_of
from depth_ros.pictures.panels import depth_panel
from depth_ros.pictures.watermark import watermarked
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.refine import DepthSource
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tensors import Progress, Task

if TYPE_CHECKING:
    from depth_ros.ros.demo.observer import Seen

PICTURE = 'mono.png'
FROM_MOTION = (
    'weights:     none of a network for one image ship (depth-ros weights list), so',
    '             this is what one camera knows from its own motion: keyframes in',
    '             metres, carried over to every image, by mono_node',
)
WITH_NETWORK = (
    'metres:      from keyframes of the moving camera; the network fills what they',
    '             do not show, fitted to them, where it agrees with them at all',
)
NEAREST_M, FARTHEST_M = 0.5, 6.0
"""Between which the rendered room lies."""
MAX_AGE_S = 20.0
"""Nothing moves in that room, and a busy computer takes long for a keyframe."""
DRIVE_HZ = 5.0
"""The loop of the sample rig then takes nine seconds, 0.6 m/s, as a robot drives."""


def say_on_stdout(text: str) -> None:
    """Print the phase of long work."""
    print(f'depth_ros demo: {text}', flush=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundModel:
    """Weights that the demo will run.

    Attributes:
        model: Its name.
        is_untrained: Whether they are made up.
    """

    model: str
    is_untrained: bool


def mono_demo(settings: DemoSettings, tell: Callable[[str], None] = say_on_stdout) -> DemoTask:
    """Prepare the engine, so that the node only has to load it, and return the task.

    Args:
        settings: What to run.
        tell: Called with the phase of long work.

    Raises:
        WeightsError: If a model or weights were named, and cannot be used.
    """
    from depth_ros.ros.demo.observer import MONO_WATCHED

    found = find_weights(settings, tell)
    if found is None or not found.is_untrained:
        return motion_demo(settings, found)
    return DemoTask(
        node='mono_node',
        parameters={
            'model': found.model,
            'weights': settings.weights,
            'refine': 'none',
            'scale.mode': 'none',
        },
        remappings=LEFT,
        camera={'sides': 'left'},
        watched=MONO_WATCHED,
        rates={'camera': 'left/image_raw', 'relative depth': 'relative_depth/image'},
        awaited='relative_depth/image',
        received='received',
        counted=('scale_mode', 'scale_factor'),
        facts={'is_untrained': True},
        picture=PICTURE,
        draw=untrained_picture,
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
        return FoundModel(model=model, is_untrained=processor.is_untrained)
    finally:
        processor.close()


def motion_demo(settings: DemoSettings, found: FoundModel | None) -> DemoTask:
    """Return metres of a moving camera, with a trained mono network or without any."""
    from depth_ros.ros.demo.observer import MONO_MOVING_WATCHED, MONO_WATCHED

    draw_once()
    network = {} if found is None else {'model': found.model, 'scale.mode': 'motion'}
    weights = {'weights': settings.weights} if settings.weights else {}
    rates = {'camera': 'left/image_raw', 'depth': 'depth/image', 'points': 'points'}
    if found is not None:
        rates['relative depth'] = 'relative_depth/image'
    return DemoTask(
        node='mono_node',
        parameters={
            'refine': 'multiview',
            'keyframes.min_depth_m': NEAREST_M,
            'keyframes.max_depth_m': FARTHEST_M,
            'keyframes.max_age_s': MAX_AGE_S,
            'base_from_camera': BASE_FROM_CAMERA,
            **network,
            **weights,
        },
        remappings={**LEFT, 'odometry': 'ground_truth/odometry'},
        camera={**ONE_CAMERA, 'rate_hz': min(DRIVE_HZ, float(settings.rate_hz))},
        watched=(*MONO_MOVING_WATCHED, *(MONO_WATCHED[1:] if found else ())),
        rates=rates,
        awaited='depth/image',
        received='received',
        counted=('mono_network', 'keyframe_age_s', 'refine_refused', 'scale_mode'),
        facts={'is_from_motion': True},
        picture=PICTURE,
        draw=moving_picture,
        images_line=RENDERED_LINE,
        notes=FROM_MOTION if found is None else WITH_NETWORK,
    )


def moving_picture(seen: Seen, title: str) -> np.ndarray | None:
    """Draw image and metres, and relative depth where there is any; say where the metres are from.

    Returns:
        ``(H, W, 3)`` uint8 RGB; None if a topic stayed silent.
    """
    if seen.reference is None or seen.depth is None or seen.source is None:
        return None
    lines = f'{title} | {scale_words(seen)}'
    panel = depth_panel(image=seen.reference, depth=seen.depth, title=lines)
    if seen.relative is None:
        return panel
    below = depth_panel(
        image=seen.reference, depth=seen.relative, caption='relative depth, no unit'
    )
    width = max(panel.shape[1], below.shape[1])
    return np.vstack([_widened(panel, width), _widened(below, width)])


def scale_words(seen: Seen) -> str:
    """Return whose depth the pixels have, in words."""
    source = seen.source
    assert source is not None, 'asked for what was seen'
    words = {
        DepthSource.KEYFRAME: 'from keyframes',
        DepthSource.FITTED: 'from the network, fitted to them',
        DepthSource.SCALED: 'from the network, scaled by followed points',
        DepthSource.UNKNOWN: 'unknown',
    }
    shares = [
        f'{100 * float((source == member).mean()):.0f} % {text}'
        for member, text in words.items()
        if (source == member).any()
    ]
    values = next(
        (values for values in seen.diagnostics.values() if 'keyframe_age_s' in values), {}
    )
    age = values.get('keyframe_age_s', '')
    since = f'; the newest keyframe is {float(age):.1f} s old' if age else ''
    return f"metres by the camera's own motion: {', '.join(shares)}{since}"


def untrained_picture(seen: Seen, title: str) -> np.ndarray | None:
    """Draw image and depth of made-up weights, marked all over; None if one did not come."""
    if seen.left is None or seen.relative is None:
        return None
    return watermarked(
        depth_panel(
            image=seen.left,
            depth=seen.relative,
            title=f'{title} | UNTRAINED: made-up weights, means nothing',
            caption='relative depth, no unit',
        )
    )


def _widened(panel: np.ndarray, width: int) -> np.ndarray:
    """Return a panel with paper on its right."""
    right = ((0, 0), (0, width - panel.shape[1]), (0, 0))
    return np.pad(panel, right, mode='edge')


def _progress(tell: Callable[[str], None]) -> Progress:
    said: list[str] = []

    def report(phase: str, fraction: float | None) -> None:
        if phase not in said:
            said.append(phase)
            tell(phase)

    return report
