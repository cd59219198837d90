"""What the node costs besides the matcher: p50, p95, p99 at 640x480 and 1280x720.

The matcher is a double that gives the same disparity at once, so that the stages are the node's
own: wait, decode, rectify, depth, cloud and publishing. It has a floor, things in front of it with
smeared edges, and holes. A second process publishes distorted bgr8 pairs (they are rectified) and
subscribes to disparity, depth and points. Beside each stage stands its floor (``node_floor``):
the same calls of OpenCV and rclpy with nothing around them, in a process of their own.

    python benchmarks/node_overhead.py [--pairs 200] [--rate 10] [--rounds 1]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from node_floor import run_floor
from node_processes import NodeProcess, use_private_domain
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from timing import machine, markdown_table, write_report

from depth_ros.messages.images import fill_image
from depth_ros.models.base import Prepared
from depth_ros.results import DisparityResult
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.stereo.processor import StereoProcessor
from depth_ros.tasks.stereo.settings import StereoSettings

SIZES = ((480, 640), (720, 1280))
BASELINE_M, FAR_PX, NEAR_PX = 0.1, 4.0, 40.0
HOLES = 0.566
STAGES = ('wait', 'decode', 'rectify', 'infer', 'filter', 'depth', 'publish', 'total')


def scene_disparity(size: tuple[int, int]) -> np.ndarray:
    """Give ``(H, W)`` float32 px: a floor, nine boxes with soft edges, noise, holes of 2 %."""
    height, width = size
    generator = np.random.default_rng(1)
    disparity = np.linspace(FAR_PX, NEAR_PX, height, dtype=np.float32)[:, np.newaxis]
    disparity = np.repeat(disparity, width, axis=1)
    for index in range(9):
        top, left = height * (index // 3) // 3, width * (index % 3) // 3
        disparity[top : top + height // 5, left : left + width // 5] += 4.0 + 2.0 * index
    disparity = cv2.blur(disparity, (3, 3))
    disparity += generator.normal(0.0, 0.05, size).astype(np.float32)
    disparity[cv2.blur(generator.random(size), (9, 9)) > HOLES] = np.nan
    return disparity


class SceneMatcher:
    """A matcher that costs nothing: the same disparity for every pair."""

    name = 'scene'
    graphs: tuple[str, ...] = ()

    def __init__(self) -> None:
        """Keep the last map, so that even its allocation is not counted."""
        self._disparity = np.zeros((0, 0), np.float32)

    def preprocess(self, frame):
        """Give the frame's size on."""
        return Prepared(feeds={}, context=frame.left.shape[:2])

    def infer(self, engines, prepared):
        """Give the map."""
        if self._disparity.shape != prepared.context:
            self._disparity = scene_disparity(prepared.context)
        return {'disparity': self._disparity}

    def postprocess(self, outputs, prepared, frame):
        """Wrap it."""
        return DisparityResult(
            disparity=outputs['disparity'],
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            max_disparity_px=64.0,
        )


def ros_words() -> list[str]:
    """Give the command line from what is for ROS on."""
    return sys.argv[sys.argv.index('--ros-args') :]


def run_node() -> None:
    """Be the node under test."""
    from depth_ros.ros.node.runner import run_node as run
    from depth_ros.ros.stereo.node import StereoNode

    def open_scene(settings: StereoSettings, *, progress=None) -> StereoProcessor:
        return StereoProcessor(Pipeline(SceneMatcher()), settings, is_live=True)

    sys.exit(run('stereo_node', lambda: StereoNode(open_processor=open_scene), ros_words()))


def measure(size: tuple[int, int], arguments: argparse.Namespace, *, role: str) -> dict:
    """Run one size and give the report of the node or of its floor."""
    from depth_ros.ros.demo.observer import observing

    with tempfile.TemporaryDirectory() as folder, observing('/') as observer:
        report = Path(folder) / 'node.json'
        words = [__file__, '--role', role, '--ros-args', '-p', 'hints:=none']
        node = NodeProcess(words, report)
        driver = Driver(observer, size)
        driver.wait()
        for index in range(arguments.pairs):
            driver.publish(index)
            observer.spin(1.0 / arguments.rate)
        return node.stop()


