"""A node in a process of its own, and a camera driver and robot around it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from tests.kit.child_environment import child_environment

REPOSITORY = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 120, 160
FX, BASELINE_M, DISPARITY_PX = 100.0, 0.1, 10
DEPTH_M = FX * BASELINE_M / DISPARITY_PX
TIMEOUT_S = 20.0
SECOND_NS = 1_000_000_000
OUTPUTS: dict[str, type] = {
    'disparity': DisparityImage,
    'disparity/color': Image,
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'depth/sigma': Image,
    'points': PointCloud2,
    'confidence': Image,
    'rectified/left/image': Image,
    'rectified/left/camera_info': CameraInfo,
    'rectified/right/image': Image,
    'rectified/right/camera_info': CameraInfo,
}
"""What ``stereo_node`` publishes."""

SUBSCRIBING_NODES = ('stereo_node', 'mono_node', 'multiview_node', 'odometry_node')


class NodeProcess:
    """A node of ours or a module of the kit, started with ROS arguments; its words go to a file.

    A stereo node runs SGBM where no other model is asked for, because its answers are known
    exactly, unless ``has_known_matcher`` is False.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        module: str = 'stereo_node',
        has_known_matcher: bool = True,
        words: Sequence[str] = (),
    ) -> None:
        name = module.rpartition('.')[2]
        self.log_path = folder / f'{name}.log'
        self.report_path = folder / f'{name}.json'
        started = [module] if '.' in module else ['depth_ros.ros', module]
        command = [sys.executable, '-m', *started, *words, '--ros-args']
        if name.endswith('stereo_node') and has_known_matcher:
            arguments = ('-p', 'model:=sgbm', *arguments)
        command += ['-p', f'report_file:={self.report_path}', *arguments]
        environment = child_environment(PYTHONUNBUFFERED='1')
        with self.log_path.open('wb') as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    def log(self) -> str:
        return self.log_path.read_text(encoding='utf-8', errors='replace')

    def lines_about(self, reason: str) -> list[str]:
        return [line for line in self.log().splitlines() if f'[{reason}' in line]

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.log() or self.process.poll() is not None)
        assert text in self.log(), self.log()

    def stop(self, *, signals: int = 1) -> int:
        for _ in range(signals):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                time.sleep(0.05)
        try:
            return self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def report(self) -> dict[str, Any]:
        return json.loads(self.report_path.read_text(encoding='utf-8'))


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    module: str = 'stereo_node',
    is_subscribing: bool = True,
    has_known_matcher: bool = True,
    words: Sequence[str] = (),
) -> Iterator[NodeProcess]:
    """Start a node, by default wait until it subscribes, and stop it whatever happens."""
    node = NodeProcess(
        folder, *arguments, module=module, has_known_matcher=has_known_matcher, words=words
    )
    try:
        if module in SUBSCRIBING_NODES and is_subscribing:
            node.wait_for('subscribed to')
        yield node
    finally:
        if node.process.poll() is None:
            node.stop()


def wait_until(done: Callable[[], object], timeout_s: float = TIMEOUT_S) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.02)
    return False


