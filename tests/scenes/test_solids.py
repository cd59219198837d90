"""The renderer against closed forms: it is the yardstick of other tests, so it gets its own."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from depth_ros.camera import StereoCamera, ideal_camera
from depth_ros.errors import CalibrationError
from depth_ros.scenes.solids import (
    NOTHING,
    SCENES,
    Box,
    Plane,
    Scene,
    Sphere,
    StereoView,
    Texture,
    fronto_parallel,
    ideal_stereo_camera,
    render,
    render_stereo,
    room,
    slanted,
    thin_bars,
)

SMALL = ideal_stereo_camera(height=90, width=120)


def pixel_grid(camera):
    """Normalised ray coordinates (x, y) of every pixel, at z = 1."""
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    return np.meshgrid(x, y)


def warped_right(view: StereoView) -> np.ndarray:
    """Right image sampled where each left pixel's point is, as float32."""
    rows, columns = np.mgrid[: view.left.image.shape[0], : view.left.image.shape[1]]
    x = (columns - view.left_disparity).astype(np.float32)
    image = view.right.image.astype(np.float32)
    return cv2.remap(image, x, rows.astype(np.float32), cv2.INTER_LINEAR)


def away_from_edges(view: StereoView, radius: int) -> np.ndarray:
    """Left pixels whose point is seen by both and not near any depth or image edge in either."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)

    def flat(index):
        index = index.astype(np.float32)
        return cv2.dilate(index, kernel) == cv2.erode(index, kernel)

    rows, columns = np.mgrid[: view.left.image.shape[0], : view.left.image.shape[1]]
    x = (columns - view.left_disparity).astype(np.float32)
    right_flat = cv2.remap(
        flat(view.right.shape_index).astype(np.float32), x, rows.astype(np.float32), 1
    )
    inside = (x >= 1) & (x <= x.shape[1] - 2)
    return flat(view.left.shape_index) & (right_flat == 1.0) & ~view.left_occluded & inside


@pytest.mark.parametrize('z_m', [0.5, 2.0, 40.0])
def test_wall_across_the_axis_has_one_depth_and_f_b_over_z(z_m):
    view = render_stereo(fronto_parallel(z_m), SMALL)
    np.testing.assert_allclose(view.left.depth, z_m, rtol=1e-6)
    np.testing.assert_allclose(view.left_disparity, SMALL.left.fx * 0.12 / z_m, rtol=1e-6)
    np.testing.assert_allclose(view.right_disparity, SMALL.left.fx * 0.12 / z_m, rtol=1e-6)


def test_slanted_wall_satisfies_its_plane_equation():
    scene = slanted(2.0, yaw_rad=0.6, pitch_rad=0.3)
    view = render(scene, SMALL.left)
    x, y = pixel_grid(SMALL.left)
    nx, ny, nz = scene.shapes[0].direction
    np.testing.assert_allclose(view.depth, 2.0 * nz / (nx * x + ny * y + nz), rtol=1e-6)


def test_sphere_depth_is_the_near_root():
    center, radius = np.array([0.1, -0.2, 3.0]), 0.6
    view = render(Scene(shapes=(Sphere(center=tuple(center), radius=radius),)), SMALL.left)
    x, y = pixel_grid(SMALL.left)
    a = x**2 + y**2 + 1
    b = center[0] * x + center[1] * y + center[2]
    root = b**2 - a * (center @ center - radius**2)
    hit = root >= 0
    assert 500 < hit.sum() < hit.size / 2
    np.testing.assert_allclose(
        view.depth[hit], ((b - np.sqrt(np.maximum(root, 0))) / a)[hit], rtol=1e-6
    )
    assert np.isposinf(view.depth[~hit]).all()
    assert (view.shape_index[~hit] == NOTHING).all()


def test_sphere_seen_from_inside():
    view = render(Scene(shapes=(Sphere(center=(0.0, 0.0, 0.0), radius=2.0),)), SMALL.left)
    x, y = pixel_grid(SMALL.left)
    np.testing.assert_allclose(view.depth, 2.0 / np.sqrt(x**2 + y**2 + 1), rtol=1e-6)


def test_box_shows_its_front_face_where_that_face_projects():
    box = Box(center=(0.0, 0.0, 2.0), size=(0.8, 0.4, 1.0))
    view = render(Scene(shapes=(box,)), SMALL.left)
    x, y = pixel_grid(SMALL.left)
    front = (np.abs(x * 1.5) < 0.4) & (np.abs(y * 1.5) < 0.2)
    np.testing.assert_allclose(view.depth[front], 1.5, rtol=1e-6)
    assert np.isposinf(view.depth[~front]).all(), 'sides cannot show from straight ahead'


def test_box_from_inside_is_a_room():
    box = Box(center=(0.0, 0.0, 0.0), size=(2.0, 2.0, 6.0))
    view = render(Scene(shapes=(box,)), SMALL.left)
    x, y = pixel_grid(SMALL.left)
    with np.errstate(divide='ignore'):
        expected = np.minimum(np.minimum(1 / np.abs(x), 1 / np.abs(y)), 3.0)
    np.testing.assert_allclose(view.depth, expected, rtol=1e-6)


def test_turned_box_equals_the_same_box_with_the_camera_turned():
    angle = 0.4
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    texture = Texture(seed=4, cell_m=0.1)
    turned = Box(
        center=tuple(turn @ (0.1, 0.2, 2.0)),
        size=(0.5, 0.6, 0.7),
        world_from_box=turn,
        texture=texture,
    )
    straight = Box(center=(0.1, 0.2, 2.0), size=(0.5, 0.6, 0.7), texture=texture)
    pose = np.eye(4)
    pose[:3, :3] = turn
    a = render(Scene(shapes=(turned,), ambient=1.0), SMALL.left, world_from_camera=pose)
    b = render(Scene(shapes=(straight,), ambient=1.0), SMALL.left)
    assert (b.shape_index == 0).sum() > 200
    np.testing.assert_allclose(a.depth, b.depth, rtol=1e-6)
    assert np.abs(a.image.astype(int) - b.image).max() <= 1


def test_pose_moves_the_camera_through_the_world():
    pose = np.eye(4)
    pose[:3, 3] = (0.3, -0.2, 0.75)
    view = render(fronto_parallel(2.0), SMALL.left, world_from_camera=pose)
    np.testing.assert_allclose(view.depth, 1.25, rtol=1e-6)
    np.testing.assert_array_equal(view.world_from_camera, pose)


def test_shapes_behind_the_camera_are_not_seen():
    scene = Scene(
        shapes=(
            Plane(point=(0, 0, -2)),
            Sphere(center=(0, 0, -3), radius=1.0),
            Box(center=(0, 0, -3), size=(1, 1, 1)),
        ),
        background=(10.0, 20.0, 30.0),
    )
    view = render(scene, SMALL.left)
    assert np.isposinf(view.depth).all()
    assert (view.image == (10, 20, 30)).all()


def test_unequal_principal_points_offset_disparity_also_at_infinity():
    rig = ideal_stereo_camera(height=90, width=120, cx_offset_px=-7.5)
    view = render_stereo(fronto_parallel(2.0), rig)
    expected = rig.left.fx * rig.baseline_m / 2.0 - 7.5
    np.testing.assert_allclose(view.left_disparity, expected, rtol=1e-6)
    keep = away_from_edges(view, 1)
    assert keep.mean() > 0.8
    assert np.abs(warped_right(view) - view.left.image)[keep].max() <= 2.0
    empty = render_stereo(Scene(shapes=()), rig)
    np.testing.assert_array_equal(empty.left_disparity, np.float32(-7.5))
    # Points at infinity shift by the offset alone: x_right = x + 7.5 must stay below 119.5.
    np.testing.assert_array_equal(empty.left_occluded[0], np.arange(120) >= 112)


@pytest.mark.parametrize('name', list(SCENES))
def test_right_image_warped_by_the_disparity_is_the_left_image(name):
    rig = ideal_stereo_camera(height=240, width=320)
    scene = SCENES[name]()
    smooth = Scene(shapes=tuple(_smooth(shape) for shape in scene.shapes), ambient=scene.ambient)
    view = render_stereo(smooth, rig)
    keep = away_from_edges(view, 2)
    # Colours turn a corner inside a box, where light jumps; those corners are not depth edges.
    keep &= _no_crease(view.left.depth)
    assert keep.mean() > 0.5
    difference = np.abs(warped_right(view) - view.left.image)[keep]
    assert difference.max() <= 2.0
    assert difference.mean() < 0.5
    shifted = np.abs(np.roll(warped_right(view), 1, axis=1) - view.left.image)[keep]
    assert shifted.mean() > 2 * difference.mean(), 'texture too flat for this test to mean much'


def _smooth(shape):
    """Give the shape long waves only, so that bilinear sampling is within a grey level."""
    return replace(
        shape, texture=replace(shape.texture, cell_m=0.0, num_octaves=1, wavelength_m=0.6)
    )


def _no_crease(depth):
    bend = np.abs(cv2.Laplacian(1.0 / depth.astype(np.float64), cv2.CV_64F))
    return cv2.dilate((bend > 1e-4).astype(np.uint8), np.ones((7, 7), np.uint8)) == 0


@pytest.mark.parametrize('make', [thin_bars, room])
def test_occlusion_mask_agrees_with_forward_warping(make):
    """Independent check: splat right depths' points into the left and compare disparities."""
    rig = ideal_stereo_camera(height=240, width=320)
    view = render_stereo(make(), rig)
    rows, columns = np.mgrid[:240, :320]
    x = columns - view.left_disparity
    inside = (x >= 0) & (x <= 319)
    nearest = np.clip(np.rint(x), 0, 319).astype(int)
    around = [view.right_disparity[rows, np.clip(nearest + s, 0, 319)] for s in (-1, 0, 1)]
    agrees = np.min([np.abs(a - view.left_disparity) for a in around], axis=0) < 0.6
    nearer = np.min(around, axis=0) > view.left_disparity + 1.0
    visible = ~view.left_occluded
    assert agrees[visible & inside].mean() > 0.999, 'a visible point has its match in the right'
    assert view.left_occluded[inside & nearer].all(), 'something nearer on all sides hides it'
    assert view.left_occluded[x < -0.5].all()
    # Each bar hides a strip as wide as the disparity jump behind it.
    assert 0.03 < view.left_occluded.mean() < 0.3


