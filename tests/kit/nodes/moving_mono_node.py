"""A mono node without a mono network, whose keyframes have the rendered room's exact depth."""

from __future__ import annotations

import sys
from typing import Any

from depth_ros.ros.mono.node import MonoNode
from depth_ros.ros.node.runner import run_node
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.no_network import NoNetwork
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.multiview_doubles import open_truth


def open_moving(settings: MonoSettings, *, progress: Any = None) -> MonoProcessor:
    keyframes = KeyframeDepths(
        lambda progress: open_truth(settings.multiview),  # type: ignore[arg-type, return-value]
        settings.keyframes,
        in_background=True,
    )
    keyframes.open()
    return MonoProcessor(Pipeline(NoNetwork()), settings, keyframes=keyframes)


if __name__ == '__main__':
    sys.exit(run_node('mono_node', lambda: MonoNode(open_processor=open_moving)))
