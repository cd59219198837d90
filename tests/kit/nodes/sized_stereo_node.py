"""A stereo node whose engines are doubles of the size that ``preset: auto`` asks for."""

from __future__ import annotations

import sys
from typing import Any

from depth_ros.engines.recipe import load_recipe
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.stereo.node import StereoNode
from depth_ros.tasks.stereo.processor import StereoProcessor
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.echo_hints import echo_processor


def open_processor(
    settings: StereoSettings, *, progress: Any = None, auto_preset: str = ''
) -> StereoProcessor:
    height, width = load_recipe(settings.model).variant(preset=auto_preset or None).size
    return echo_processor(settings, [], height=height, width=width)


if __name__ == '__main__':
    sys.exit(run_node('stereo_node', lambda: StereoNode(open_processor=open_processor)))