def test_strip_hidden_beside_a_bar_is_as_wide_as_the_jump_allows():
    """A 0.2 m post at 1 m before a wall at 2 m hides min(jump, post width) = f B / 2 px."""
    rig = ideal_stereo_camera(height=9, width=640, fx=500.0, baseline_m=0.1)
    post = Box(center=(0.0, 0.0, 1.0 + 5e-7), size=(0.2, 9.0, 1e-6))
    view = render_stereo(Scene(shapes=(post, Plane(point=(0.0, 0.0, 2.0)))), rig)
    hidden = view.left_occluded[4] & (np.arange(640) > 50)
    assert abs(int(hidden.sum()) - 25) <= 1
    edge = rig.left.cx - 500.0 * 0.1
    assert abs(np.flatnonzero(hidden).max() - edge) <= 1, 'hidden strip lies left of the post'


def test_occlusions_of_left_and_right_mirror_each_other():
    # thin_bars is symmetric about x = 0, so the rig is centred on it.
    pose = np.eye(4)
    pose[0, 3] = -SMALL.baseline_m / 2
    view = render_stereo(thin_bars(), SMALL, world_from_left=pose)
    assert 0.03 < view.left_occluded.mean() < 0.3
    np.testing.assert_array_equal(view.left_occluded, view.right_occluded[:, ::-1])
    np.testing.assert_allclose(view.left_disparity, view.right_disparity[:, ::-1], rtol=1e-6)


