"""Our clouds in costmap layers that mark and clear as Nav2's: walls come, move and go again."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import yaml

from depth_ros.geometry.rigid import rigid, rotation_from_vector
from tests.kit.costmap import FREE, LETHAL, UNKNOWN, ObstacleLayer, Source, VoxelLayer, line
from tests.kit.robot_view import BASE_FROM_CAMERA, SOURCES, RobotView, box, with_source
from tests.kit.shared_data import REPOSITORY

FIELDS = {field.name for field in fields(Source)}
LAYERS = [ObstacleLayer, VoxelLayer]
WALL = (0.2, 2.4, 1.5)
"""Narrower than the view, at whose edges one ray may mark a voxel and none clear it."""
EYE = np.array([0.0, 0.0, 0.4])


def lethal_x(costs: np.ndarray, layer: ObstacleLayer, y_m: float = 0.0) -> list[float]:
    """Give the x of marked cells in the row through a y, to a centimetre."""
    row = int((y_m - layer.origin[1]) / layer.resolution)
    columns = np.flatnonzero(costs[row] == LETHAL)
    return [round(float(x), 3) for x in layer.origin[0] + columns * layer.resolution]


@pytest.mark.parametrize('kind', LAYERS)
def test_a_wall_appears_moves_and_disappears(kind: type[ObstacleLayer]) -> None:
    view = RobotView(kind(SOURCES))
    open_space = view.depth()
    assert not (view.see(open_space) == LETHAL).any()
    costs = view.see(view.depth(box(2.13, 0.0, size=WALL)))
    assert lethal_x(costs, view.layer) == [2.0]
    costs = view.see(view.depth(box(3.13, 0.0, size=WALL)))
    assert lethal_x(costs, view.layer) == [3.0], 'where it stood is cleared'
    costs = view.see(open_space)
    assert not (costs == LETHAL).any()


@pytest.mark.parametrize('kind', LAYERS)
def test_a_cloud_without_free_rays_never_clears_open_space(kind: type[ObstacleLayer]) -> None:
    """That is what NaN-only clouds do, and why there is ``points/clearing``."""
    view = RobotView(kind(with_source('clearing', clearing=False)))
    view.see(view.depth(box(2.13, 0.0, size=WALL)))
    assert lethal_x(view.see(view.depth()), view.layer) == [2.0]


@pytest.mark.parametrize('kind', LAYERS)
def test_an_open_door_clears(kind: type[ObstacleLayer]) -> None:
    view = RobotView(kind(SOURCES))
    left, right = box(2.13, 1.75, size=(0.2, 2.5, 1.5)), box(2.13, -1.75, size=(0.2, 2.5, 1.5))
    door = box(2.08, 0.0, size=(0.1, 1.0, 1.5))
    costs = view.see(view.depth(left, right, door))
    assert lethal_x(costs, view.layer) == [2.0]
    costs = view.see(view.depth(left, right))
    assert lethal_x(costs, view.layer) == []
    assert view.layer.cost(2.02, 0.9) == LETHAL and view.layer.cost(2.02, -0.9) == LETHAL


@pytest.mark.parametrize('kind', LAYERS)
def test_a_bare_wall_does_not_clear_what_stands_before_it(kind: type[ObstacleLayer]) -> None:
    """Nothing is known where depth is unknown: the bin stays, also once it is gone from sight."""
    view = RobotView(kind(SOURCES))
    crate = box(1.63, 0.0, size=(0.2, 0.4, 0.5))
    seen = view.depth(crate)
    assert lethal_x(view.see(seen), view.layer) == [1.5]
    unknown = np.full_like(seen, np.nan)
    assert lethal_x(view.see(unknown), view.layer) == [1.5]
    bare = view.depth(box(4.1, 0.0, size=(0.2, 9.0, 6.0)))
    bare = np.where(np.isclose(bare, 3.9), np.float32(np.nan), bare)
    rows_of_crate = np.isclose(seen, 1.43)
    half_known = np.where(rows_of_crate, np.float32(np.nan), bare)
    assert lethal_x(view.see(half_known), view.layer) == [1.5]


def test_a_kerb_stays_while_it_is_seen_and_goes_when_floor_is_seen() -> None:
    view = RobotView(ObstacleLayer(SOURCES))
    kerb = box(1.58, 0.0, size=(0.1, 1.0, 0.2))
    for _ in range(3):
        assert lethal_x(view.see(view.depth(kerb)), view.layer) == [1.5, 1.55]
    assert lethal_x(view.see(view.depth()), view.layer) == []


def test_a_ray_over_a_table_does_not_clear_below_in_voxels() -> None:
    """The layer in the plane forgets what it sees over; the one of voxels does not."""
    table = box(2.13, 0.0, size=(0.2, 1.0, 0.2))
    seen_over = box(4.1, 0.0, size=(0.2, 6.0, 2.0))
    costs = {}
    for kind in LAYERS:
        view = RobotView(kind(SOURCES))
        view.see(view.depth(table, seen_over))
        lost = view.depth(table, seen_over)
        lost[lost < 2.2] = np.nan
        costs[kind] = lethal_x(view.see(lost), view.layer)
    assert 2.0 not in costs[ObstacleLayer] and 2.0 in costs[VoxelLayer]


def test_what_is_above_the_band_is_driven_under() -> None:
    view = RobotView(ObstacleLayer(SOURCES))
    beam = box(2.13, 0.0, size=(0.2, 6.0, 0.3), bottom_m=2.2)
    assert not (view.see(view.depth(beam)) == LETHAL).any()


def test_rays_from_below_the_grid_are_dropped() -> None:
    """So a voxel layer whose origin_z is above the camera never clears."""
    layer = VoxelLayer(SOURCES, origin_z=0.5)
    view = RobotView(layer)
    view.see(view.depth(box(2.13, 0.0, size=WALL)))
    assert layer.num_blind == 2
    assert lethal_x(view.see(view.depth()), layer) == [2.0]


def test_a_band_of_heights_applies_to_rays_too() -> None:
    """A clearing source left at Nav2's defaults, 0 to 0, drops all of our points."""
    view = RobotView(
        ObstacleLayer(with_source('clearing', min_obstacle_height=0.0, max_obstacle_height=0.0))
    )
    view.see(view.depth(box(2.13, 0.0, size=WALL)))
    assert lethal_x(view.see(view.depth()), view.layer) == [2.0]


