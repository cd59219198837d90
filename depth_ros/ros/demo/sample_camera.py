"""Sample camera: publishes stereo pairs with CameraInfo as a camera driver would.

It counts what it sends, so that transport losses can be distinguished from node drops.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from depth_ros.camera import PinholeCamera
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.headers import stamp_ns
from depth_ros.messages.images import fill_image
from depth_ros.ros.demo.drive import DRIVE_SIZE, NUM_FRAMES, Drive, open_drive
from depth_ros.ros.demo.rig_mounts import RigMounts
from depth_ros.ros.demo.sample_images import (
    SamplePair,
    SampleRig,
    folder_rig,
    scene_rig,
    stereodemo_folder,
)
from depth_ros.ros.demo.truth import TruthPublishers
from depth_ros.ros.node.declare import AUTOSTART, declare_once, start_parameter
from depth_ros.ros.node.diagnostics import (
    DIAGNOSTICS,
    diagnostic_array,
    state_name,
    status_from,
)
from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.help import NodeHelp
from depth_ros.ros.node.lifecycle import Lifecycle, NothingToManage
from depth_ros.ros.node.parameters import RELIABILITIES
from depth_ros.ros.node.qos import diagnostics_profile, profile
from depth_ros.ros.node.report_file import ReportFile
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.settings import SettingValue, parse_size

QUEUE_DEPTH = 5
LINGER_S = 0.5
TO_ENCODING: dict[str, int | None] = {
    'rgb8': None,
    'bgr8': cv2.COLOR_RGB2BGR,
    'mono8': cv2.COLOR_RGB2GRAY,
}

SPECS = (
    AUTOSTART,
    start_parameter(
        'source',
        'folder',
        'folder: photographs; scene: a rendered scene; drive: a rig that drives through a '
        'rendered room, with its true depth and poses',
        choices=('folder', 'scene', 'drive'),
    ),
    start_parameter(
        'folder', '', 'pairs NAME_left.png, NAME_right.png; empty: those of stereodemo'
    ),
    start_parameter(
        'pairs', '', 'names of pairs in this order, comma between; empty: all of the folder'
    ),
    start_parameter('scene', 'room', 'scene of depth_ros.scenes.solids, or name of a drive'),
    start_parameter(
        'size',
        '',
        'HEIGHTxWIDTH to publish; empty: that of the images, 480x640 for a scene, '
        '240x320 for a drive',
    ),
    start_parameter('encoding', 'bgr8', 'encoding of the images', choices=tuple(TO_ENCODING)),
    start_parameter('rate_hz', 10.0, 'pairs a second', minimum=0.1, maximum=1000.0),
    start_parameter('jitter_s', 0.0, 'random delay before each pair', minimum=0.0, maximum=1.0),
    start_parameter('seconds_per_pair', 4.0, 'time before the next image', minimum=0.0),
    start_parameter(
        'num_pairs', 0, 'pairs to send before ending; 0: endless', minimum=0, maximum=2**31 - 1
    ),
    start_parameter(
        'wait_for_subscribers', False, 'send nothing before its images are subscribed to'
    ),
    start_parameter('sides', 'both', 'cameras that publish', choices=('both', 'left')),
    start_parameter('reliability', 'best_effort', 'offered reliability', choices=RELIABILITIES),
    start_parameter('left_frame_id', 'left_camera_optical_frame', 'frame of the left camera'),
    start_parameter('right_frame_id', 'right_camera_optical_frame', 'frame of the right camera'),
    start_parameter(
        'camera_height_m',
        0.0,
        'height of the left camera above base_link on /tf_static; a drive has 0',
        minimum=0.0,
        maximum=100.0,
    ),
    start_parameter('report_file', '', 'JSON file written at exit with what was sent'),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SideOutput:
    """What one camera publishes: ready images by pair, and its calibration."""

    images: tuple[Image, ...]
    info: CameraInfo


class SampleCamera:
    """Owns the node; see ``run_node``."""

    def __init__(self) -> None:
        """Load the images and advertise.

        Raises:
            InputError: If there are no images.
            ParameterError: If a parameter is refused.
        """
        self.node = LifecycleNode('sample_camera')
        self.warn = ThrottledWarnings(self.node.get_logger().warning)
        self._values = declare_once(self.node, SPECS)
        self._report_file = ReportFile(str(self._values['report_file']))
        self._drive = open_named_drive(self.node, self._values)
        rig = drive_rig(self._drive) if self._drive else open_rig(self._values)
        encoding = str(self._values['encoding'])
        self._sides = {
            'left': side_output(
                [pair.left for pair in rig.pairs], rig.left, encoding, self._frame('left')
            ),
            'right': side_output(
                [pair.right for pair in rig.pairs], rig.right, encoding, self._frame('right')
            ),
        }
        if self._values['sides'] == 'left':
            del self._sides['right']
        qos = profile(str(self._values['reliability']), QUEUE_DEPTH)
        self._images = {
            side: open_publisher(self.node, Image, f'{side}/image_raw', qos)
            for side in self._sides
        }
        self._infos = {
            side: open_publisher(self.node, CameraInfo, f'{side}/camera_info', qos)
            for side in self._sides
        }
        frames = (self._frame('left'), self._frame('right'))
        height_m = float(self._values['camera_height_m'])
        self._mounts = RigMounts(self.node, rig.right, frames=frames, height_m=height_m)
        self._truth = (
            TruthPublishers(self.node, self._drive, self._frame('left'), qos)
            if self._drive
            else None
        )
        self._diagnostics = open_publisher(
            self.node, DiagnosticArray, DIAGNOSTICS, diagnostics_profile()
        )
        self._stamps_ns: list[int] = []
        self._first_s = self._last_s = time.monotonic()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(1.0 / float(self._values['rate_hz']), self._send, clock=steady)
        self.node.create_timer(1.0, self._diagnose, clock=steady)
        self.lifecycle = Lifecycle(self.node, NothingToManage())
        if self._values['autostart']:
            self.lifecycle.bring_up()
        names = str(self._values['scene']) if self._drive else ', '.join(p.name for p in rig.pairs)
        self.node.get_logger().info(f'{rig.left.width}x{rig.left.height} {encoding}: {names}')

    @property
    def is_finished(self) -> bool:
        """Whether ``num_pairs`` were sent, and the last one had time to arrive."""
        return self._is_done() and time.monotonic() > self._last_s + LINGER_S

    def close(self) -> int:
        """Write the report and return the exit code."""
        self._report_file.write({**self._counters(), 'stamps_ns': self._stamps_ns})
        self.node.get_logger().info(f'sent {len(self._stamps_ns)} pairs')
        return 0

    def _frame(self, side: str) -> str:
        return str(self._values[f'{side}_frame_id'])

    def _is_done(self) -> bool:
        num_pairs = int(self._values['num_pairs'])
        return 0 < num_pairs <= len(self._stamps_ns)

    def _send(self) -> None:
        """Publish one pair, calibrations first."""
        if self._is_done() or not (self.lifecycle.is_active and self._has_listeners()):
            return
        if not self._stamps_ns:
            self._first_s = time.monotonic()
        jitter_s = float(self._values['jitter_s'])
        if jitter_s:
            time.sleep(random.uniform(0.0, jitter_s))
        self._last_s = time.monotonic()
        stamp = self.node.get_clock().now().to_msg()
        index = self._pair_index()
        for side, output in self._sides.items():
            output.info.header.stamp = stamp
            self._infos[side].publish(output.info)
        for side, output in self._sides.items():
            output.images[index].header.stamp = stamp
            self._images[side].publish(output.images[index])
        if self._truth is not None:
            self._truth.publish(index, stamp)
        self._stamps_ns.append(stamp_ns(stamp))

    def _has_listeners(self) -> bool:
        if not self._values['wait_for_subscribers'] or self._stamps_ns:
            return True
        return all(publisher.get_subscription_count() for publisher in self._images.values())

    def _pair_index(self) -> int:
        if self._drive is not None:
            return len(self._stamps_ns) % len(self._drive)
        seconds = float(self._values['seconds_per_pair'])
        num_images = len(self._sides['left'].images)
        elapsed_s = time.monotonic() - self._first_s
        return int(elapsed_s / seconds) % num_images if seconds else 0

    def _counters(self) -> dict[str, int | float]:
        num_sent = len(self._stamps_ns)
        return {
            'sent': num_sent,
            **{f'sent_{side}': num_sent for side in self._sides},
            'duration_s': round(self._last_s - self._first_s, 3),
        }

    def _diagnose(self) -> None:
        values = {key: str(value) for key, value in self._counters().items()}
        name = state_name(self.node.get_fully_qualified_name())
        status = status_from(name, DiagnosticStatus.OK, 'sending', values)
        stamp = self.node.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostic_array([status], stamp))


def open_named_drive(node: Node, values: Mapping[str, SettingValue]) -> Drive | None:
    """Open the drive named by the parameters, logging while it is drawn; None if there is none."""
    if values['source'] != 'drive':
        return None

    def progress(num_drawn: int) -> None:
        if num_drawn % 10 == 0:
            node.get_logger().info(f'drawn {num_drawn} of {NUM_FRAMES} pairs, once')

    size = parse_size(str(values['size'])) or DRIVE_SIZE
    return open_drive(str(values['scene']), size=size, progress=progress)


def drive_rig(drive: Drive) -> SampleRig:
    """Return a drive's pairs, named by their numbers."""
    pairs = zip(drive.left, drive.right, strict=True)
    return SampleRig(
        left=drive.rig.left,
        right=drive.rig.right,
        pairs=tuple(
            SamplePair(name=str(index), left=left, right=right)
            for index, (left, right) in enumerate(pairs)
        ),
    )