class Robot:
    """Publishes what cameras publish and keeps what a node answers."""

    def __init__(
        self,
        *,
        namespace: str = '',
        outputs: Sequence[str] | Mapping[str, type] = ('depth/image',),
        node: str = 'stereo_node',
        cameras: Sequence[str] = ('left/', 'right/'),
    ) -> None:
        """Give topics of other nodes than ``stereo_node`` with their types."""
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node('robot', namespace=namespace, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received: dict[str, list[Any]] = {}
        self.diagnostics: dict[str, str] = {}
        self.status: Any = None
        self.statuses: dict[str, Any] = {}
        self.status_stamp_s = 0
        self.clock_ns = 1_000 * SECOND_NS
        self.publishers: dict[str, Any] = {}
        self.node_name = node
        self.infos: dict[str, Any] = {}
        for camera in cameras:
            self.advertise(f'{camera}image_raw', Image)
            self.advertise(f'{camera}camera_info', CameraInfo)
        for topic in outputs:
            self.subscribe(topic, outputs[topic] if isinstance(outputs, Mapping) else None)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def advertise(self, topic: str, kind: type, qos: QoSProfile | int = 10) -> None:
        self.publishers[topic] = self.node.create_publisher(kind, topic, qos)

    def subscribe(self, topic: str, kind: type | None = None) -> None:
        self.received[topic] = []
        self.node.create_subscription(
            kind or OUTPUTS[topic],
            topic,
            self.received[topic].append,
            QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE),
        )

    def spin_until(self, done: Callable[[], object], timeout_s: float = TIMEOUT_S) -> bool:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if done():
                return True
            self.executor.spin_once(timeout_sec=0.02)
        return False

    def spin(self, duration_s: float) -> None:
        self.spin_until(lambda: False, duration_s)

    def connect(self, num_images: int = 2) -> None:
        """Wait until the node listens to the cameras and we listen to it."""
        images = [item for name, item in self.publishers.items() if 'camera_info' not in name]
        assert self.spin_until(
            lambda: sum(item.get_subscription_count() for item in images) >= num_images
        ), 'the node does not subscribe'
        assert self.spin_until(lambda: self.diagnostics), 'no diagnostics'

    def next_stamp(self) -> int:
        self.clock_ns += SECOND_NS // 20
        return self.clock_ns

    def send(self, topic: str, message: Any) -> None:
        self.publishers[topic].publish(message)

    def send_infos(self, *, left: Any = None, right: Any = None) -> None:
        self.infos = {
            'left/camera_info': left or camera_info('left'),
            'right/camera_info': right or camera_info('right'),
        }
        self.repeat_infos()

    def repeat_infos(self) -> None:
        """Send the last calibrations again, as cameras do with every image.

        A best-effort reader that has not found this publisher yet misses them, whatever the
        publisher knows of the reader.
        """
        for topic, message in self.infos.items():
            self.send(topic, message)

    def send_pair(
        self, *, stamp_ns: int | None = None, left: Any = None, right: Any = None
    ) -> int:
        """Send a pair, behind the calibrations once there are some."""
        stamp = self.next_stamp() if stamp_ns is None else stamp_ns
        self.repeat_infos()
        images = {'left': left or mono8('left'), 'right': right or mono8('right')}
        for side, message in images.items():
            topic = f'{side}/image_raw'
            if isinstance(message, CompressedImage):
                topic += '/compressed'
            set_stamp(message, stamp)
            self.send(topic, message)
        return stamp

    def count(self, key: str) -> int:
        return int(self.diagnostics.get(key, '0'))

    def wait_count(self, key: str, at_least: int) -> bool:
        return self.spin_until(lambda: self.count(key) >= at_least)

    def good_pair(self, topic: str = 'depth/image', send: Callable[[], int] | None = None) -> Any:
        """Send good pairs until one of them comes out; give that message."""
        for _ in range(10):
            stamp = (send or self.send_pair)()
            if self.spin_until(lambda stamp=stamp: self.output(topic, stamp), 2.0):
                return self.output(topic, stamp)
        raise AssertionError(f'no good pair comes out: {self.diagnostics}')

    def output(self, topic: str, stamp_ns: int) -> Any:
        messages = self.received[topic]
        return next((item for item in messages if stamp_of(item) == stamp_ns), None)

    def set_parameters(self, node: str = '', **values: object) -> Any:
        """Set parameters over the service; ``__`` in a name stands for a dot."""
        parameters = [
            Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()
        ]
        return self.set_messages(parameters, node=node or f'/{self.node_name}')

    def set_messages(self, parameters: list[ParameterMessage], *, node: str) -> Any:
        client = self.node.create_client(SetParameters, f'{node}/set_parameters')
        request = SetParameters.Request(parameters=parameters)
        return self._call(client, request).results[0]

    def get_parameter(self, name: str, node: str = '') -> Any:
        service = f'{node or "/" + self.node_name}/get_parameters'
        client = self.node.create_client(GetParameters, service)
        value = self._call(client, GetParameters.Request(names=[name])).values[0]
        return rclpy.parameter.parameter_value_to_python(value)

    def _call(self, client: Any, request: Any) -> Any:
        assert client.wait_for_service(TIMEOUT_S), 'the parameter service is missing'
        future = client.call_async(request)
        assert self.spin_until(future.done), 'the parameter service does not answer'
        self.node.destroy_client(client)
        return future.result()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        label = f'{self.node.get_namespace().rstrip("/")}/{self.node_name}'.removeprefix('/')
        for status in message.status:
            if status.name.startswith(f'{label}: '):
                self.statuses[status.name.removeprefix(f'{label}: ')] = status
            if status.name == f'{label}: state':
                self.status = status
                self.status_stamp_s = message.header.stamp.sec
                self.diagnostics = {item.key: item.value for item in status.values}