def test_ends_of_rays_lie_in_the_band_that_the_shipped_file_gives() -> None:
    view = RobotView(ObstacleLayer(SOURCES))
    ends = view.sight(view.depth()).free_points() @ view.base_from_camera[:3, :3].T
    height = ends[:, 2] + view.base_from_camera[2, 3]
    assert height.min() >= 0.1 - 1e-5 and height.max() <= 2.0 + 1e-5
    assert np.isfinite(ends).all()


def test_the_fused_cloud_is_measured_from_its_frames_origin() -> None:
    """``fused/points`` is in the frame of the poses: rays of it begin where the drive began."""
    far = np.array([[4.0, 0.0, 0.5]])
    fused = Source(clearing=True, max_obstacle_height=2.0, obstacle_max_range=2.5)
    layer = ObstacleLayer({'fused': fused})
    layer.observe('fused', far, np.zeros(3))
    layer.update()
    assert layer.cost(4.0, 0.0) == FREE, 'too far from the origin of odom'
    layer.observe('fused', far, np.array([3.0, 0.0, 0.4]))
    layer.update()
    assert layer.cost(4.0, 0.0) == LETHAL, 'sensor_frame names the camera'
    layer.costs[60, 80] = LETHAL
    layer.update()
    assert layer.cost(3.025, 0.025) == FREE, 'clearing would wipe what other sources marked'


def shipped(layer: str) -> ObstacleLayer:
    """Make the layer that ``config/nav2_stereo.yaml`` describes."""
    file = yaml.safe_load((REPOSITORY / 'config/nav2_stereo.yaml').read_text(encoding='utf-8'))
    given = file['local_costmap']['local_costmap']['ros__parameters'][layer]
    sources = {
        name: Source(**{key: given[name][key] for key in given[name] if key in FIELDS})
        for name in given['observation_sources'].split()
    }
    kind = {'ObstacleLayer': ObstacleLayer, 'VoxelLayer': VoxelLayer}[
        given['plugin'].split('::')[1]
    ]
    layer_fields = {field.name for field in fields(kind)} - {'sources'}
    return kind(sources, **{key: given[key] for key in given if key in layer_fields})


