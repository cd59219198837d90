"""``stereo_node`` with ``model:=tio_depth``: the network's disparity, the user's metres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
pytest.importorskip('torch', reason='torch is not installed')

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.frames import RectifiedStereo
from depth_ros.settings import settings_from
from depth_ros.tasks.stereo.processor import open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.live_node import BASELINE_M, FX, HEIGHT, WIDTH, floats, pixels, robot, running

pytestmark = pytest.mark.ros
SETTINGS = {
    'model': 'tio_depth',
    'engine': 'torch',
    'weights': 'synthetic:3',
    'num_threads': 1,
    'max_depth_m': 2.0,
}


def expected_depth() -> np.ndarray:
    """What the core gives for the pair that the driver sends."""
    side = {'fx': FX, 'fy': FX, 'cx': (WIDTH - 1) / 2, 'cy': (HEIGHT - 1) / 2}
    left, right = (
        ideal_camera(**side, height=HEIGHT, width=WIDTH, tx=tx) for tx in (0.0, -FX * BASELINE_M)
    )
    images = [np.repeat(pixels(name)[..., np.newaxis], 3, axis=2) for name in ('left', 'right')]
    pair = RectifiedStereo(left=images[0], right=images[1], camera=stereo_camera(left, right))
    processor = open_stereo(settings_from(StereoSettings, {'size': '64x96', **SETTINGS}))
    output = processor.process_rectified(pair)
    processor.close()
    assert list(processor.pipeline.engines) == ['stereo'], 'no other graph is opened'
    assert output.disparity.min_disparity_px == 2.0 * WIDTH / 96
    known = output.disparity.disparity
    assert known.std() > 2.0 and known.min() > 2.0 * WIDTH / 96
    metres = FX * BASELINE_M / known
    np.testing.assert_allclose(
        output.depth.depth, np.where(metres > 2.0, np.inf, metres), rtol=1e-5
    )
    return output.depth.depth


def test_tio_depth_serves_the_stereo_node(tmp_path: Path) -> None:
    options = [f'{name}:={value}' for name, value in SETTINGS.items()]
    options += ['size:=64x96', 'diagnostics_period_s:=0.1']
    arguments = [part for option in options for part in ('-p', option)]
    with running(tmp_path, *arguments) as node, robot(outputs=['depth/image']) as driver:
        driver.connect()
        driver.send_infos()
        depth = floats(driver.good_pair())
        assert driver.spin_until(lambda: driver.diagnostics.get('model') == 'tio_depth')
        assert '64x96' in driver.diagnostics['engine_description']
        assert node.stop() == 0, node.log()
    np.testing.assert_allclose(depth, expected_depth(), rtol=1e-4)
