"""A stereo node whose GPU engine is a double that is lost at the second frame."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from depth_ros.errors import DeviceLostError
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.stereo.node import StereoNode
from depth_ros.tasks.stereo.processor import StereoOutput, StereoProcessor, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings


class LostProcessor(StereoProcessor):
    """Matches by SGBM under another name until the device is lost."""

    num_frames = 0

    def process(self, frame: Any, *, wanted: Any = None) -> StereoOutput:
        self.num_frames += 1
        if self.num_frames > 1:
            raise DeviceLostError('the GPU was lost (illegal address); restart the process')
        return super().process(frame, wanted=wanted)


def open_processor(settings: StereoSettings, *, progress: Any = None) -> StereoProcessor:
    classical = open_stereo(replace(settings, model='sgbm'))
    kind = LostProcessor if settings.engine.runtime == 'tensorrt' else StereoProcessor
    return kind(classical.pipeline, settings)


if __name__ == '__main__':
    sys.exit(run_node('stereo_node', lambda: StereoNode(open_processor=open_processor)))
