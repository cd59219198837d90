"""The least that a stereo node can cost: the calls to OpenCV and rclpy that nothing replaces.

A process that takes the same images from the same topics and answers each pair with messages of
the same sizes, made beforehand: colours of both images are converted, both are remapped, and three
messages are serialised, copied and sent. Nothing is checked, matched or computed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from stereo_msgs.msg import DisparityImage

from depth_ros.messages.clouds import fill_point_cloud
from depth_ros.messages.images import fill_image
from depth_ros.ros.node.qos import input_profile, output_profile
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.statistics import NodeStatistics
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.stereo.parameters import StereoParameters


class FloorNode:
    """Answers every right image, which comes after its left one."""

    is_finished = False

    def __init__(self) -> None:
        """Subscribe and advertise as ``stereo_node`` does."""
        self.node = Node('stereo_node')
        self.warn = ThrottledWarnings(self.node.get_logger().warning)
        self._report = Path(self.node.declare_parameter('report_file', '').value)
        self._statistics = NodeStatistics()
        self._images: dict[str, Image] = {}
        self._maps: tuple[np.ndarray, np.ndarray] | None = None
        self._answers: list[object] = []
        parameters, create = StereoParameters(), self.node.create_subscription
        for side in ('left', 'right'):
            profile, topic = input_profile(parameters), f'{side}/image_raw'
            create(Image, topic, lambda image, side=side: self._take(side, image), profile)
            create(CameraInfo, f'{side}/camera_info', self._take_calibration, 5)
        self._publishers = [
            self.node.create_publisher(kind, topic, output_profile(parameters))
            for kind, topic in (
                (DisparityImage, 'disparity'),
                (Image, 'depth/image'),
                (PointCloud2, 'points'),
            )
        ]

    def close(self) -> int:
        """Write the times."""
        stages = {
            name: {'p50': times.p50_ms, 'p95': times.p95_ms, 'p99': times.p99_ms}
            for name, times in self._statistics.snapshot().stages.items()
        }
        self._report.write_text(json.dumps({'stages_ms': stages}), encoding='utf-8')
        return 0

    def _take_calibration(self, info: CameraInfo) -> None:
        if self._maps is not None:
            return
        size = (info.width, info.height)
        k, p = np.reshape(info.k, (3, 3)), np.reshape(info.p, (3, 4))[:, :3]
        r, d = np.reshape(info.r, (3, 3)), np.array(info.d)
        self._maps = cv2.initUndistortRectifyMap(k, d, r, p, size, cv2.CV_16SC2)
        self._rgb = [np.zeros((info.height, info.width, 3), np.uint8) for _ in range(4)]
        self._answers = _answers(info.height, info.width)

    def _take(self, side: str, image: Image) -> None:
        self._images[side] = image
        if side == 'left' or len(self._images) < 2 or self._maps is None:
            return
        raw = [
            np.frombuffer(one.data, np.uint8).reshape(one.height, one.width, 3)
            for one in self._images.values()
        ]
        start = time.perf_counter()
        for source, target in zip(raw, self._rgb[:2], strict=True):
            cv2.cvtColor(source, cv2.COLOR_BGR2RGB, dst=target)
        decoded = time.perf_counter()
        for source, target in zip(self._rgb[:2], self._rgb[2:], strict=True):
            cv2.remap(source, *self._maps, cv2.INTER_LINEAR, dst=target)
        rectified = time.perf_counter()
        for publisher, answer in zip(self._publishers, self._answers, strict=True):
            answer.header.stamp = image.header.stamp
            publisher.publish(answer)
        end = time.perf_counter()
        stages = {
            'decode': decoded - start,
            'rectify': rectified - decoded,
            'publish': end - rectified,
            'total': end - start,
        }
        self._statistics.output(stages, 1.0)


def _answers(height: int, width: int) -> list[object]:
    """Give one message of each topic."""
    disparity, depth, points = DisparityImage(), Image(), PointCloud2()
    values = np.ones((height, width), np.float32)
    fill_image(disparity.image, values, '32FC1')
    fill_image(depth, values, '32FC1')
    fill_point_cloud(points, np.ones((height, width, 4), np.float32), PointField)
    return [disparity, depth, points]


def run_floor(words: Sequence[str]) -> None:
    """Be the process, with these words for ROS."""
    sys.exit(run_node('stereo_node', FloorNode, words))