@pytest.mark.parametrize('name', ['stereo_obstacles', 'stereo_voxels'])
@pytest.mark.parametrize('pitch_rad', [0.0, 0.05])
def test_the_shipped_file_marks_and_clears(name: str, pitch_rad: float) -> None:
    """Also for a camera that looks down a little."""
    tilt = rotation_from_vector(np.array([0.0, pitch_rad, 0.0]))
    mount = rigid(tilt @ BASE_FROM_CAMERA[:3, :3], BASE_FROM_CAMERA[:3, 3])
    view = RobotView(shipped(name), base_from_camera=mount)
    world = np.eye(4)
    world[:3, :3] = BASE_FROM_CAMERA[:3, :3].T @ mount[:3, :3]
    view.world_from_camera = world
    wall = box(2.13, 0.0, size=WALL)
    assert not (view.see(view.depth()) == LETHAL).any()
    assert lethal_x(view.see(view.depth(wall)), view.layer) == [2.0]
    assert not (view.see(view.depth()) == LETHAL).any()


# The stand-in itself, by hand.


def test_bresenham_by_hand() -> None:
    cells = line(np.array([[0, 0]]), np.array([[5, 2]]), np.array([5]))
    assert cells.tolist() == [[0, 0], [1, 0], [2, 1], [3, 1], [4, 2], [5, 2]]
    back = line(np.array([[3, 3]]), np.array([[-1, -3]]), np.array([3]))
    assert back.tolist() == [[3, 3], [3, 2], [2, 1], [2, 0]]
    assert line(np.array([[0, 0]]), np.array([[5, 2]]), np.array([-1])).size == 0
    assert line(np.zeros((1, 3), int), np.array([[2, 0, 4]]), np.array([2])).tolist() == [
        [0, 0, 0],
        [1, 0, 1],
        [1, 0, 2],
    ]


def test_clearing_ends_at_the_raytrace_range_and_includes_the_last_cell() -> None:
    layer = ObstacleLayer({'a': Source(clearing=True, marking=False, max_obstacle_height=1.0)})
    layer.costs[:] = LETHAL
    layer.observe('a', np.array([[9.0, 0.0, 0.5]]), EYE)
    layer.update()
    freed = np.flatnonzero(layer.costs[60] == FREE)
    assert (freed[0], freed[-1]) == (20, 80), 'from the sensor at cell 20, 3 m of 5 cm on'


def test_marking_is_by_distance_in_space() -> None:
    source = Source(max_obstacle_height=2.0, obstacle_max_range=2.0, obstacle_min_range=0.5)
    layer = ObstacleLayer({'a': source})
    layer.observe('a', np.array([[1.9, 0, 1.2], [1.9, 0.2, 0.4], [0.4, 0.4, 0.4]]), EYE)
    layer.update()
    assert [layer.cost(1.9, 0), layer.cost(1.9, 0.2), layer.cost(0.4, 0.4)] == [
        FREE,
        LETHAL,
        LETHAL,
    ]


def test_voxels_of_a_column_count_together() -> None:
    source = Source(clearing=False, max_obstacle_height=3.0, obstacle_max_range=9.0)
    low, high = [1.0, 0.0, 0.3], [1.0, 0.0, 1.1]
    layer = VoxelLayer({'a': source}, mark_threshold=1)
    layer.observe('a', np.array([low]), EYE)
    assert (layer.update()[60, 40], layer.marked[60, 40].sum()) == (FREE, 1)
    layer.observe('a', np.array([low, high, [1.0, 0.0, 2.5]]), EYE)
    assert (layer.update()[60, 40], layer.marked[60, 40].sum()) == (LETHAL, 2)


def test_a_ray_through_voxels_stops_two_cells_before_its_point() -> None:
    source = Source(clearing=True, marking=False, max_obstacle_height=1.0)
    layer = VoxelLayer({'a': source}, track_unknown_space=True, unknown_threshold=9)
    layer.observe('a', np.array([[1.01, 0.01, 0.4]]), np.array([0.01, 0.01, 0.4]))
    costs = layer.update()
    freed = np.flatnonzero(~layer.unknown[60, :, 2])
    assert (freed[0], freed[-1]) == (20, 38)
    assert costs[60, 38] == FREE and costs[60, 39] == UNKNOWN
