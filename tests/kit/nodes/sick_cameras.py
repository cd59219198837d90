"""Stand-in cameras: a rig in each namespace, with faults of its own; words are names of rigs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from tests.kit.live_node import camera_info, centred, image, jpeg, pixels, set_stamp

RATE_HZ = 4.0
Stamp = Callable[[int, int], int]
"""Of a message, by the present time in nanoseconds and its number."""


def now(now_ns: int, index: int) -> int:
    return now_ns


def shifted(seconds: float) -> Stamp:
    return lambda now_ns, index: now_ns + round(seconds * 1e9)


def zero(now_ns: int, index: int) -> int:
    return 0


def repeated(now_ns: int, index: int) -> int:
    return START_NS + index // 3 * 1_000_000_000


START_NS = time.time_ns()


def metronome(rate_hz: float) -> Stamp:
    """Stamp at even intervals, however late the machine lets the timer fire."""
    return lambda now_ns, index: START_NS + round(index * 1e9 / rate_hz)


def picture(side: str) -> Image:
    return image(pixels(side), 'mono8')


def colour(side: str) -> Image:
    return image(np.repeat(pixels(side)[..., None], 3, axis=2), 'bgr8')


def fancy(side: str) -> Image:
    return image(pixels(side), 'fancy\x1b[31m8')


def truncated(side: str) -> Image:
    message = picture(side)
    message.data = message.data[:1000]
    return message


def wide(side: str) -> Image:
    return image(np.zeros((120, 200), np.uint8), 'mono8')


def empty(side: str) -> Image:
    return Image()


def depth_mm(side: str) -> Image:
    """Metres by its encoding, millimetres by its numbers."""
    return image(np.full((120, 160), 1500.0, np.float32), '32FC1')


def depth_steps(side: str) -> Image:
    """Tenths of a millimetre: 3 cm by the usual unit, were they less than they are."""
    return image(np.full((120, 160), 250, np.uint16), '16UC1')


@dataclass(frozen=True, kw_only=True)
class Side:
    """One camera.

    Attributes:
        images: Names of its image topics.
        infos: Names of its camera_info topics.
        make: Makes an image.
        kind: Type of the images.
        stamp: Of the images.
        info_stamp: Of the calibration.
        frame: Of the images.
        info_frame: Of the calibration; None takes that of the images.
        info: Changes of the calibration.
        rate_hz: Images a second; 0 is a publisher that never sends.
        is_reliable: What it offers.
    """

    images: Sequence[str] = ('image_raw',)
    infos: Sequence[str] = ('camera_info',)
    make: Callable[[str], Any] = picture
    kind: type = Image
    stamp: Stamp = now
    info_stamp: Stamp | None = None
    frame: str | None = None
    info_frame: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    rate_hz: float = RATE_HZ
    is_reliable: bool = False


Rig = Mapping[str, Side]
GOOD = Side()
NAN = float('nan')
RIGS: Mapping[str, Rig] = {
    'well': {'left': GOOD, 'right': GOOD},
    'squeezed': {
        'left': Side(make=jpeg, kind=CompressedImage, images=('image_raw/compressed',)),
        'right': Side(make=jpeg, kind=CompressedImage, images=('image_raw/compressed',)),
    },
    'one': {'': GOOD},
    'qos': {'left': GOOD, 'right': GOOD},
    'lost': {
        'left': Side(frame='left_eye_'),
        'right': Side(frame='far_camera'),
    },
    'body': {'left': Side(frame='body_camera'), 'right': GOOD},
    'walled': {'left': GOOD, 'right': GOOD},
    'mixed': {'left': GOOD, 'right': GOOD},
    'typo': {'left': GOOD, 'right': Side(images=('image_rwa',), infos=('camera_info',) * 2)},
    'skew': {'left': Side(info_stamp=shifted(0.1)), 'right': Side(stamp=shifted(0.06))},
    'stamps': {'left': Side(stamp=zero), 'right': Side(stamp=repeated)},
    'late': {'left': Side(stamp=shifted(-10.0)), 'right': Side(stamp=shifted(3.0))},
    'unread': {
        'left': Side(make=fancy, info={'k': [0.0] * 9, 'p': [0.0] * 12}),
        'right': Side(make=truncated, info={'k': [NAN] + [0.0] * 8}),
    },
    'sizes': {
        'left': Side(info=centred(240, 320), frame='eye', info_frame='other_eye'),
        'right': Side(make=wide, frame='', info_frame=''),
    },
    'rig': {
        'left': Side(make=colour),
        'right': Side(info={'p': [100.0, 0, 79.5, 10.0, 0, 100.0, 59.5, 0, 0, 0, 1.0, 0]}),
    },
    'uneven': {
        'left': Side(rate_hz=6.0, stamp=metronome(6.0)),
        'right': Side(rate_hz=2.0, stamp=metronome(2.0)),
    },
    'slow': {'left': Side(rate_hz=0.7), 'right': Side(rate_hz=0.0)},
    'asleep': {'left': GOOD, 'right': GOOD},
    'nowhen': {'left': GOOD, 'right': GOOD},
    'types': {
        'left': Side(make=jpeg, kind=CompressedImage),
        'right': Side(make=jpeg, kind=CompressedImage, images=('image_raw/compressed',)),
    },
    'units': {'': GOOD, 'depth': Side(images=('image',), infos=(), make=depth_mm)},
    'hostile': {
        'left': Side(make=empty, stamp=lambda now_ns, index: -1_000_000_000, frame='x' * 100_000),
        'right': Side(info={'d': [NAN] * 1000, 'distortion_model': 'z' * 100_000}),
    },
}


class Camera:
    """Publishes one side of a rig."""

    def __init__(self, node: Node, rig: str, name: str, side: Side) -> None:
        prefix = f'/{rig}/{name}/' if name else f'/{rig}/'
        policy = ReliabilityPolicy.RELIABLE if side.is_reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=5, reliability=policy)
        self._side, self._index = side, 0
        self._images = [node.create_publisher(side.kind, prefix + at, qos) for at in side.images]
        self._infos = [node.create_publisher(CameraInfo, prefix + at, qos) for at in side.infos]
        self._image = side.make('right' if name == 'right' else 'left')
        self._info = camera_info('right' if name == 'right' else 'left', **side.info)
        own = f'{name or "left"}_eye'
        self._image.header.frame_id = own if side.frame is None else side.frame
        frame = side.info_frame if side.info_frame is not None else side.frame
        self._info.header.frame_id = own if frame is None else frame
        self.rate_hz = side.rate_hz

    def send(self, now_ns: int) -> None:
        self._index += 1
        stamp = self._side.stamp(now_ns, self._index)
        set_stamp(self._image, stamp)
        set_stamp(self._info, (self._side.info_stamp or (lambda n, i: stamp))(now_ns, self._index))
        for publisher in self._infos:
            publisher.publish(self._info)
        for publisher in self._images:
            publisher.publish(self._image)


def trigger(node: Node, cameras: Sequence[Camera], rate_hz: float) -> None:
    """Let all cameras of one rate expose together."""
    triggered = [camera for camera in cameras if camera.rate_hz == rate_hz]

    def fire() -> None:
        now_ns = node.get_clock().now().nanoseconds
        for camera in triggered:
            camera.send(now_ns)

    node.create_timer(1.0 / rate_hz, fire)


def bystanders(node: Node, rigs: Sequence[str]) -> None:
    """Open what stands around the rigs: wrong listeners, another publisher."""
    if 'qos' in rigs:
        kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(Image, '/qos/depth/image', print, kept)
    if 'squeezed' in rigs:
        node.create_subscription(PointCloud2, '/squeezed/point', print, 1)
    if 'hostile' in rigs:
        node.create_publisher(Odometry, '/hostile/' + 'n' * 200, 1)
        slander(node)


def slander(node: Node) -> None:
    """Send diagnostics of impossible nodes, with levels, names and values without measure."""
    names = ['', ': state', 'x' * 10_000 + ': state', 'hostile/hostile_node: state topic status']
    values = [KeyValue(key='dropped_' + 'k' * 1000, value='nan')] * 40
    statuses = [
        DiagnosticStatus(name=name, level=b'\xff', message='\x1b[2J' * 1000, values=values)
        for name in names
    ]
    publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    node.create_timer(1.0, lambda: publisher.publish(DiagnosticArray(status=statuses)))


def main() -> None:
    rigs = [word for word in sys.argv[1:] if word in RIGS]
    rclpy.init()
    node = Node('sick_cameras')
    cameras = [Camera(node, rig, name, side) for rig in rigs for name, side in RIGS[rig].items()]
    for rate_hz in {camera.rate_hz for camera in cameras} - {0.0}:
        trigger(node, cameras, rate_hz)
    bystanders(node, rigs)
    twins = [Node('twin'), Node('twin')] if 'qos' in rigs else []
    print(f'sending {len(cameras)} cameras', flush=True)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        for twin in twins:
            twin.destroy_node()


if __name__ == '__main__':
    main()
