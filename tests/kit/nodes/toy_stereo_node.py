"""A stereo node that opens the toy engine from the cache, and matches by SGBM behind it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from depth_ros.engines.build import open_engine
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.stereo.node import StereoNode
from depth_ros.tasks.stereo.processor import StereoProcessor, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings

ONNX = Path(os.environ.get('TOY_ONNX', 'toy.onnx'))


def open_processor(settings: StereoSettings, *, progress: Any = None) -> StereoProcessor:
    engine = open_engine(
        ONNX,
        replace(settings.engine, num_threads=1),
        progress=progress,
    )
    engine.close()
    return open_stereo(replace(settings, model='sgbm'))


if __name__ == '__main__':
    sys.exit(run_node('stereo_node', lambda: StereoNode(open_processor=open_processor)))
