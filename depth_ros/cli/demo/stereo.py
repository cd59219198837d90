"""The stereo demo: ``stereo_node`` on the OAK-D pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.cli.demo.processes import DemoSettings
from depth_ros.cli.demo.report import (
    IMAGES_LINE,
    Report,
    incomplete,
    joined_summary,
    title_of,
    write_demo_cloud,
    write_summary,
)
from depth_ros.cli.demo.task import DemoTask
from depth_ros.models.registry import weightless_models
from depth_ros.pictures.panels import stereo_panel, write_picture
from depth_ros.tensors import Task

if TYPE_CHECKING:
    from depth_ros.ros.demo.observer import Seen

MAX_DEPTH_M = 8.0
FILTERS = {'speckle_size_px': 200, 'speckle_difference_px': 2.0}
"""What the demo switches on for classical matchers; networks leave no islands worth the time."""
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
    return DemoTask(
        node='stereo_node',
        parameters={
            'max_depth_m': MAX_DEPTH_M,
            'precision': 'auto',
            **(FILTERS if settings.model in weightless_models(Task.STEREO) else {}),
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
        write=write_outputs,
    )


def write_outputs(folder: Path, seen: Seen, camera: Report, node: Report) -> list[str]:
    """Write picture, cloud and summary; give one line for each.

    Raises:
        DepthRosError: If a topic stayed silent.
    """
    summary = joined_summary(camera, node, received='received_left', counted=COUNTED)
    line = write_summary(folder, summary)
    if seen.left is None or seen.disparity is None or seen.depth is None or seen.cloud is None:
        raise incomplete(folder)
    valid = f'{np.isfinite(seen.disparity).mean():.0%} of pixels valid'
    panel = stereo_panel(
        left=seen.left,
        disparity=seen.disparity,
        depth=seen.depth,
        title=f'{title_of(summary)} | {valid}',
    )
    write_picture(folder / 'stereo.png', panel)
    return [
        f'picture:     {folder / "stereo.png"}',
        write_demo_cloud(folder, seen.cloud),
        line,
        IMAGES_LINE,
    ]
