"""Rooms: exact depth, colours that all views agree on, poses in optical axes, reproducibility."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='rooms are drawn in torch')

from depth_ros.camera import ideal_camera
from depth_ros.errors import ParameterError
from depth_ros.geometry.rigid import inverse
from depth_ros.scenes import solids
from depth_ros.scenes.layered.photometric import shoot, shoot_views
from depth_ros.scenes.layered.textures import spectral_noise
from depth_ros.scenes.rooms.cast import cast, make_rays
from depth_ros.scenes.rooms.draw import RoomSettings, draw_room
from depth_ros.scenes.rooms.furniture import GROUPS, Painter, Spot, random_rotation
from depth_ros.scenes.rooms.paths import (
    MIN_CLEARANCE_M,
    draw_intrinsics,
    draw_viewpoint,
    look_at,
    moved,
    overlap,
    position_of,
    probe,
    stereo_pair,
    video_path,
    views_around,
)
from depth_ros.scenes.rooms.render import (
    render_view,
    texture_levels,
)
from depth_ros.scenes.rooms.solids import Kind, RoomBuilder

HEIGHT, WIDTH = 48, 64
K = np.array([[55.0, 0.0, 30.7], [0.0, 55.0, 24.1], [0.0, 0.0, 1.0]])
SETTINGS = RoomSettings(textures=6)
PAINT = np.array((0.0, 100.0, 0.0, 7.0, 0.0, 100.0, 11.0, 1.0, 0.0))


@pytest.fixture(scope='module')
def pool():
    rng = np.random.default_rng(3)
    noise = [[spectral_noise(rng, 1.4) for _ in range(3)] for _ in range(SETTINGS.textures)]
    textures = 255.0 * np.stack([np.stack(planes, -1) for planes in noise])
    return texture_levels(torch.from_numpy(textures.astype(np.uint8)))


def walls(half=(3.0, 1.5, 4.0)) -> RoomBuilder:
    builder = RoomBuilder()
    builder.add(Kind.BOX, np.zeros(3), np.asarray(half), PAINT)
    return builder


def render_depth(room, k, camera_from_world, *, height, width) -> np.ndarray:
    return cast(room, make_rays(room, k, camera_from_world, height, width)).depth.numpy()


def finished(builder: RoomBuilder):
    return builder.room(light=np.array((0.5, -1.0, 0.3)), ambient=0.5)


def test_depth_is_that_of_the_other_renderer() -> None:
    rng = np.random.default_rng(5)
    builder = walls()
    shapes: list = [solids.Box(center=(0.0, 0.0, 0.0), size=(6.0, 3.0, 8.0))]
    for number in range(14):
        center, half = rng.uniform(-1.0, 1.0, 3) * (1.5, 1.0, 1.5), rng.uniform(0.01, 0.4, 3)
        center[2] += 1.5
        if number % 3 == 0:
            half[:] = half[0]
            builder.add(Kind.ELLIPSOID, center, half, PAINT)
            shapes.append(solids.Sphere(center=tuple(center), radius=half[0]))
            continue
        turn = random_rotation(rng)
        builder.add(Kind.BOX, center, half, PAINT, turn)
        shapes.append(
            solids.Box(center=tuple(center), size=tuple(2.0 * half), world_from_box=turn)
        )
    pose = moved(np.eye(4), step=(0.2, -0.1, -2.0), roll=(0.05, 0.1, 0.1))
    camera = ideal_camera(
        fx=K[0, 0], fy=K[1, 1], cx=K[0, 2], cy=K[1, 2], height=HEIGHT, width=WIDTH
    )
    truth = solids.render(
        solids.Scene(shapes=tuple(shapes)), camera, world_from_camera=inverse(pose)
    )
    depth = render_depth(finished(builder), K, pose, height=HEIGHT, width=WIDTH)
    assert len(np.unique(truth.shape_index)) > 8
    wrong = np.abs(depth / truth.depth - 1.0) > 1e-4
    assert wrong.mean() < 0.002, 'only rays that graze an edge may differ between the precisions'


def test_ellipsoids_and_cylinders_lie_where_their_equations_say() -> None:
    builder = walls()
    half = np.array((0.5, 0.8, 0.3))
    builder.add(Kind.ELLIPSOID, np.array((-0.9, 0.0, 2.0)), half, PAINT)
    builder.add(Kind.CYLINDER, np.array((0.9, 0.0, 2.0)), half, PAINT)
    depth = render_depth(finished(builder), K, np.eye(4), height=HEIGHT, width=WIDTH)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    points = np.stack(((x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)), -1)
    points = points * depth[..., None]
    for center, axes in ((-0.9, (0, 1, 2)), (0.9, (0, 2))):
        unit = (points - (center, 0.0, 2.0)) / half
        on = (np.abs(unit) < 1.01).all(-1)
        squared = (unit[..., axes] ** 2).sum(-1)[on]
        assert on.sum() > 200 and squared.max() < 1.001
        np.testing.assert_allclose(squared, 1.0, atol=2e-3)
    assert depth[24, 31 + round(0.9 * K[0, 0] / 1.7)] == pytest.approx(1.7, abs=0.01)


def test_an_empty_room_has_the_depth_of_its_walls() -> None:
    depth = render_depth(finished(walls()), K, np.eye(4), height=HEIGHT, width=WIDTH)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    reach = [np.full(x.shape, 4.0)]
    for size, ray in ((3.0, (x - K[0, 2]) / K[0, 0]), (1.5, (y - K[1, 2]) / K[1, 1])):
        reach.append(size / np.maximum(np.abs(ray), 1e-9))
    np.testing.assert_allclose(depth, np.minimum.reduce(reach), rtol=1e-5)


def across(view, depth, pose, other, other_pose):
    """Look colours and depths of a view up in another; also tell where both see the same."""
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]]
    rays = np.stack(((x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)), -1)
    points = np.concatenate((rays * depth[..., None], np.ones((*depth.shape, 1))), -1)
    points = points @ (other_pose @ inverse(pose)).T
    z = points[..., 2]
    column = (points[..., 0] / z * K[0, 0] + K[0, 2]).astype(np.float32)
    row = (points[..., 1] / z * K[1, 1] + K[1, 2]).astype(np.float32)
    import cv2

    colour = cv2.remap(other.image, column, row, cv2.INTER_LINEAR)
    found = cv2.remap(other.depth, column, row, cv2.INTER_NEAREST)
    inside = (column > 1) & (column < WIDTH - 2) & (row > 1) & (row < HEIGHT - 2) & (z > 0.1)
    return np.abs(colour - view).mean(-1), inside & (np.abs(found / z - 1.0) < 0.02)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_views_agree_in_colour_where_both_see_a_point(pool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    room = draw_room(rng, SETTINGS)
    start = draw_viewpoint(rng, room, K, height=HEIGHT, width=WIDTH)
    (pose,) = views_around(rng, room, start, K, sources=1, height=HEIGHT, width=WIDTH)
    views = [
        render_view(room, K, matrix, height=HEIGHT, width=WIDTH, pool=pool)
        for matrix in (start.camera_from_world, pose)
    ]
    first = views[0]
    error, seen = across(first.image, first.depth, start.camera_from_world, views[1], pose)
    assert seen.mean() > 0.3
    assert np.median(error[seen]) < 6.0
    wrong, _ = across(
        first.image, first.depth * 1.3, start.camera_from_world, views[1], moved(pose)
    )
    assert np.median(wrong[seen]) > 1.5 * np.median(error[seen])


def test_colour_stays_on_the_surface_when_the_camera_only_turns(pool) -> None:
    room = draw_room(np.random.default_rng(8), SETTINGS)
    pose = look_at(np.zeros(3), np.array((0.3, 0.2, 1.0)))
    k = np.array([[60.0, 0.0, 31.0], [0.0, 60.0, 23.0], [0.0, 0.0, 1.0]])
    upright = render_view(room, k, pose, height=47, width=63, pool=pool)
    half_turn = moved(pose, roll=(0.0, 0.0, np.pi))
    turned = render_view(room, k, half_turn, height=47, width=63, pool=pool)
    np.testing.assert_allclose(turned.depth[::-1, ::-1], upright.depth, rtol=1e-3)
    same = np.abs(turned.image[::-1, ::-1] - upright.image) < 1.0
    assert same.mean() > 0.99


def test_poses_are_right_handed_optical_axes() -> None:
    position, target = np.array((0.4, -0.2, -1.0)), np.array((1.0, 0.5, 2.0))
    pose = look_at(position, target)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
    np.testing.assert_allclose(position_of(pose), position, atol=1e-12)
    x, y, z = pose[:3, :3] @ target + pose[:3, 3]
    assert (x, y) == pytest.approx((0.0, 0.0), abs=1e-12) and z > 0.0
    down, right = pose[:3, :3] @ (0.0, 1.0, 0.0), pose[:3, :3] @ (1.0, 0.0, 0.0)
    assert down[1] > 0.9 and right[0] > 0.9, 'y down, x right'
    ahead = moved(pose, step=(0.0, 0.0, 0.5))
    assert (ahead[:3, :3] @ target + ahead[:3, 3])[2] == pytest.approx(z - 0.5)


def test_stereo_pair_has_the_disparity_of_its_depth(pool) -> None:
    rng = np.random.default_rng(11)
    room = draw_room(rng, SETTINGS)
    left_pose = draw_viewpoint(rng, room, K, height=HEIGHT, width=WIDTH).camera_from_world
    right_pose = stereo_pair(left_pose, 0.1)
    right_from_left = right_pose @ inverse(left_pose)
    np.testing.assert_allclose(right_from_left[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(right_from_left[:3, 3], (-0.1, 0.0, 0.0), atol=1e-12)
    left = render_view(room, K, left_pose, height=HEIGHT, width=WIDTH, pool=pool)
    right = render_view(room, K, right_pose, height=HEIGHT, width=WIDTH, pool=pool)
    column = np.arange(WIDTH) - K[0, 0] * 0.1 / left.depth
    rows = np.broadcast_to(np.arange(HEIGHT)[:, None], column.shape)
    nearest = column.round().astype(int).clip(0, WIDTH - 1)
    same = np.abs(right.depth[rows, nearest] / left.depth - 1.0) < 0.03
    assert same[:, WIDTH // 4 :].mean() > 0.8


def test_video_moves_steadily_and_hits_nothing() -> None:
    rng = np.random.default_rng(4)
    room = draw_room(rng, SETTINGS)
    start = draw_viewpoint(rng, room, K, height=HEIGHT, width=WIDTH).camera_from_world
    poses = video_path(rng, room, start, frames=40, step_m=0.06)
    places = np.array([position_of(pose) for pose in poses])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert len(poses) == 40 and 0.02 < np.median(steps) < 0.2
    assert min(room.clearance(place) for place in places) >= MIN_CLEARANCE_M


def test_sources_see_what_the_reference_sees() -> None:
    rng = np.random.default_rng(6)
    room = draw_room(rng, SETTINGS)
    start = draw_viewpoint(rng, room, K, height=HEIGHT, width=WIDTH)
    pose = start.camera_from_world
    depth = probe(room, K, pose, HEIGHT, WIDTH)
    assert overlap(room, depth, K, pose, pose, (HEIGHT, WIDTH)) == 1.0
    behind = moved(pose, roll=(0.0, np.pi, 0.0))
    assert overlap(room, depth, K, pose, behind, (HEIGHT, WIDTH)) == 0.0
    for source in views_around(rng, room, start, K, sources=4, height=HEIGHT, width=WIDTH):
        assert overlap(room, depth, K, pose, source, (HEIGHT, WIDTH)) >= 0.45
        assert room.clearance(position_of(source)) >= MIN_CLEARANCE_M


def test_clearance_is_the_distance_to_boxes() -> None:
    builder = walls((3.0, 1.5, 4.0))
    builder.add(Kind.BOX, np.array((1.0, 0.0, 0.0)), np.array((0.5, 0.5, 0.5)), PAINT)
    room = finished(builder)
    assert room.clearance(np.array((0.0, 0.0, 0.0))) == pytest.approx(0.5)
    assert room.clearance(np.array((0.2, 0.9, 0.9))) == pytest.approx(0.6), 'the ceiling'
    assert room.clearance(np.array((0.2, 0.9, 0.0))) == pytest.approx(0.5), 'an edge of the box'
    assert room.clearance(np.array((1.0, 0.1, 0.0))) < 0.0
    assert room.clearance(np.array((3.5, 0.0, 0.0))) < 0.0
    assert room.clearance(np.array((-2.9, 0.0, 0.0))) == pytest.approx(0.1)


def test_a_room_without_free_space_is_refused() -> None:
    builder = walls()
    builder.add(Kind.BOX, np.zeros(3), np.array((2.95, 1.45, 3.95)), PAINT)
    with pytest.raises(ParameterError, match='less crowded'):
        draw_viewpoint(np.random.default_rng(0), finished(builder), K, height=48, width=64)


@pytest.mark.parametrize('group', [group for _, group in GROUPS], ids=lambda group: group.__name__)
def test_groups_stand_on_the_floor(group) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        builder = walls()
        painter = Painter(rng=rng, textures=6, min_contrast=0.4)
        place = np.array((0.5, 1.5, 0.2))
        group(Spot(builder=builder, painter=painter, place=place, yaw_rad=0.7))
        room = finished(builder)
        turned = np.abs(room.world_from_solid) @ room.half[..., None]
        lowest = (room.center + turned[..., 0])[1:, 1]
        assert len(lowest) >= 1 and (room.half > 0.0).all()
        assert lowest.max() == pytest.approx(1.5, abs=0.05), 'something stands on the floor'


def test_rooms_are_reproducible_and_pickle(pool) -> None:
    rooms = [draw_room(np.random.default_rng(9), SETTINGS) for _ in range(2)]
    rooms.append(pickle.loads(pickle.dumps(rooms[0])))
    pose = look_at(np.zeros(3), np.array((1.0, 0.2, 1.0)))
    views = [render_view(room, K, pose, height=24, width=32, pool=pool) for room in rooms]
    for view in views[1:]:
        np.testing.assert_array_equal(view.image, views[0].image)
        np.testing.assert_array_equal(view.depth, views[0].depth)
    other = draw_room(np.random.default_rng(10), SETTINGS)
    assert other.center.shape != rooms[0].center.shape or not np.allclose(
        other.half, rooms[0].half
    )
    assert views[0].image.dtype == views[0].depth.dtype == np.float32
    assert views[0].image.min() >= 0.0 and views[0].image.max() <= 255.0


def test_intrinsics_are_those_of_real_cameras() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        k = draw_intrinsics(rng, height=96, width=128)
        assert 0.64 * 128 < k[0, 0] == k[1, 1] < 1.31 * 128
        assert abs(k[0, 2] - 63.5) < 12 and abs(k[1, 2] - 47.5) < 12


def test_two_views_are_shot_as_before() -> None:
    image = np.linspace(0, 255, 16 * 24 * 3, dtype=np.float32).reshape(16, 24, 3)
    pair = shoot(np.random.default_rng(2), image, image[::-1])
    views = shoot_views(np.random.default_rng(2), [image, image[::-1]])
    for one, other in zip(pair, views, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(shoot_views(np.random.default_rng(2), [image] * 4)) == 4