def open_rig(values: Mapping[str, SettingValue]) -> SampleRig:
    """Load what the parameters ask for.

    Raises:
        InputError: If there are no images.
        ParameterError: If a parameter is refused.
    """
    size = parse_size(str(values['size']))
    if values['source'] == 'scene':
        height, width = size or (480, 640)
        return scene_rig(str(values['scene']), height=height, width=width)
    folder = str(values['folder'])
    names = [name.strip() for name in str(values['pairs']).split(',') if name.strip()]
    rig = folder_rig(Path(folder) if folder else stereodemo_folder()).chosen(names)
    return rig.resized(*size) if size else rig


def side_output(
    images: Sequence[np.ndarray], camera: PinholeCamera, encoding: str, frame_id: str
) -> SideOutput:
    """Make the messages once; only their stamps change afterwards."""
    messages = []
    code = TO_ENCODING[encoding]
    for rgb in images:
        message = Image()
        fill_image(message, rgb if code is None else cv2.cvtColor(rgb, code), encoding)
        message.header.frame_id = frame_id
        messages.append(message)
    info = CameraInfo()
    fill_camera_info(info, camera)
    info.header.frame_id = frame_id
    return SideOutput(images=tuple(messages), info=info)


HELP = NodeHelp(
    summary='publishes sample images as a camera driver would',
    inputs={},
    outputs={
        'left/image_raw': 'sensor_msgs/Image',
        'left/camera_info': 'sensor_msgs/CameraInfo',
        'right/image_raw': 'sensor_msgs/Image',
        'right/camera_info': 'sensor_msgs/CameraInfo',
        'ground_truth/odometry, path, depth': 'what a drive knows (source: drive)',
    },
    settings=lambda: SPECS,
    example='-p source:=drive',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node('sample_camera', SampleCamera, args, help=HELP)
