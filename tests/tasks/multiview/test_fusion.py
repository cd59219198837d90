"""Geometric consistency, fusion and the voxel map, on rendered rooms with exact depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import ParameterError
from depth_ros.geometry.consistency import DepthView, agreement, lift, sample_depth
from depth_ros.geometry.consistency_settings import ConsistencySettings
from depth_ros.geometry.projection import project
from depth_ros.geometry.rigid import rigid, rotation_from_vector
from depth_ros.scenes.solids import fronto_parallel, render, room
from depth_ros.tasks.multiview.fusion import DepthFusion
from depth_ros.tasks.multiview.settings import FusionSettings, VoxelSettings
from depth_ros.tasks.multiview.voxel_map import VoxelMap

CAMERA = ideal_camera(fx=100.0, fy=100.0, cx=63.5, cy=47.5, height=96, width=128)
STEPS = ((0.0, 0.0, 0.0), (0.12, 0.0, 0.0), (0.24, 0.05, 0.0), (0.3, 0.0, 0.1))
SETTINGS = FusionSettings(stride=1, voxels=VoxelSettings(voxel_size_m=0.03))


def pose_at(position, turn=(0.0, 0.0, 0.0)):
    return rigid(rotation_from_vector(np.array(turn)), np.array(position))


def depth_view(scene, pose, *, confidence=1.0):
    view = render(scene, CAMERA, world_from_camera=pose)
    return DepthView(
        depth=view.depth,
        confidence=np.full(view.depth.shape, confidence, np.float32),
        image=view.image,
        camera=CAMERA,
        world_from_camera=pose,
    )


@pytest.fixture(scope='module')
def views():
    scene = room()
    return [depth_view(scene, pose_at(step, (0.0, 0.05 * n, 0.0))) for n, step in enumerate(STEPS)]


def all_pixels(view):
    rows, columns = np.mgrid[: view.depth.shape[0], : view.depth.shape[1]]
    pixels = np.stack([columns.ravel(), rows.ravel()], 1).astype(float)
    return pixels, view.depth.ravel().astype(float)


def test_lift_and_project_are_inverse(views):
    pixels, depth = all_pixels(views[0])
    known = np.isfinite(depth)
    back, z = project(CAMERA, lift(CAMERA, pixels[known], depth[known], np.eye(4)))
    np.testing.assert_allclose(back, pixels[known], atol=1e-9)
    np.testing.assert_allclose(z, depth[known])
    assert np.isnan(project(CAMERA, np.array([[0.0, 0.0, -1.0]]))[0]).all()


def test_a_map_is_read_between_pixels_and_unknown_outside():
    depth = np.arange(12, dtype=np.float32).reshape(3, 4)
    depth[2, 3] = np.nan
    at = np.array([[1.5, 0.5], [0.0, 0.0], [2.5, 1.5], [-0.6, 0.0], [np.nan, 1.0], [5.0, 1.0]])
    found = sample_depth(depth, at)
    np.testing.assert_allclose(found[:2], [3.5, 0.0])
    assert np.isnan(found[2:]).all()
    assert sample_depth(depth, np.empty((0, 2))).shape == (0,)


def test_many_more_pixels_than_opencv_takes_in_a_row():
    depth = np.full((4, 4), 2.0, np.float32)
    found = sample_depth(depth, np.full((70_000, 2), 1.5))
    assert (found == 2.0).all()


def test_exact_maps_agree_where_both_see_the_surface(views):
    pixels, depth = all_pixels(views[0])
    found = agreement(pixels, depth, views[0], views[1], ConsistencySettings())
    assert found.is_consistent.mean() > 0.75
    error = np.abs(found.depth - depth)[found.is_consistent] / depth[found.is_consistent]
    assert np.median(error) < 1e-3 and error.max() < 0.01


@pytest.mark.parametrize('factor', [1.03, 0.97])
def test_a_wrong_map_agrees_with_nothing_much(views, factor):
    wrong = replace(views[1], depth=views[1].depth * np.float32(factor))
    pixels, depth = all_pixels(views[0])
    found = agreement(pixels, depth, views[0], wrong, ConsistencySettings())
    assert found.is_consistent.mean() < 0.02


def test_unsure_unknown_and_opposite_pixels_agree_with_nothing(views):
    pixels, depth = all_pixels(views[0])
    unsure = replace(views[1], confidence=np.full_like(views[1].confidence, 0.5))
    behind = replace(views[1], world_from_camera=pose_at((0.0, 0.0, 0.0), (0.0, np.pi, 0.0)))
    for other in (unsure, behind):
        assert not agreement(
            pixels, depth, views[0], other, ConsistencySettings()
        ).is_consistent.any()
    none = agreement(
        pixels, np.full_like(depth, np.nan), views[0], views[1], ConsistencySettings()
    )
    assert not none.is_consistent.any()


def test_the_cloud_lies_on_the_scene(views):
    fusion = DepthFusion(SETTINGS)
    added = [fusion.add(view) for view in views]
    assert added[:2] == [0, 0], 'three views must agree'
    assert min(added[2:]) > 2000
    pixels, depth = project(CAMERA, fusion.map.points.astype(float))
    inside = ((pixels > 1) & (pixels < (126, 94))).all(axis=1)
    truth = sample_depth(views[0].depth, pixels[inside])
    error = np.abs(depth[inside] - truth) / truth
    assert np.nanmedian(error) < 0.005
    assert fusion.map.colors.dtype == np.uint8


def test_a_pixel_is_used_once(views):
    fusion = DepthFusion(replace(SETTINGS, window=8))
    total = sum(fusion.add(views[n % len(views)]) for n in range(6))
    assert total <= 6 * views[0].depth.size


def test_noise_is_averaged_and_outliers_do_not_get_in(views):
    rng = np.random.default_rng(3)
    fusion = DepthFusion(SETTINGS)
    for view in views:
        noisy = view.depth * (1.0 + 0.002 * rng.standard_normal(view.depth.shape))
        wild = rng.random(view.depth.shape) < 0.2
        noisy = np.where(wild, noisy * rng.uniform(0.3, 3.0, view.depth.shape), noisy)
        fusion.add(replace(view, depth=noisy.astype(np.float32)))
    pixels, depth = project(CAMERA, fusion.map.points.astype(float))
    inside = ((pixels > 1) & (pixels < (126, 94))).all(axis=1)
    truth = sample_depth(views[0].depth, pixels[inside])
    error = np.abs(depth[inside] - truth) / truth
    assert len(error) > 1000
    assert np.nanpercentile(error, 90) < 0.02


def test_what_is_gone_is_seen_through():
    near, far = fronto_parallel(1.0), fronto_parallel(2.0)
    poses = [pose_at((0.02 * n, 0.0, 0.0)) for n in range(8)]
    fusion = DepthFusion(replace(SETTINGS, voxels=VoxelSettings(voxel_size_m=0.01)))
    for pose in poses[:3]:
        fusion.add(depth_view(near, pose))
    assert np.isclose(fusion.map.points[:, 2], 1.0, atol=0.01).mean() > 0.99
    for _ in range(3):
        for pose in poses[3:]:
            fusion.add(depth_view(far, pose))
    z = fusion.map.points[:, 2]
    assert (z > 1.9).mean() > 0.9, f'{(z < 1.1).mean():.0%} of the wall that left is still there'
    assert fusion.map.num_removed > 1000


def test_reset_forgets(views):
    fusion = DepthFusion(SETTINGS)
    for view in views:
        fusion.add(view)
    fusion.reset()
    assert len(fusion.map) == 0 and fusion.add(views[0]) == 0


def test_voxels_average_position_and_colour():
    voxels = VoxelMap(VoxelSettings(voxel_size_m=1.0))
    points = np.array([[0.2, 0.2, 0.2], [0.4, 0.4, 0.4], [-0.5, 5.0, 3.0]])
    voxels.insert(points, np.array([[0, 0, 0], [100, 200, 50], [9, 9, 9]], np.uint8))
    voxels.insert(points[:1], np.array([[50, 100, 25]], np.uint8))
    assert len(voxels) == 2
    at = int(voxels.points[:, 0].argmax())
    np.testing.assert_allclose(voxels.points[at], np.full(3, 0.8 / 3), atol=1e-6)
    assert voxels.colors[at].tolist() == [50, 100, 25]


def test_a_map_stays_within_its_bound_and_forgets_the_oldest():
    voxels = VoxelMap(VoxelSettings(voxel_size_m=1.0, max_voxels=100))
    for start in range(0, 300, 50):
        points = np.stack([np.arange(start, start + 50) + 0.5, np.zeros(50), np.zeros(50)], 1)
        voxels.insert(points, np.zeros((50, 3), np.uint8))
    assert len(voxels) == 100 and voxels.num_evicted == 200
    assert voxels.points[:, 0].min() == 200.5


def test_points_that_are_nowhere_are_left_out():
    voxels = VoxelMap(VoxelSettings(voxel_size_m=0.01))
    points = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [1e9, 0, 0], [0.0, 0.0, 1.0]])
    voxels.insert(points, np.zeros((4, 3), np.uint8))
    assert len(voxels) == 1
    voxels.insert(points[:1], np.zeros((1, 3), np.uint8))
    assert len(voxels) == 1


@pytest.mark.parametrize(
    'make',
    [
        lambda: VoxelSettings(voxel_size_m=0.0),
        lambda: VoxelSettings(max_voxels=0),
        lambda: ConsistencySettings(min_views=0),
        lambda: ConsistencySettings(min_confidence=1.5),
        lambda: ConsistencySettings(max_depth_ratio=0.0),
        lambda: FusionSettings(window=2),
        lambda: FusionSettings(stride=0),
        lambda: FusionSettings(see_through_ratio=0.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(ParameterError, match=r'within|correct one'):
        make()
