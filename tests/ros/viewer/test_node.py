"""The viewer node in its own process, looked at as a browser would, beside a live stereo node."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.child_environment import child_environment

pytest.importorskip('rclpy', reason='ROS 2 Python packages are not installed')
pytest.importorskip('viser', reason='viser is not installed')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

from depth_ros.camera import ideal_camera
from depth_ros.geometry.depth import organised_cloud
from depth_ros.messages.clouds import fill_point_cloud
from tests.kit import live_node
from tests.kit.live_node import (
    DEPTH_M,
    HEIGHT,
    REPOSITORY,
    TIMEOUT_S,
    WIDTH,
    Robot,
    robot,
    wait_until,
)
from tests.kit.viewer_client import PageModel

pytestmark = pytest.mark.ros


class ViewerProcess:
    """``viewer_node`` started with ROS arguments; its words go to a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log_path = folder / 'viewer_node.log'
        command = [sys.executable, '-m', 'depth_ros.ros', 'viewer_node', '--ros-args', *arguments]
        environment = child_environment(PYTHONUNBUFFERED='1')
        with self._log_path.open('wb') as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    @property
    def log(self) -> str:
        return self._log_path.read_text(encoding='utf-8', errors='replace')

    def address(self) -> str:
        """Wait until it serves and give where."""
        assert wait_until(lambda: 'http://' in self.log or self.process.poll() is not None)
        found = re.search(r'http://127\.0\.0\.1:\d+', self.log)
        assert found is not None, self.log
        return found[0]

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)


@contextmanager
def viewer(folder: Path, *arguments: str) -> Iterator[ViewerProcess]:
    node = ViewerProcess(folder, '-p', 'port:=0', *arguments)
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.process.kill()
            node.process.wait()


@contextmanager
def page(address: str) -> Iterator[PageModel]:
    client = PageModel(address)
    try:
        yield client
    finally:
        client.close()


class Outputs:
    """Publishes what a stereo node would, as said here."""

    def __init__(self, driver: Robot) -> None:
        self._driver = driver
        for topic, kind in (
            ('depth/image', Image),
            ('depth/camera_info', CameraInfo),
            ('disparity/color', Image),
            ('points', PointCloud2),
            ('left/image_raw/compressed', CompressedImage),
            ('/diagnostics', DiagnosticArray),
        ):
            driver.advertise(topic, kind)

    def send(self, *, left: Any = None, text: str = 'well') -> None:
        depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
        rgb = np.full((HEIGHT, WIDTH, 3), (200, 100, 0), np.uint8)
        camera = ideal_camera(fx=100, fy=100, cx=80, cy=60, height=HEIGHT, width=WIDTH)
        points = PointCloud2()
        fill_point_cloud(points, organised_cloud(depth, rgb, camera), PointField)
        status = DiagnosticStatus(name='double: state', message=text, level=DiagnosticStatus.OK)
        status.values = [KeyValue(key='answer', value='42')]
        messages = {
            'left/image_raw': left or live_node.mono8('left'),
            'depth/image': live_node.image(depth, '32FC1'),
            'depth/camera_info': live_node.camera_info('left'),
            'disparity/color': live_node.image(rgb, 'bgr8'),
            'points': points,
            'left/image_raw/compressed': live_node.jpeg('left'),
            '/diagnostics': DiagnosticArray(status=[status]),
        }
        for topic, message in messages.items():
            self._driver.send(topic, message)

    def send_until(self, done, **options: Any) -> bool:
        """Publish at some 10 Hz until the page is as wanted."""

        def step() -> bool:
            self.send(**options)
            self._driver.spin(0.1)
            return bool(done())

        return wait_until(step, 2 * TIMEOUT_S)


def is_subscribed(driver: Robot) -> bool:
    return driver.node.count_subscribers('points') > 0


