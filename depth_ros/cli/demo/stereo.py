"""The stereo demo: ``stereo_node`` on the OAK-D pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from depth_ros.cli.demo.processes import DemoSettings
from depth_ros.cli.demo.report import DemoTask
from depth_ros.models.registry import weightless_models
from depth_ros.pictures.panels import stereo_panel
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from depth_ros.frames import UsefulPart
    from depth_ros.ros.demo.observer import Seen

MAX_DEPTH_M = 8.0
FILTERS = {'speckle_size_px': 200, 'speckle_difference_px': 2.0}
"""What the demo switches on for classical matchers; networks leave hardly any speckles."""
COUNTED = (
    'received_right',
    'paired',
    'unpaired_left',
    'unpaired_right',
    'refused',
    'waiting_left',
    'waiting_right',
)


def stereo_demo(settings: DemoSettings) -> DemoTask:
    """Return the task; the node opens its engine itself."""
    from depth_ros.ros.demo.observer import STEREO_WATCHED

    given = {'model': settings.model, 'weights': settings.weights}
    classical = weightless_models(Task.STEREO)
    return DemoTask(
        node='stereo_node',
        parameters={
            'max_depth_m': MAX_DEPTH_M,
            'precision': 'auto',
            **useful_part(),
            **(FILTERS if settings.model in classical else {}),
            **{name: value for name, value in given.items() if value},
        },
        watched=STEREO_WATCHED,
        rates={
            'camera': 'left/image_raw',
            'disparity': 'disparity',
            'depth': 'depth/image',
            'points': 'points',
        },
        awaited='depth/image',
        received='received_left',
        counted=COUNTED,
        picture='stereo.png',
        draw=stereo_picture,
        faster='' if settings.model in classical else f'--model {classical[0]}',
    )


def useful_part() -> dict[str, str]:
    """Return the parameters that say what the calibration of the OAK-D pairs calls useful."""
    useful = _useful()
    values = {'valid_region': useful.region, 'useful_depth_m': useful.depth_range_m}
    return {
        name: ' '.join(f'{number:g}' for number in numbers)
        for name, numbers in values.items()
        if numbers
    }


def stereo_picture(seen: Seen, title: str) -> np.ndarray | None:
    """Draw left image, disparity and depth; None if one of them or the cloud did not come."""
    if seen.left is None or seen.disparity is None or seen.depth is None or seen.cloud is None:
        return None
    known = np.isfinite(seen.disparity).mean()
    return stereo_panel(
        left=seen.left,
        disparity=seen.disparity,
        depth=seen.depth,
        title=f'{title} | {known:.0%} of pixels known in {", ".join(_useful().describe())}, which '
        'the calibration calls useful | hatched: outside of that, or not sure enough',
    )


def _useful() -> UsefulPart:
    from depth_ros.files.calibration import read_stereo_calibration
    from depth_ros.ros.demo.sample_images import CALIBRATION_NAMES, stereodemo_folder

    return read_stereo_calibration([stereodemo_folder() / CALIBRATION_NAMES[0]]).useful
