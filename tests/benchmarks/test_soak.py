"""The soak: its slopes, and a short one that ends in good order."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
pytest.importorskip('tests.kit.built_interfaces')

from tests.kit.child_environment import child_environment
from tests.kit.shared_data import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'benchmarks'))

import soak
import soak_nodes

from depth_ros.ros.entry import NODES


def test_slope_is_that_after_warming_up() -> None:
    """300 MB are taken in the first minutes, then 6 MB an hour."""
    warm = [(60.0 * minute, 100.0 + 30.0 * min(minute, 10)) for minute in range(11)]
    leak = [(60.0 * minute, 400.0 + 0.1 * (minute - 10)) for minute in range(11, 61)]
    assert soak.slope_per_hour(warm + leak) == pytest.approx(6.0)
    level = [(10.0 * index, 5.0) for index in range(9)]
    assert soak.slope_per_hour(level) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize('samples', [[], [(0.0, 1.0)], [(0.0, 1.0), (30.0, 2.0)]])
def test_too_few_samples_have_no_slope(samples: list[tuple[float, float]]) -> None:
    assert math.isnan(soak.slope_per_hour(samples))


def test_every_node_soaks() -> None:
    """The camera feeds them; perception runs several of them in one process."""
    assert set(NODES) - set(soak_nodes.NODES) == {'sample_camera', 'doctor', 'perception'}


@pytest.mark.nightly
def test_a_short_soak_ends_in_good_order() -> None:
    done = subprocess.run(
        [sys.executable, 'benchmarks/soak.py', '--hours', '0.02'],
        cwd=REPOSITORY,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((REPOSITORY / 'benchmarks/out/soak.json').read_text(encoding='utf-8'))
    assert record['ended'] == [] and set(record['samples']) == set(soak_nodes.NODES)
    assert record['reports']['stereo_node']['callback_failures'] == 0
