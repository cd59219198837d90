"""A stereo node, and the least that any such node can be, which note when each step was done.

    python benchmarks/start_marks.py stereo MARKS.json -p model:=sgbm
    python benchmarks/start_marks.py floor MARKS.json

``benchmarks/start.py`` starts both. Moments are of the monotonic clock, which all processes of a
machine share. ``floor`` imports what a node of images in Python cannot do without, makes one node
with one subscription and one publisher, and answers the first left image with one of float32.
"""

from __future__ import annotations

import time

BEGAN_S = time.monotonic(), time.process_time()
"""Before anything is imported."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path


class Marks:
    """Moments by name, and the processor time until then; only the first of a name counts."""

    def __init__(self, path: Path) -> None:
        """Write them to a file at every ``note``, so that a killed process leaves them, too."""
        self._path = path
        self._moments_s = {'interpreter': BEGAN_S}

    def note(self, name: str) -> None:
        """Note that a step is done."""
        if name not in self._moments_s:
            self._moments_s[name] = time.monotonic(), time.process_time()
            self._path.write_text(json.dumps(self._moments_s), encoding='utf-8')


def run_stereo(marks: Marks, words: Sequence[str]) -> int:
    """Be ``stereo_node`` as its console entry starts it."""
    from depth_ros.ros.entry import imported

    module = imported('stereo_node')
    marks.note('imports')
    from depth_ros.ros.node.runner import run_node

    class MarkedNode(module.StereoNode):  # type: ignore[misc, name-defined]
        """Notes what becomes of it."""

        def __init__(self) -> None:
            marks.note('rclpy.init')
            super().__init__(open_processor=self._opened)
            marks.note('node')

        def activate(self) -> None:
            super().activate()
            marks.note('subscribe')

        def put(self, job) -> None:
            marks.note('first pair')
            super().put(job)

        def _opened(self, settings, **given):
            marks.note('engine begun')
            processor = module.OPEN_LIVE(settings, **given)
            marks.note('engine')
            process = processor.process

            def marked(frame, *, wanted=None):
                output = process(frame, wanted=wanted)
                marks.note('first inference')
                return output

            processor.process = marked
            return processor

    return run_node('stereo_node', MarkedNode, words)


def run_floor(marks: Marks, words: Sequence[str]) -> int:
    """Be the least that takes an image and gives one."""
    import cv2  # noqa: F401
    import numpy as np
    import rclpy
    from rclpy.lifecycle import LifecycleNode
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: F401
    from stereo_msgs.msg import DisparityImage  # noqa: F401

    marks.note('imports')
    rclpy.init(args=['--ros-args', *words])
    marks.note('rclpy.init')
    node = LifecycleNode('stereo_node')
    publisher = node.create_publisher(Image, 'depth/image', 2)
    marks.note('node')

    def answer(message: Image) -> None:
        marks.note('first pair')
        depth = Image(height=message.height, width=message.width, encoding='32FC1')
        depth.header, depth.step = message.header, 4 * message.width
        depth.data.frombytes(np.ones((message.height, message.width), np.float32).tobytes())
        publisher.publish(depth)

    node.create_subscription(Image, 'left/image_raw', answer, qos_profile_sensor_data)
    marks.note('subscribe')
    while not is_stopped:
        rclpy.spin_once(node, timeout_sec=0.1)
    return 0


ROLES = {'stereo': run_stereo, 'floor': run_floor}
is_stopped: list[int] = []

if __name__ == '__main__':
    role, path, *rest = sys.argv[1:]
    if role == 'floor':
        signal.signal(signal.SIGINT, lambda number, frame: is_stopped.append(number))
    sys.exit(ROLES[role](Marks(Path(path)), rest))
