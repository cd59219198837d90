"""Points and maps as the left camera sees them: exact planes, the hidden, the uncovered."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.geometry.moved_disparity import moved_map, seen_depth
from depth_ros.geometry.projection import measured_points
from depth_ros.geometry.rigid import inverse
from depth_ros.scenes.solids import (
    SCENES,
    Box,
    Plane,
    Scene,
    Texture,
    ideal_stereo_camera,
    render,
    render_stereo,
)

HEIGHT, WIDTH = 120, 160
RIG = ideal_stereo_camera(height=HEIGHT, width=WIDTH)


def shifted(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = (x, y, z)
    return pose


def test_points_fall_where_they_are_seen() -> None:
    points = np.array([[0.0, 0.0, 2.0], [0.1, 0.0, 2.0], [0.0, 0.0, -1.0], [9.0, 0.0, 1.0]])
    depth = seen_depth(np.vstack([points, [[np.nan] * 3]]), RIG.left, window_px=3)
    rows, columns = np.nonzero(np.isfinite(depth))
    assert len(rows) == 2 and set(depth[rows, columns].tolist()) == {2.0}
    assert np.diff(columns)[0] == round(RIG.left.fx * 0.1 / 2.0)


def test_the_nearer_of_two_points_in_a_pixel_is_seen() -> None:
    depth = seen_depth(np.array([[0.0, 0.0, 3.0], [0.0, 0.0, 2.0]]), RIG.left, window_px=3)
    assert np.nanmax(depth) == 2.0 and np.isfinite(depth).sum() == 1


def test_what_only_the_scanner_sees_is_dropped() -> None:
    """A scanner 33 cm above looks over a box at the wall behind it; the camera does not."""
    wall = Plane(point=(0.0, 0.0, 4.0), texture=Texture())
    box = Box(center=(0.0, 0.2, 1.5), size=(0.9, 0.5, 0.1), texture=Texture())
    scene, camera = Scene(shapes=(wall, box)), RIG.left
    above = render(scene, camera, world_from_camera=shifted(y=-0.33))
    sparse = np.full(above.depth.shape, np.nan, np.float32)
    sparse[::2, ::2] = above.depth[::2, ::2]
    points = measured_points(sparse, camera) + np.float32([0, -0.33, 0])
    truth = render(scene, camera, world_from_camera=np.eye(4)).depth
    naive, seen = (seen_depth(points, camera, window_px=window) for window in (0, 7))

    def wrong(depth: np.ndarray) -> int:
        return int((np.isfinite(depth) & (depth > 1.15 * truth)).sum())

    assert wrong(naive) > 100, 'the case shows nothing'
    assert wrong(seen) < 0.2 * wrong(naive)
    right = np.isfinite(naive) & ~(naive > 1.15 * truth)
    assert np.isfinite(seen)[right].mean() > 0.97


def test_what_a_depth_camera_sees_through_a_gap_is_kept() -> None:
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    depth[50:70, 60:75] = 3.0
    points = measured_points(depth, RIG.left)
    seen = np.isfinite(seen_depth(points, RIG.left, window_px=30))
    gap = depth > 2.0
    assert seen[gap].mean() > 0.9 and seen[~gap].all()
    scattered = np.random.default_rng(0).permutation(points)[: len(points) // 8]
    far = seen_depth(scattered, RIG.left, window_px=30)
    assert not (far > 2.0).any(), 'a scanner tells nothing about what it may see past an edge'


def test_a_floor_hides_nothing() -> None:
    """Nearer points lie below every point of a floor, and beside it lower down."""
    view = render(SCENES['room'](), RIG.left, world_from_camera=np.eye(4))
    points = measured_points(view.depth.astype(np.float32), RIG.left)[::3]
    every, seen = (seen_depth(points, RIG.left, window_px=window) for window in (0, 9))
    assert np.isfinite(seen).sum() > 0.95 * np.isfinite(every).sum()


def test_no_points_are_no_depth() -> None:
    assert np.isnan(seen_depth(np.empty((0, 3)), RIG.left, window_px=5)).all()


@pytest.mark.parametrize('motion', [shifted(), shifted(z=0.3), shifted(x=0.1, y=-0.05)])
def test_a_map_moves_with_the_rig(motion: np.ndarray) -> None:
    """Motion is the place of the rig now, seen from where it was."""
    scene = SCENES['room']()
    then = render_stereo(scene, RIG)
    now = render(scene, RIG.left, world_from_camera=motion)
    grey = then.left.image[..., 1]
    found, image = moved_map(
        then.left_disparity.astype(np.float32), grey, RIG, now_from_then=inverse(motion)
    )
    truth = RIG.left.fx * RIG.baseline_m / now.depth
    known = np.isfinite(found)
    assert known.mean() > 0.7
    error = np.abs(found - truth)[known]
    assert np.median(error) < 0.05
    assert (error > 1.0).mean() < 0.05
    difference = np.abs(image.astype(int) - now.image[..., 1])[known]
    assert np.median(difference) < 6


def test_what_is_uncovered_is_unknown() -> None:
    """A near square before a far wall; the rig steps to the side."""
    disparity = np.full((HEIGHT, WIDTH), 5.0, np.float32)
    disparity[40:80, 60:100] = 25.0
    step_m = 0.12
    found, _ = moved_map(
        disparity, np.zeros((HEIGHT, WIDTH), np.uint8), RIG, now_from_then=shifted(x=-step_m)
    )
    # Everything moves left by its disparity, as the baseline is as long as the step.
    assert found[45:75, 40:70] == pytest.approx(25.0, abs=1e-3)
    assert np.isnan(found[45:75, 78:94]).all(), 'the wall that the square hid'
    assert np.isnan(found[:, WIDTH - 4 :]).all(), 'what came in at the right'


def test_unknown_stays_unknown() -> None:
    nothing = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    found, _ = moved_map(
        nothing, np.zeros((HEIGHT, WIDTH), np.uint8), RIG, now_from_then=np.eye(4)
    )
    assert np.isnan(found).all()
