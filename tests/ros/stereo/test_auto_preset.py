"""The live stereo node with ``preset: auto``: it climbs while the camera leaves it time."""

from __future__ import annotations

from array import array
from pathlib import Path

import cv2
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from sensor_msgs.msg import CompressedImage

from tests.kit.live_node import camera_info, centred, pixels, robot, running

pytestmark = [pytest.mark.ros, pytest.mark.nightly]
HEIGHT, WIDTH = 480, 640


def picture(side: str) -> CompressedImage:
    """A picture of few bytes: large raw messages get lost without a profile for Fast DDS."""
    smooth = cv2.resize(pixels(side), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode('.jpg', smooth, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()
    message = CompressedImage(format='mono8; jpeg compressed mono8')
    message.data = array('B', data)
    message.header.frame_id = f'{side}_eye'
    return message


def test_a_slow_camera_gets_the_larger_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    words = ('-p', 'preset:=auto', '-p', 'image_transport:=compressed')
    module = 'tests.kit.nodes.sized_stereo_node'
    with (
        running(tmp_path, *words, module=module, has_known_matcher=False) as node,
        robot(outputs=['depth/image']) as driver,
    ):
        size = centred(HEIGHT, WIDTH)
        right = dict(size)
        right['p'] = [*size['p'][:3], -10.0, *size['p'][4:]]
        driver.send_infos(left=camera_info('left', **size), right=camera_info('right', **right))
        for side in ('left', 'right'):
            driver.advertise(f'{side}/image_raw/compressed', CompressedImage)
        for _ in range(25):
            driver.send_pair(left=picture('left'), right=picture('right'))
            driver.spin(2.0)
            if driver.diagnostics.get('size') == '480x640':
                break
        assert driver.diagnostics['size'] == '480x640', node.log()
        assert 'room for more, opening 480x640 (balanced)' in node.log()
        assert driver.get_parameter('preset') == 'auto'
        assert driver.set_parameters(preset='fast').successful
        assert driver.spin_until(lambda: driver.diagnostics.get('size') == '240x320')