def test_rendering_is_deterministic_and_seeds_matter():
    first, second = render_stereo(room(), SMALL), render_stereo(room(), SMALL)
    np.testing.assert_array_equal(first.left.image, second.left.image)
    np.testing.assert_array_equal(first.right.image, second.right.image)
    other = render(fronto_parallel(2.0, seed=1), SMALL.left).image
    assert np.abs(render(fronto_parallel(2.0), SMALL.left).image.astype(int) - other).mean() > 10


def test_texture_has_the_contrast_it_states_and_cells_have_hard_edges():
    points = np.random.default_rng(0).uniform(-5, 5, (20000, 3))
    smooth = Texture(seed=5, contrast=30.0)
    shades = smooth.shade(points)
    assert abs(shades.std() - 30.0) < 3.0
    assert np.abs(shades.mean(axis=0) - 128.0).max() < 2.0
    cells = Texture(seed=5, contrast=0.0, cell_m=0.1)
    line = np.column_stack([np.linspace(0, 1, 10001), np.zeros(10001), np.zeros(10001)])
    steps = np.abs(np.diff(cells.shade(line)[:, 0]))
    assert 8 <= np.count_nonzero(steps) <= 30, 'flat cells with a few borders to a metre'
    assert steps.max() > 5.0


def test_supersampling_smooths_edges_and_leaves_truth_alone():
    scene = Scene(
        shapes=(Box(center=(0, 0, 1), size=(0.3, 0.3, 0.01), texture=Texture(contrast=0.0)),),
        background=(0.0, 0.0, 0.0),
        ambient=1.0,
    )
    plain = render(scene, SMALL.left)
    fine = render(scene, SMALL.left, supersample=4)
    np.testing.assert_array_equal(plain.depth, fine.depth)
    assert set(np.unique(plain.image)) == {0, 128}
    assert len(np.unique(fine.image)) > 2
    # The mean grey is the share of the image the face covers: (0.3 / 0.995 * 90 px)^2 * 128.
    covered = (0.3 / 0.995 * SMALL.left.fx) ** 2 / (90 * 120)
    assert abs(fine.image.mean() / 128 - covered) < 0.002


def test_view_gives_a_frame_for_matchers():
    view = render_stereo(fronto_parallel(), SMALL)
    frame = view.frame(stamp_ns=5)
    assert frame.stamp_ns == 5
    assert frame.left is view.left.image
    assert frame.camera.baseline_m == 0.12


def test_unaligned_rig_is_refused():
    left = ideal_camera(fx=100, fy=100, cx=60, cy=45, height=90, width=120)
    right = ideal_camera(fx=100, fy=100, cx=60, cy=45.4, height=90, width=120, tx=-10)
    with pytest.raises(CalibrationError, match='equal fx, fy and cy'):
        render_stereo(room(), StereoCamera(left=left, right=right, baseline_m=0.1))
