"""Impossible calibrations against one live node: each refused by name, and the node lives on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from sensor_msgs.msg import CameraInfo

from tests.kit.live_node import FX, HEIGHT, WIDTH, NodeProcess, Robot, camera_info, robot, running

pytestmark = pytest.mark.ros
CX, CY = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
BASELINE_TX = -10.0


def p_of(**entries: float) -> list[float]:
    """Return the right P with entries in place of some, e.g. ``p01=52.4``."""
    p = np.array([[FX, 0, CX, BASELINE_TX], [0, FX, CY, 0], [0, 0, 1, 0]])
    for name, value in entries.items():
        p[int(name[1]), int(name[2])] = value
    return p.ravel().tolist()


def k_of(**entries: float) -> list[float]:
    k = np.array([[FX, 0, CX], [0, FX, CY], [0, 0, 1]])
    for name, value in entries.items():
        k[int(name[1]), int(name[2])] = value
    return k.ravel().tolist()


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    'skew in P': ({'p': p_of(p01=52.4)}, 'calibration_values', 'P[0,1]'),
    'P[1,0]': ({'p': p_of(p10=30.0)}, 'calibration_values', 'P[1,0]'),
    'P[2,0]': ({'p': p_of(p20=0.001)}, 'calibration_values', 'P[2,0]'),
    'P[2,2]': ({'p': p_of(p22=2.0)}, 'calibration_values', 'P[2,2]'),
    'K[2,2]': ({'k': k_of(k22=2.0)}, 'calibration_values', 'K[2,2]'),
    'K[1,0]': ({'k': k_of(k10=7.0)}, 'calibration_values', 'K[1,0]'),
    'mirror': ({'r': np.diag([1.0, -1, 1]).ravel().tolist()}, 'calibration_values', 'mirror'),
    'D of 1e300': ({'d': [0.0, 1e300, 0.0, 0.0, 0.0]}, 'calibration_values', 'D[1]'),
    'P[0,3] of -1e308': ({'p': p_of(p03=-1e308)}, 'calibration_values', 'P[0,3]'),
    'millimetres': ({'p': p_of(p03=-1e4)}, 'baseline_units', 'millimetres (0.1 m)'),
    'centimetres': ({'p': p_of(p03=-1e3)}, 'baseline_units', 'centimetres (0.1 m)'),
    'vertical': ({'p': p_of(p03=0.0, p13=-10.0)}, 'vertical_rig', 'P[1,3]'),
    'resolution': ({'k': k_of(k02=2 * CX, k12=2 * CY)}, 'calibration_resolution', 'K[0,2]'),
    'binned twice': (
        {'height': 4 * HEIGHT, 'width': 4 * WIDTH, 'binning_x': 4, 'binning_y': 4},
        'calibration_resolution',
        'binned image',
    ),
    'focal length in millimetres': (
        {'k': k_of(k00=0.5, k11=0.5)},
        'calibration_resolution',
        'K[0,0]',
    ),
    'a side beyond maps': ({'width': 40_000}, 'calibration_size', '32766'),
    'R turned away': (
        {'r': [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0]},
        'rectified_empty',
        'R turns',
    ),
    'all zero': ({'k': [0.0] * 9, 'p': [0.0] * 12}, 'calibration_unset', 'all zero'),
}


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, Robot]]:
    """One process for all cases; warnings of one reason come once in a while, so 18 differ."""
    words = ['sgbm.num_disparities:=32', 'input_depth:=10', 'diagnostics_period_s:=0.1']
    options = [word for argument in words for word in ('-p', argument)]
    with running(tmp_path_factory.mktemp('impossible'), *options) as node, robot() as driver:
        driver.connect()
        yield node, driver


def right_info(changes: dict[str, Any]) -> CameraInfo:
    return camera_info('right', **changes)


def test_an_unset_first_camera_info_is_waited_out(stage: tuple[NodeProcess, Robot]) -> None:
    """Runs first: the first camera_info is all zeros, as of a driver that still loads its file."""
    node, driver = stage
    driver.send_infos(right=right_info(CASES['all zero'][0]))
    driver.spin(0.05)
    driver.send_pair()
    assert driver.wait_count('dropped_calibration_unset', 1)
    driver.send_infos()
    driver.good_pair()
    (line,) = [line for line in node.log().splitlines() if 'rig accepted' in line]
    assert '0.1000 m' in line and '100.0 px' in line and '10.00 m' in line


@pytest.mark.parametrize('name', CASES)
def test_impossible_calibrations_are_counted_and_survived(
    stage: tuple[NodeProcess, Robot], name: str
) -> None:
    node, driver = stage
    changes, reason, _ = CASES[name]
    counter = f'dropped_{reason}'
    before, num_outputs = driver.count(counter), len(driver.received['depth/image'])
    driver.send_infos(right=right_info(changes))
    driver.spin(0.05)
    driver.send_pair()
    assert driver.wait_count(counter, before + 1), driver.diagnostics
    assert len(driver.received['depth/image']) == num_outputs, 'a metre left the node'
    assert node.process.poll() is None


def test_each_is_named_in_the_log(stage: tuple[NodeProcess, Robot]) -> None:
    """Runs after them: a warning of the same reason is throttled, so one of each is there."""
    node, driver = stage
    driver.send_infos()
    driver.good_pair()
    log = node.log()
    for reason in {reason for _, reason, _ in CASES.values()}:
        words = [word for _, other, word in CASES.values() if other == reason]
        assert any(word in line for line in node.lines_about(reason) for word in words), reason
    assert 'Traceback' not in log


def test_k_of_zeros_is_refused_for_raw_images_alone(stage: tuple[NodeProcess, Robot]) -> None:
    node, driver = stage
    before = driver.count('dropped_calibration_values')
    driver.send_infos(right=right_info({'k': [0.0] * 9}))
    driver.spin(0.05)
    driver.send_pair()
    assert driver.wait_count('dropped_calibration_values', before + 1)
    driver.send_infos()
    driver.good_pair()
    assert node.stop() == 0