class Driver:
    """Publishes one distorted pair again and again, as a camera driver would."""

    def __init__(self, node, size: tuple[int, int]) -> None:
        """Make images and calibration of a size."""
        self._node = node
        generator = np.random.default_rng(0)
        image = generator.integers(0, 255, (*size, 3), np.uint8)
        self._sides = {}
        for side, offset in (('left', 0.0), ('right', BASELINE_M)):
            pixels, info = Image(), camera_info(size, offset)
            fill_image(pixels, image, 'bgr8')
            publishers = (
                node.create_publisher(Image, f'{side}/image_raw', qos_profile_sensor_data),
                node.create_publisher(CameraInfo, f'{side}/camera_info', 10),
            )
            self._sides[side] = (publishers, pixels, info)

    def wait(self) -> None:
        """Wait until the node subscribes and its outputs are subscribed to."""
        while not all(publisher.get_subscription_count() for publisher in self._sides['right'][0]):
            self._node.spin(0.1)
        self._node.spin(3.0)

    def publish(self, index: int) -> None:
        """Publish a pair with fresh, equal stamps."""
        stamp = self._node.get_clock().now().to_msg()
        for publishers, pixels, info in self._sides.values():
            for publisher, message in zip(publishers, (pixels, info), strict=True):
                message.header.stamp = stamp
                message.header.frame_id = 'camera'
                publisher.publish(message)


def camera_info(size: tuple[int, int], offset_m: float) -> CameraInfo:
    """Give a calibration with real distortion, so that images are remapped."""
    height, width = size
    focal = 0.7 * width
    k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    p = [focal, 0.0, width / 2, -focal * offset_m, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(
        height=height,
        width=width,
        distortion_model='plumb_bob',
        d=[-0.28, 0.07, 0.0002, 0.00002, 0.0],
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=p,
    )


def table(reports: dict[str, dict[str, list[dict]]]) -> str:
    """Give each stage's percentiles and its floor, each the median of its rounds."""
    rows = []
    for size, of_size in reports.items():
        for stage in STAGES:
            times = [report['stages_ms'][stage] for report in of_size['node']]
            floors = [report['stages_ms'].get(stage) for report in of_size['floor']]
            middle = [
                f'{np.median([time[name] for time in times]):.2f}'
                for name in ('p50', 'p95', 'p99')
            ]
            floor = f'{np.median([one["p50"] for one in floors]):.2f}' if floors[0] else ''
            rows.append([size, stage, *middle, floor])
    return markdown_table(['size', 'stage', 'p50 ms', 'p95 ms', 'p99 ms', 'floor p50 ms'], rows)


def main() -> None:
    """Measure both sizes, node and floor in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--role', default='driver')
    parser.add_argument('--pairs', type=int, default=200)
    parser.add_argument('--rate', type=float, default=10.0)
    parser.add_argument('--rounds', type=int, default=1)
    arguments, _ = parser.parse_known_args()
    if arguments.role in ROLES:
        ROLES[arguments.role]()
        return
    use_private_domain()
    print(machine())
    started = time.monotonic()
    reports: dict[str, dict[str, list[dict]]] = {}
    for height, width in SIZES:
        of_size = reports.setdefault(f'{width}x{height}', {role: [] for role in ROLES})
        for _ in range(arguments.rounds):
            for role, found in of_size.items():
                found.append(measure((height, width), arguments, role=role))
    print(table(reports))
    write_report('node_overhead', {'seconds': time.monotonic() - started, 'reports': reports})
    rclpy.try_shutdown()


ROLES = {'node': run_node, 'floor': lambda: run_floor(ros_words())}


if __name__ == '__main__':
    main()
