"""Every scale mode against known answers, on rendered scenes and on real frames with truth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from depth_ros.camera import PinholeCamera, ideal_camera, scaled_camera, stereo_camera
from depth_ros.errors import ParameterError
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.depth import disparity_to_depth
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.results import DepthResult, DepthScale
from depth_ros.scenes.solids import fronto_parallel, render, room
from depth_ros.tasks.mono.scale import make_scaler, median_and_spread
from depth_ros.tasks.mono.settings import ScaleMode, ScaleSettings
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.shared_data import shared_path

CAMERA = ideal_camera(fx=240.0, fy=240.0, cx=159.5, cy=119.5, height=240, width=320)
ROOM_FLOOR_M = 1.1
FACTOR = 3.7
KITTI_CAMERA_HEIGHT_M = 1.65
"""Geiger et al. 2012, figure of the recording platform."""


@dataclass(frozen=True)
class Rig:
    metres_per_unit: float = 5.4
    focal_over_width: float = 0.58


def relative(depth: np.ndarray, camera: PinholeCamera = CAMERA, *, stamp_ns: int = 0, **more):
    return DepthResult(
        depth=depth, camera=camera, stamp_ns=stamp_ns, scale=DepthScale.RELATIVE, **more
    )


def metric(depth: np.ndarray, camera: PinholeCamera = CAMERA, *, stamp_ns: int = 0) -> DepthResult:
    return replace(relative(depth, camera, stamp_ns=stamp_ns), scale=DepthScale.METRIC)


def scaler(mode: ScaleMode, *, rig: Rig | None = None, **values):
    return make_scaler(ScaleSettings(mode=mode, **values), rig)


def room_depth() -> np.ndarray:
    return render(room(), CAMERA).depth


def expect_refused(scaled, result: DepthResult, slug: str, *parts: str) -> None:
    assert scaled.result is result
    assert scaled.result.scale is DepthScale.RELATIVE
    assert scaled.factor is None
    assert scaled.spread is None
    assert scaled.slug == slug
    for part in parts:
        assert part in scaled.reason


def test_none_leaves_depth_relative_and_names_every_other_mode() -> None:
    result = relative(room_depth())
    scaled = scaler(ScaleMode.NONE).apply(result)
    others = [mode.value for mode in ScaleMode if mode is not ScaleMode.NONE]
    expect_refused(scaled, result, 'relative', 'scale.mode', *others)


def test_fixed_multiplies_and_keeps_what_is_no_number() -> None:
    depth = np.array([[1.0, np.nan, np.inf, -np.inf]], np.float32)
    confidence = np.array([[0.5, 0.0, 0.0, 0.0]], np.float32)
    camera = ideal_camera(fx=2.0, fy=2.0, cx=1.0, cy=0.0, height=1, width=4)
    result = relative(depth, camera, stamp_ns=7, confidence=confidence, sigma=0.1 * depth)
    scaled = scaler(ScaleMode.FIXED, factor=2.5).apply(result)
    np.testing.assert_array_equal(scaled.result.depth, [[2.5, np.nan, np.inf, -np.inf]])
    np.testing.assert_allclose(scaled.result.sigma, 2.5 * result.sigma)
    assert scaled.result.confidence is confidence
    assert scaled.result.depth.dtype == scaled.result.sigma.dtype == np.float32
    assert scaled.result.scale is DepthScale.METRIC
    assert scaled.result.stamp_ns == 7
    assert (scaled.factor, scaled.spread, scaled.reason, scaled.slug) == (2.5, None, '', '')
    assert result.depth[0, 0] == 1.0


@pytest.mark.parametrize('mode', list(ScaleMode))
def test_metric_depth_passes_every_mode_untouched(mode: ScaleMode) -> None:
    result = metric(room_depth())
    scaled = scaler(mode, rig=Rig(), factor=2.0, camera_height_m=1.0).apply(result)
    assert scaled.result is result
    assert (scaled.factor, scaled.reason) == (1.0, '')


def test_training_rig_on_the_training_camera_is_the_training_baseline() -> None:
    width = 1280
    camera = ideal_camera(fx=0.58 * width, fy=742.0, cx=640.0, cy=192.0, height=384, width=width)
    scaled = scaler(ScaleMode.TRAINING_RIG, rig=Rig()).apply(
        relative(np.full((384, width), 2.0, np.float32), camera)
    )
    assert scaled.factor == pytest.approx(5.4)
    assert scaled.spread is None
    np.testing.assert_allclose(scaled.result.depth, 10.8, rtol=1e-6)


def test_training_rig_corrects_the_focal_length_and_not_the_resolution() -> None:
    """A lens of twice the focal length makes things look twice as near; twice the pixels none."""
    narrow = ideal_camera(fx=480.0, fy=480.0, cx=159.5, cy=119.5, height=240, width=320)
    large = scaled_camera(CAMERA, height=480, width=640)
    ones = np.ones((240, 320), np.float32)
    factor = {}
    for name, camera in {'base': CAMERA, 'narrow': narrow, 'large': large}.items():
        depth = np.ones((camera.height, camera.width), np.float32)
        factor[name] = (
            scaler(ScaleMode.TRAINING_RIG, rig=Rig()).apply(relative(depth, camera)).factor
        )
    assert ones.shape == (CAMERA.height, CAMERA.width)
    assert factor['narrow'] == pytest.approx(2.0 * factor['base'])
    assert factor['large'] == pytest.approx(factor['base'])
    assert factor['base'] == pytest.approx(5.4 * 0.75 / 0.58)


def test_training_rig_is_true_stereo_arithmetic() -> None:
    """TiO-Depth's disparity at network width: metres are focal * baseline / disparity there."""
    baseline_m, net_width, disparity = 0.54, 640, 11.0
    depth_rel = 0.58 * net_width / disparity
    camera = ideal_camera(fx=700.0, fy=700.0, cx=620.0, cy=180.0, height=370, width=1240)
    scaled = scaler(ScaleMode.TRAINING_RIG, rig=Rig(metres_per_unit=baseline_m)).apply(
        relative(np.full((370, 1240), depth_rel, np.float32), camera)
    )
    focal_net = 700.0 / 1240 * net_width
    np.testing.assert_allclose(
        scaled.result.depth[0, 0], focal_net * baseline_m / disparity, rtol=1e-6
    )


