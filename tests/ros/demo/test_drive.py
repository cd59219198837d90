"""The driving sample rig: a closed loop with exact poses and depth, drawn once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS is absent')

from depth_ros.errors import ParameterError
from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, inverse
from depth_ros.ros.demo.drive import Drive, open_drive

SIZE = (48, 64)
NUM_FRAMES = 6


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    return tmp_path


def opened(told: list[int]) -> Drive:
    return open_drive('room', size=SIZE, num_frames=NUM_FRAMES, progress=told.append)


def test_loop_is_drawn_once(cache: Path) -> None:
    told: list[int] = []
    first, second = opened(told), opened(told)
    assert told == list(range(1, NUM_FRAMES + 1))
    np.testing.assert_array_equal(first.left, second.left)
    file = next((cache / 'demo').iterdir())
    file.write_bytes(file.read_bytes()[:1000])
    np.testing.assert_array_equal(opened(told).depth, first.depth)
    assert len(told) == 2 * NUM_FRAMES, 'a damaged file is drawn again'


def test_points_of_two_frames_meet(cache: Path) -> None:
    """What one frame sees lies, by poses and depth, where the next one sees it."""
    drive = opened([])
    np.testing.assert_allclose(drive.odom_from_base[0], np.eye(4), atol=1e-12)
    camera = drive.rig.left
    optical = [pose @ BODY_FROM_OPTICAL for pose in drive.odom_from_base]
    row, column, depth = 24, 32, float(drive.depth[0, 24, 32])
    point = np.linalg.inv(camera.k) @ [column, row, 1.0] * depth
    seen = (inverse(optical[1]) @ optical[0] @ [*point, 1.0])[:3]
    x, y, _ = camera.k @ seen / seen[2]
    assert 0 <= round(x) < SIZE[1] and 0 <= round(y) < SIZE[0]
    assert drive.depth[1, round(y), round(x)] == pytest.approx(seen[2], rel=0.05)


def test_the_rig_looks_ahead(cache: Path) -> None:
    """REP 103: the base's x points where the camera looks, z up."""
    ahead = BODY_FROM_OPTICAL[:3, :3] @ [0.0, 0.0, 1.0]
    down = BODY_FROM_OPTICAL[:3, :3] @ [0.0, 1.0, 0.0]
    np.testing.assert_array_equal(ahead, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(down, [0.0, 0.0, -1.0])


def test_unknown_drives_are_named() -> None:
    with pytest.raises(ParameterError, match="there is no drive 'mars'"):
        open_drive('mars', size=SIZE, num_frames=1, progress=lambda count: None)