def test_browser_sees_what_the_stereo_node_computes(tmp_path: Path) -> None:
    with live_node.running(tmp_path), viewer(tmp_path) as node, robot(outputs=()) as driver:
        address = node.address()
        driver.connect()
        driver.send_infos()
        driver.send_pair()
        assert driver.wait_count('dropped_no_subscriber', 1), 'nobody looks: no work'
        assert not is_subscribed(driver)
        with page(address) as seen:

            def send_and_see() -> bool:
                driver.send_infos()
                driver.send_pair()
                driver.spin(0.1)
                cloud, labels = seen.cloud, seen.labels
                has_text = any('sgbm' in text for text in seen.texts)
                return len(cloud.get('points', '')) > 100 and len(labels) == 2 and has_text

            assert wait_until(send_and_see, 2 * TIMEOUT_S), (node.log, seen.texts)
            depth = seen.cloud['points'][:, 2].astype(np.float64)
            # Discs of half a pixel around the true disparity of 10, and half floats.
            assert abs(np.median(depth) - DEPTH_M) < 0.02
            assert seen.labels[1].startswith('depth, red')
            error = np.abs(seen.picture(0)[..., 0].astype(int) - live_node.pixels('left'))
            assert np.median(error) <= 6  # JPEG of a fine texture
            assert seen.elements['/camera']['aspect'] == pytest.approx(WIDTH / HEIGHT)
        assert driver.spin_until(lambda: not is_subscribed(driver))
        assert node.stop() == 0


def test_shows_what_it_is_told_to(tmp_path: Path) -> None:
    arguments = ('picture:=disparity', 'image_transport:=compressed', 'viewer_stride:=1')
    options = [part for argument in arguments for part in ('-p', argument)]
    with viewer(tmp_path, *options) as node, robot(outputs=()) as driver:
        outputs = Outputs(driver)
        with page(node.address()) as seen:
            assert outputs.send_until(
                lambda: len(seen.labels) == 2 and len(seen.cloud.get('points', '')) > 0
            ), (node.log, seen.texts)
            assert seen.labels == ['left', 'disparity']
            assert len(seen.cloud['points']) == HEIGHT * WIDTH
            np.testing.assert_array_equal(seen.cloud['colors'][0], (200, 100, 0))
            assert np.abs(seen.picture(1)[5, 5].astype(int) - (0, 100, 200)).max() < 8
            assert outputs.send_until(lambda: 'answer' in seen.texts[-1])
        assert node.stop(signal.SIGTERM) == 0


def test_bad_message_is_named_on_the_page_and_the_view_lives_on(tmp_path: Path) -> None:
    with viewer(tmp_path) as node, robot(outputs=()) as driver:
        outputs = Outputs(driver)
        broken = live_node.mono8('left')
        broken.data = array('B', bytes(broken.data)[:100])
        with page(node.address()) as seen:
            assert outputs.send_until(
                lambda: any('image data has 100 bytes' in text for text in seen.texts),
                left=broken,
            ), (node.log, seen.texts)
            assert outputs.send_until(
                lambda: len(seen.labels) == 2 and 'image data' not in seen.texts[0]
            )
        assert node.stop() == 0


def test_stops_cleanly_while_somebody_looks(tmp_path: Path) -> None:
    with viewer(tmp_path) as node, robot(outputs=()) as driver:
        outputs = Outputs(driver)
        with page(node.address()) as seen:
            assert outputs.send_until(lambda: len(seen.labels) == 2)
            assert node.stop() == 0
        assert 'Traceback' not in node.log


def test_busy_port_ends_the_node_with_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        with viewer(tmp_path, '-p', f'port:={port}') as node:
            assert node.process.wait(TIMEOUT_S) == 1
            assert f'port {port} of 127.0.0.1 is in use' in node.log
            assert 'Traceback' not in node.log


@pytest.mark.parametrize(
    ('argument', 'words'),
    [
        ('viewer_stride:=0', "'viewer_stride' must be within 1..64, got 0"),
        ('picture:=left', 'set it to one of: depth, disparity'),
    ],
)
def test_refused_parameter_ends_the_node_with_a_sentence(
    tmp_path: Path, argument: str, words: str
) -> None:
    with viewer(tmp_path, '-p', argument) as node:
        assert node.process.wait(TIMEOUT_S) == 1
        assert words in node.log
        assert 'Traceback' not in node.log


def test_docs_name_every_parameter_with_its_default() -> None:
    from depth_ros.ros.viewer.node import SPECS

    rows = (REPOSITORY / 'docs' / 'viewer.md').read_text(encoding='utf-8').splitlines()
    documented = [tuple(row.split('|')[1:3]) for row in rows if row.startswith('| `')]
    expected = [(f' `{spec.name}` ', f' `{spec.default}` ') for spec in SPECS]
    assert documented == expected