def test_training_rig_needs_weights_that_have_one() -> None:
    with pytest.raises(ParameterError, match='recipe does not state'):
        scaler(ScaleMode.TRAINING_RIG)
    for values in ({'metres_per_unit': 0.0}, {'focal_over_width': math.nan}):
        with pytest.raises(ParameterError, match='correct the recipe'):
            scaler(ScaleMode.TRAINING_RIG, rig=Rig(**values))


def test_camera_height_gives_a_rendered_room_its_metres() -> None:
    depth = room_depth()
    scaled = scaler(
        ScaleMode.CAMERA_HEIGHT, camera_height_m=ROOM_FLOOR_M, min_ground_fraction=0.2
    ).apply(relative(depth / np.float32(FACTOR)))
    assert scaled.factor == pytest.approx(FACTOR, rel=2e-3)
    np.testing.assert_allclose(scaled.result.depth, depth, rtol=3e-3)
    assert scaled.result.scale is DepthScale.METRIC
    assert 0.0 <= scaled.spread < 0.01


def test_camera_height_takes_the_median_of_its_window_and_tells_the_spread() -> None:
    settings = {'camera_height_m': ROOM_FLOOR_M, 'min_ground_fraction': 0.2, 'window_s': 1.0}
    moving = scaler(ScaleMode.CAMERA_HEIGHT, **settings)
    depth = room_depth()
    wobble = [1.0, 1.1, 0.9, 1.02, 5.0]
    for index, factor in enumerate(wobble):
        scaled = moving.apply(relative(depth / np.float32(factor), stamp_ns=index * 100_000_000))
    assert scaled.factor == pytest.approx(1.02, rel=5e-3)
    expected = 1.4826 * np.median(np.abs(np.array(wobble) - 1.02)) / 1.02
    assert scaled.spread == pytest.approx(expected, rel=0.05)
    later = moving.apply(relative(depth / np.float32(2.0), stamp_ns=10_000_000_000))
    assert later.factor == pytest.approx(2.0, rel=5e-3)


@pytest.mark.parametrize('stamp_ns', [0, 5_000_000_000])
def test_camera_height_starts_afresh_where_stamps_do_not_rise(stamp_ns: int) -> None:
    moving = scaler(
        ScaleMode.CAMERA_HEIGHT,
        camera_height_m=ROOM_FLOOR_M,
        min_ground_fraction=0.2,
        window_s=100.0,
    )
    depth = room_depth()
    for _ in range(3):
        moving.apply(relative(depth, stamp_ns=5_000_000_000))
    scaled = moving.apply(relative(depth / np.float32(2.0), stamp_ns=stamp_ns))
    assert scaled.factor == pytest.approx(2.0, rel=5e-3)