@contextmanager
def robot(**arguments: Any) -> Iterator[Robot]:
    driver = Robot(**arguments)
    try:
        yield driver
    finally:
        driver.close()


def texture(disparity_px: int = 0) -> np.ndarray:
    """Rows of smooth noise; the right camera sees it shifted to the left."""
    noise = np.random.default_rng(5).uniform(0, 255, (HEIGHT, WIDTH + 64)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.ascontiguousarray(smooth[:, disparity_px : disparity_px + WIDTH])


def pixels(side: str) -> np.ndarray:
    return texture(DISPARITY_PX if side == 'right' else 0)


def image(values: np.ndarray, encoding: str, frame_id: str = 'left_eye') -> Image:
    message = Image(height=values.shape[0], width=values.shape[1], encoding=encoding)
    message.step = values.nbytes // max(1, values.shape[0])
    message.data = array('B', values.tobytes())
    message.header.frame_id = frame_id
    return message


def mono8(side: str) -> Image:
    return image(pixels(side), 'mono8', f'{side}_eye')


def jpeg(side: str, *, keep: float = 1.0) -> CompressedImage:
    data = cv2.imencode('.jpg', pixels(side), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    message = CompressedImage(format='mono8; jpeg compressed mono8')
    message.data = array('B', data[: int(keep * len(data))])
    message.header.frame_id = f'{side}_eye'
    return message


def camera_info(side: str, **changes: Any) -> CameraInfo:
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    tx = -FX * BASELINE_M if side == 'right' else 0.0
    message = CameraInfo(height=HEIGHT, width=WIDTH, distortion_model='plumb_bob')
    message.header.frame_id = f'{side}_eye'
    message.d = [0.0] * 5
    message.k = [FX, 0.0, cx, 0.0, FX, cy, 0.0, 0.0, 1.0]
    message.r = np.eye(3).ravel().tolist()
    message.p = [FX, 0.0, cx, tx, 0.0, FX, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def centred(height: int, width: int) -> dict[str, Any]:
    """Give the fields of a camera_info for another size, its principal point in the middle."""
    cx, cy = (width - 1) / 2, (height - 1) / 2
    return {
        'height': height,
        'width': width,
        'k': [FX, 0.0, cx, 0.0, FX, cy, 0.0, 0.0, 1.0],
        'p': [FX, 0.0, cx, 0.0, 0.0, FX, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    }


def set_stamp(message: Any, stamp_ns: int) -> None:
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, SECOND_NS)


def stamp_of(message: Any) -> int:
    return message.header.stamp.sec * SECOND_NS + message.header.stamp.nanosec


def floats(message: Image) -> np.ndarray:
    assert message.encoding == '32FC1'
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
