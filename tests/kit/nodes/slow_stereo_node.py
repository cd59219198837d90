"""A stereo node whose engines are doubles: 'crestereo' opens slowly, or fails slowly."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from depth_ros.errors import EngineError
from depth_ros.files.draft_folder import draft_folder
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.stereo.node import StereoNode
from depth_ros.tasks.stereo.processor import StereoOutput, StereoProcessor, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings

SLOW_S = 1.5
FAIL_FIRST = 2


class FlakyProcessor(StereoProcessor):
    """Matches by SGBM under another name; the engine fails for the first frames."""

    num_frames = 0

    def process(self, frame: Any, *, wanted: Any = None) -> StereoOutput:
        self.num_frames += 1
        if self.num_frames <= FAIL_FIRST:
            raise EngineError('the device was lost; restart the node')
        return super().process(frame, wanted=wanted)


def build() -> None:
    """Take a while: until a file appears that the test names, or some time."""
    awaited, end = os.environ.get('SLOW_UNTIL'), time.monotonic() + 30.0
    if not awaited:
        time.sleep(SLOW_S)
    while awaited and not Path(awaited).exists() and time.monotonic() < end:
        time.sleep(0.05)


def open_processor(settings: StereoSettings, *, progress: Any = None) -> StereoProcessor:
    if settings.model == 'sgbm':
        return open_stereo(settings)
    drafts = Path(os.environ.get('SLOW_DRAFTS', tempfile.gettempdir()))
    with draft_folder(drafts, prefix='.engine.'):
        progress('building the engine', None)
        build()
    if settings.engine.precision == 'bf16':
        raise EngineError('this CPU has no bf16; set precision:=f32')
    classical = open_stereo(replace(settings, model='sgbm'))
    return FlakyProcessor(classical.pipeline, settings)


if __name__ == '__main__':
    sys.exit(run_node('stereo_node', lambda: StereoNode(open_processor=open_processor)))