def test_camera_height_refuses_a_frame_without_floor_and_recovers() -> None:
    moving = scaler(ScaleMode.CAMERA_HEIGHT, camera_height_m=ROOM_FLOOR_M, min_ground_fraction=0.2)
    assert moving.apply(relative(room_depth(), stamp_ns=1)).factor is not None
    wall = relative(render(fronto_parallel(2.0), CAMERA).depth, stamp_ns=2)
    expect_refused(moving.apply(wall), wall, 'no_ground', 'no ground plane', 'scale.mode')
    unknown = relative(np.full((240, 320), np.nan, np.float32), stamp_ns=3)
    expect_refused(moving.apply(unknown), unknown, 'no_ground', 'known at 0')
    assert moving.apply(relative(room_depth(), stamp_ns=4)).factor == pytest.approx(1.0, rel=2e-3)


def test_camera_height_agrees_with_a_head_worn_camera() -> None:
    """HoloLens depth and poses: the floor's height in the world is one number, 1.553 m down.

    That number is the median of pose height minus plane distance over all twelve frames; each
    frame alone must then give the factor its depth was divided by.
    """
    frames = list(hololens_frames())
    heights_m = {name: float(pose[1, 3]) for name, _, _, pose in frames}
    for name, depth, camera, pose in frames:
        down = -pose[1, :3]
        scaled = scaler(
            ScaleMode.CAMERA_HEIGHT,
            camera_height_m=heights_m[name] + 1.553,
            camera_pitch_rad=math.asin(down[2]),
            camera_roll_rad=math.atan2(down[0], down[1]),
            max_tilt_rad=0.1,
        ).apply(relative(depth / np.float32(FACTOR), camera))
        assert scaled.factor == pytest.approx(FACTOR, rel=0.025), name
        assert scaled.spread < 0.02


def test_camera_height_finds_the_road_under_kitti() -> None:
    """The rig's camera is 1.65 m above the road; depth by SGBM from the true baseline."""
    depth, camera = kitti_depth()
    scaled = scaler(ScaleMode.CAMERA_HEIGHT, camera_height_m=KITTI_CAMERA_HEIGHT_M).apply(
        relative(depth / np.float32(FACTOR), camera)
    )
    assert scaled.factor == pytest.approx(FACTOR, rel=0.04)


def test_reference_depth_takes_the_median_of_sparse_ratios() -> None:
    depth = room_depth()
    random = np.random.default_rng(2)
    sparse = np.where(random.random(depth.shape) < 0.01, depth, np.nan).astype(np.float32)
    wrong = random.random(depth.shape) < 0.2
    sparse[wrong] *= 4.0
    result = relative(depth / np.float32(FACTOR))
    scaled = scaler(ScaleMode.REFERENCE_DEPTH).apply(result, reference=metric(sparse))
    assert scaled.factor == pytest.approx(FACTOR, rel=1e-5)
    np.testing.assert_allclose(scaled.result.depth, depth, rtol=1e-5)
    assert scaled.result.scale is DepthScale.METRIC


def test_reference_depth_may_have_other_size_and_intrinsics() -> None:
    other = ideal_camera(fx=90.0, fy=90.0, cx=70.0, cy=50.0, height=96, width=128)
    reference = metric(render(room(), other).depth, other)
    result = relative(room_depth() / np.float32(FACTOR))
    scaled = scaler(ScaleMode.REFERENCE_DEPTH).apply(result, reference=reference)
    assert scaled.factor == pytest.approx(FACTOR, rel=2e-3)
    assert scaled.spread < 0.01


