"""A stereo node whose network answers with the hint that it is told."""

from __future__ import annotations

import sys
from typing import Any

from depth_ros.ros.node.runner import run_node
from depth_ros.ros.stereo.node import StereoNode
from depth_ros.tasks.stereo.processor import StereoProcessor
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.echo_hints import echo_processor
from tests.kit.live_node import HEIGHT, WIDTH


def open_processor(settings: StereoSettings, *, progress: Any = None) -> StereoProcessor:
    return echo_processor(settings, [], height=HEIGHT, width=WIDTH)


if __name__ == '__main__':
    sys.exit(run_node('stereo_node', lambda: StereoNode(open_processor=open_processor)))