def test_reference_depth_agrees_with_real_registered_depth() -> None:
    name, depth, camera, _ = next(hololens_frames())
    small = scaled_camera(camera, height=camera.height // 3, width=camera.width // 3)
    reference = metric(depth[1::3, 1::3], small)
    scaled = scaler(ScaleMode.REFERENCE_DEPTH).apply(
        relative(depth / np.float32(FACTOR), camera), reference=reference
    )
    assert scaled.factor == pytest.approx(FACTOR, rel=1e-3), name


def test_reference_depth_tells_one_frame_from_another_by_the_spread() -> None:
    """ICL-NUIM frames 1 and 3 look elsewhere: their ratios spread, those of one frame do not."""
    folder = shared_path('data/iclnuim_rgbd/depth')
    camera = ideal_camera(fx=481.2, fy=480.0, cx=319.5, cy=239.5, height=480, width=640)
    first, third = (read_depth(folder / f'{name}.png', 5000.0) for name in (1, 3))
    result = relative(first / np.float32(FACTOR), camera)
    strict = scaler(ScaleMode.REFERENCE_DEPTH, max_spread=0.05)
    assert strict.apply(result, reference=metric(first, camera)).factor == pytest.approx(FACTOR)
    scaled = strict.apply(result, reference=metric(third, camera))
    expect_refused(scaled, result, 'spread', 'scale.max_spread')


@pytest.mark.parametrize(
    ('change', 'slug'),
    [
        ({'stamp_ns': 2_000_000_000}, 'stale_reference'),
        ({'scale': DepthScale.RELATIVE}, 'reference_scale'),
        ({'depth': np.full((240, 320), np.nan, np.float32)}, 'few_pixels'),
        ({'depth': np.zeros((240, 320), np.float32)}, 'few_pixels'),
        ({'camera': replace(CAMERA, frame_id='lidar')}, 'reference_frame'),
    ],
)
def test_reference_depth_refuses_what_does_not_belong(change: dict, slug: str) -> None:
    result = relative(room_depth(), replace(CAMERA, frame_id='camera'))
    reference = replace(metric(room_depth()), **change)
    scaled = scaler(ScaleMode.REFERENCE_DEPTH).apply(result, reference=reference)
    expect_refused(scaled, result, slug, ';')


def test_reference_depth_refuses_none_and_views_apart() -> None:
    result = relative(room_depth())
    scaled = scaler(ScaleMode.REFERENCE_DEPTH).apply(result)
    expect_refused(scaled, result, 'no_reference', 'reference_depth topic')
    beside = replace(CAMERA, p=CAMERA.p + np.array([[0, 0, 1e9, 0], [0] * 4, [0] * 4]))
    scaled = scaler(ScaleMode.REFERENCE_DEPTH).apply(
        result, reference=metric(room_depth(), beside)
    )
    expect_refused(scaled, result, 'few_pixels', 'at 0 pixels')


def test_reference_depth_needs_the_least_number_of_pixels() -> None:
    depth = room_depth()
    sparse = np.full_like(depth, np.nan)
    sparse[100, :99] = depth[100, :99]
    result = relative(depth)
    assert scaler(ScaleMode.REFERENCE_DEPTH).apply(result, reference=metric(sparse)).slug
    sparse[100, 99] = depth[100, 99]
    assert scaler(ScaleMode.REFERENCE_DEPTH).apply(result, reference=metric(sparse)).slug == ''


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('factor', -1.0),
        ('factor', math.nan),
        ('camera_height_m', math.inf),
        ('camera_pitch_rad', 2.0),
        ('camera_roll_rad', math.nan),
        ('max_tilt_rad', 0.0),
        ('min_ground_fraction', 1.5),
        ('min_ground_fraction', math.nan),
        ('window_s', -0.1),
        ('min_common_pixels', 0),
        ('max_spread', 0.0),
        ('max_stamp_difference_s', math.nan),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=rf'{name} must be .*{value!r}'):
        ScaleSettings(**{name: value})


def test_modes_refuse_to_start_without_what_they_need() -> None:
    assert ScaleSettings().mode is ScaleMode.NONE
    with pytest.raises(ParameterError, match=r'needs factor above 0'):
        scaler(ScaleMode.FIXED)
    with pytest.raises(ParameterError, match=r'needs camera_height_m above 0'):
        scaler(ScaleMode.CAMERA_HEIGHT)


def test_spread_is_the_standard_deviation_of_normal_values() -> None:
    values = 5.0 * (1.0 + 0.1 * np.random.default_rng(1).normal(size=20_000))
    median, spread = median_and_spread(values)
    assert median == pytest.approx(5.0, rel=0.01)
    assert spread == pytest.approx(0.1, rel=0.05)


def hololens_frames():
    folder = shared_path('data/hololens_mvs')
    k = np.loadtxt(folder / 'K.txt')
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 4, 4)
    rows = np.loadtxt(folder / 'frame_rows.csv', delimiter=',', skiprows=1, dtype=str)
    for name, row in rows:
        depth = read_depth(folder / 'depth' / name, 1000.0)
        height, width = depth.shape
        camera = ideal_camera(
            fx=k[0, 0], fy=k[1, 1], cx=k[0, 2], cy=k[1, 2], height=height, width=width
        )
        yield name, depth, camera, poses[int(row)]


def kitti_depth():
    folder = shared_path('data/kitti_odometry_grey')
    left, right = (
        np.repeat(cv2.imread(str(folder / f'{side}.png'), 0)[..., None], 3, axis=2)
        for side in ('left', 'right')
    )
    camera = ideal_camera(
        fx=718.856, fy=718.856, cx=607.1928, cy=185.2157, height=left.shape[0], width=left.shape[1]
    )
    rig = stereo_camera(camera, camera, baseline_m=0.5372)
    frame = RectifiedStereo(left=left, right=right, camera=rig)
    disparity = Pipeline(SgbmModel(SgbmSettings())).run(frame).result.disparity
    return disparity_to_depth(disparity, rig), camera


def read_depth(path, units_per_m: float) -> np.ndarray:
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / units_per_m
    depth[depth == 0] = np.nan
    return depth
