"""Rectification: known points land where they should, real pairs become row-aligned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.camera import (
    PinholeCamera,
    camera_from_calibration,
    ideal_camera,
    rectified_camera,
)
from depth_ros.errors import CalibrationError
from depth_ros.frames import MonoFrame, StereoFrame
from depth_ros.geometry.rectify import MonoRectifier, Rectifier, RectifierCache
from tests.kit.shared_data import shared_path

HEIGHT, WIDTH = 240, 320
ROTATION = cv2.Rodrigues(np.array([0.03, -0.05, 0.04]))[0]
FISHEYE = np.array([0.05, -0.02, 0.01, -0.003])
BROWN = np.array([-0.28, 0.09, 0.002, -0.001, -0.01])
RATIONAL = np.array([0.3, 0.05, 0.001, -0.002, 0.01, 0.6, 0.1, 0.02])


def brown(x: np.ndarray, y: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brown 1966, and the rational model of Claus and Fitzgibbon, in OpenCV's order."""
    k = np.concatenate([d, np.zeros(8 - d.size)])
    r2 = x * x + y * y
    above = 1 + k[0] * r2 + k[1] * r2**2 + k[4] * r2**3
    radial = above / (1 + k[5] * r2 + k[6] * r2**2 + k[7] * r2**3)
    dx = 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x)
    dy = k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y
    return x * radial + dx, y * radial + dy


def equidistant(x: np.ndarray, y: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kannala and Brandt 2006 with four terms."""
    radius = np.hypot(x, y)
    theta = np.arctan(radius)
    distorted = theta * (1 + d[0] * theta**2 + d[1] * theta**4 + d[2] * theta**6 + d[3] * theta**8)
    scale = np.where(radius > 0, distorted / np.maximum(radius, 1e-12), 1.0)
    return x * scale, y * scale


MODELS: dict[str, tuple[str, np.ndarray, Callable]] = {
    'plumb_bob': ('plumb_bob', BROWN, brown),
    'plumb_bob zeros': ('plumb_bob', np.zeros(5), brown),
    'rational': ('rational_polynomial', RATIONAL, brown),
    'equidistant': ('equidistant', FISHEYE, equidistant),
    'equidistant zeros': ('equidistant', np.zeros(4), equidistant),
}


def raw_camera(
    model: str = 'plumb_bob',
    d: np.ndarray = BROWN,
    *,
    r: np.ndarray = ROTATION,
    tx: float = 0.0,
    cx: float = 158.0,
    binning: tuple[int, int] = (0, 0),
    roi: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> PinholeCamera:
    return camera_from_calibration(
        k=np.array([200.0, 0, 162, 0, 205, 117, 0, 0, 1]),
        d=d,
        distortion_model=model,
        r=r,
        p=np.array([180.0, 0, cx, tx, 0, 190, 121, 0, 0, 0, 1, 0]),
        height=HEIGHT,
        width=WIDTH,
        binning=binning,
        roi=roi,
    )


def raw_pixels(
    camera: PinholeCamera, distort: Callable, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the raw image shows rectified pixels, by the formulas of ``CameraInfo``."""
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)])
    x, y, z = np.tensordot(camera.r.T, rays, axes=1)
    x, y = distort(x / z, y / z, camera.d)
    return camera.k[0, 0] * x + camera.k[0, 2], camera.k[1, 1] * y + camera.k[1, 2]


def frame_of(image: np.ndarray, camera: PinholeCamera, **changes: bool) -> MonoFrame:
    rgb = image if image.ndim == 3 else np.dstack([image] * 3)
    return MonoFrame(image=rgb, camera=camera, stamp_ns=7, **changes)


def blobs(x: np.ndarray, y: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bright Gaussian spots of 2 px at subpixel positions."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    image = np.zeros((height, width))
    for spot_x, spot_y in zip(x, y, strict=True):
        image += np.exp(-((columns - spot_x) ** 2 + (rows - spot_y) ** 2) / 8.0)
    return np.rint(np.clip(image * 250, 0, 255)).astype(np.uint8)


def centroid(image: np.ndarray, x: float, y: float) -> tuple[float, float]:
    left, top = round(x) - 9, round(y) - 9
    patch = image[top : top + 19, left : left + 19].astype(np.float64)
    rows, columns = np.mgrid[:19, :19]
    return (columns * patch).sum() / patch.sum() + left, (rows * patch).sum() / patch.sum() + top


@pytest.mark.parametrize('name', list(MODELS))
@pytest.mark.parametrize('is_identity_r', [False, True])
def test_points_land_where_the_model_says(name: str, is_identity_r: bool) -> None:
    model, d, distort = MODELS[name]
    camera = raw_camera(model, d, r=np.eye(3) if is_identity_r else ROTATION)
    u, v = (grid.ravel() for grid in np.meshgrid([60.3, 160.0, 250.7], [50.4, 120.0, 185.6]))
    image = blobs(*raw_pixels(camera, distort, u, v), HEIGHT, WIDTH)
    rectified = MonoRectifier(camera).rectify(frame_of(image, camera)).image[..., 0]
    for x, y in zip(u, v, strict=True):
        found = centroid(rectified, x, y)
        assert np.hypot(found[0] - x, found[1] - y) < 0.12, (x, y, found)


@pytest.mark.parametrize('name', list(MODELS))
def test_a_pattern_comes_back(name: str) -> None:
    """The raw image of a known rectified one, made by forward projection of a fine grid."""
    model, d, distort = MODELS[name]
    camera = raw_camera(model, d)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    map_u, map_v = inverse_map(camera, distort)
    raw = np.rint(pattern(map_u, map_v)).astype(np.uint8)
    rectifier = MonoRectifier(camera)
    rectified = rectifier.rectify(frame_of(raw, camera)).image[..., 0]
    covered = np.ones((HEIGHT, WIDTH), bool) if rectifier.covered is None else rectifier.covered
    error = np.abs(rectified - pattern(columns, rows))[covered]
    assert covered.mean() > 0.6
    assert error.mean() < 1.0
    assert np.percentile(error, 99) < 4.0


def pattern(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 128 + 60 * np.sin(u / 6.0) + 50 * np.cos(v / 5.0 + u / 30.0)


def inverse_map(camera: PinholeCamera, distort: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Rectified coordinates of each raw pixel, by Newton's method on the forward model."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    u, v = columns.copy(), rows.copy()
    for _ in range(60):
        x, y = raw_pixels(camera, distort, u, v)
        u += 0.7 * (columns - x)
        v += 0.7 * (rows - y)
    return u, v


def test_r_and_p_are_honoured_without_distortion() -> None:
    turned = MonoRectifier(raw_camera('plumb_bob', np.zeros(5)))
    assert not turned.is_identity
    zoomed = camera_from_calibration(
        k=np.array([200.0, 0, 160, 0, 200, 120, 0, 0, 1]),
        d=np.zeros(0),
        distortion_model='plumb_bob',
        r=np.eye(3),
        p=np.array([100.0, 0, 160, 0, 0, 100, 120, 0, 0, 0, 1, 0]),
        height=HEIGHT,
        width=WIDTH,
    )
    rectifier = MonoRectifier(zoomed)
    assert not rectifier.is_identity
    image = blobs(np.array([200.0]), np.array([100.0]), HEIGHT, WIDTH)
    found = centroid(rectifier.rectify(frame_of(image, zoomed)).image[..., 0], 180.0, 110.0)
    assert found == pytest.approx((180.0, 110.0), abs=0.1)
    assert rectifier.covered is not None
    assert rectifier.covered.mean() == pytest.approx(0.25, abs=0.01)


def test_identity_is_found_and_costs_nothing() -> None:
    camera = ideal_camera(fx=200.0, fy=200.0, cx=160.0, cy=120.0, height=HEIGHT, width=WIDTH)
    rectifier = MonoRectifier(camera)
    frame = frame_of(np.zeros((HEIGHT, WIDTH), np.uint8), camera)
    assert rectifier.is_identity
    assert rectifier.covered is None
    assert rectifier.rectify(frame).image is frame.image
    fisheye = camera_from_calibration(
        k=camera.k.ravel(),
        d=np.zeros(4),
        distortion_model='equidistant',
        r=np.eye(3),
        p=camera.p.ravel(),
        height=HEIGHT,
        width=WIDTH,
    )
    assert not MonoRectifier(fisheye).is_identity


def test_rectifying_a_rectified_image_changes_nothing() -> None:
    camera = raw_camera()
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    once = MonoRectifier(camera).rectify(frame_of(image, camera))
    assert once.is_rectified
    assert once.stamp_ns == 7
    again = MonoRectifier(once.camera)
    assert again.is_identity
    np.testing.assert_array_equal(again.rectify(once).image, once.image)


@pytest.mark.parametrize(
    ('roi', 'binning'),
    [((40, 30, 240, 160), (0, 0)), ((0, 0, 0, 0), (2, 2)), ((40, 30, 240, 160), (2, 2))],
)
def test_roi_and_binning_are_windows_of_the_full_rectified_image(
    roi: tuple[int, int, int, int], binning: tuple[int, int]
) -> None:
    full, part = raw_camera(), raw_camera(roi=roi, binning=binning)
    step, x0, y0 = max(1, binning[0]), roi[0], roi[1]
    u, v = np.array([120.0, 160.0, 230.0]), np.array([80.0, 120.0, 150.0])
    x, y = raw_pixels(full, brown, u, v)
    image = blobs((x - x0) / step, (y - y0) / step, part.height, part.width)
    rectified = MonoRectifier(part).rectify(frame_of(image, part)).image[..., 0]
    for spot_u, spot_v in zip((u - x0) / step, (v - y0) / step, strict=True):
        found = centroid(rectified, spot_u, spot_v)
        assert found == pytest.approx((spot_u, spot_v), abs=0.12)


def test_pairs_of_other_sizes_are_refused() -> None:
    left, right = raw_camera(), raw_camera(tx=-18.0)
    rectifier = Rectifier(left, right)
    small = raw_camera(binning=(2, 2))
    frame = frame_of(np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8), small)
    with pytest.raises(CalibrationError, match='160x120'):
        rectifier.rectify(StereoFrame(left=frame, right=frame))


def test_rig_has_the_rectified_calibration() -> None:
    rectifier = Rectifier(raw_camera(), raw_camera(tx=-18.0, cx=150.0))
    rig = rectifier.camera
    assert rig.baseline_m == pytest.approx(0.1)
    assert rig.cx_offset_px == 8.0
    for camera in (rig.left, rig.right):
        np.testing.assert_array_equal(camera.k, camera.p[:, :3])
        np.testing.assert_array_equal(camera.r, np.eye(3))
        assert not camera.d.any()
    assert rig.right.p[0, 3] == -18.0
    with pytest.raises(CalibrationError) as caught:
        Rectifier(raw_camera(), raw_camera())
    assert caught.value.reason == 'baseline_missing'
    assert Rectifier(raw_camera(), raw_camera(), baseline_m=0.2).camera.baseline_m == 0.2


def test_rectified_inputs_pass_untouched_one_by_one() -> None:
    left, right = raw_camera(), raw_camera(tx=-18.0)
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    raw, done = frame_of(image, left), frame_of(image, right, is_rectified=True)
    pair = Rectifier(left, right).rectify(StereoFrame(left=raw, right=done))
    assert pair.right is image
    assert pair.stamp_ns == 7
    assert not np.array_equal(pair.left, image)


def stereo_cameras(
    k0: np.ndarray, d0: np.ndarray, k1: np.ndarray, d1: np.ndarray, pose: np.ndarray, size: tuple
) -> tuple[PinholeCamera, PinholeCamera]:
    """Calibrations as a ROS stereo calibrator publishes them; pose is right from left, 4x4."""
    r, t = pose[:3, :3].copy(), pose[:3, 3:].copy()
    r0, r1, p0, p1, *_ = cv2.stereoRectify(
        k0, d0, k1, d1, size, r, t, flags=cv2.CALIB_ZERO_DISPARITY, alpha=0
    )
    common = {'distortion_model': 'plumb_bob', 'height': size[1], 'width': size[0]}
    left = camera_from_calibration(k=k0, d=d0, r=r0, p=p0, **common)
    return left, camera_from_calibration(k=k1, d=d1, r=r1, p=p1, **common)


def numbers_after(path: Path, key: str) -> np.ndarray:
    text = path.read_text().split(key, 1)[1]
    inside = text[text.index('[') + 1 : text.index(']')]
    return np.array([float(number) for number in inside.split(',')])


def euroc_cameras(root: Path) -> tuple[PinholeCamera, PinholeCamera]:
    calibrations, poses = [], []
    for name in ('cam0', 'cam1'):
        path = root / 'mav0' / name / 'sensor.yaml'
        fx, fy, cx, cy = numbers_after(path, '\nintrinsics:')
        k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        calibrations += [k, numbers_after(path, '\ndistortion_coefficients:')]
        poses.append(numbers_after(path, 'data:').reshape(4, 4))
    right_from_left = np.linalg.inv(poses[1]) @ poses[0]
    return stereo_cameras(*calibrations, right_from_left, (752, 480))


def row_errors(left: np.ndarray, right: np.ndarray, *, search_px: float) -> np.ndarray:
    """Vertical offsets of matched points.

    SIFT with a ratio test and mutual agreement among candidates within ``search_px`` rows,
    refined to subpixels by Lucas-Kanade, which must find its way back to 0.1 px. Nothing in it
    prefers small offsets.
    """
    sift = cv2.SIFT_create(1500)
    (first, of_first), (second, of_second) = (
        sift.detectAndCompute(i, None) for i in (left, right)
    )
    points0, points1 = (np.array([k.pt for k in keys], np.float32) for keys in (first, second))
    distance = np.sqrt(
        np.maximum(
            (of_first**2).sum(1)[:, None] + (of_second**2).sum(1) - 2 * of_first @ of_second.T, 0
        )
    )
    distance[np.abs(points0[:, None, 1] - points1[None, :, 1]) > search_px] = np.inf
    best = distance.argmin(1)
    two = np.partition(distance, 1, axis=1)
    index = np.arange(len(best))
    keep = (two[:, 0] < 0.75 * two[:, 1]) & (distance.argmin(0)[best] == index)
    start, guess = points0[keep], points1[best[keep]]
    there, is_there = track(left, right, start, guess)
    back, is_back = track(right, left, there, start)
    agrees = np.abs(back - start).max(axis=1) < 0.1
    return (start - there)[is_there & is_back & agrees][:, 1]


def track(
    first: np.ndarray, second: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        first,
        second,
        points,
        guess.copy(),
        winSize=(21, 21),
        maxLevel=0,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 0.005),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return moved, (found[:, 0] == 1) & (np.abs(moved - guess).max(axis=1) < 2.0)


def test_euroc_pairs_become_row_aligned() -> None:
    root = shared_path('data/euroc_v101_stereo')
    left_camera, right_camera = euroc_cameras(root)
    rectifier = Rectifier(left_camera, right_camera)
    assert rectifier.camera.left.fx == pytest.approx(436.244, abs=0.01)
    assert rectifier.camera.baseline_m == pytest.approx(0.110078, abs=1e-5)
    raw_errors, errors = [], []
    for path in sorted((root / 'mav0/cam0/data').glob('*.png')):
        left, right = (
            cv2.imread(str(root / 'mav0' / name / 'data' / path.name), cv2.IMREAD_GRAYSCALE)
            for name in ('cam0', 'cam1')
        )
        frames = frame_of(left, left_camera), frame_of(right, right_camera)
        pair = rectifier.rectify(StereoFrame(left=frames[0], right=frames[1]))
        raw_errors.append(row_errors(left, right, search_px=30.0))
        errors.append(row_errors(pair.left[..., 0], pair.right[..., 0], search_px=15.0))
    before, after = np.abs(np.concatenate(raw_errors)), np.abs(np.concatenate(errors))
    assert len(after) > 400
    assert np.median(before) > 5.0
    assert np.median(after) < 0.5
    assert np.percentile(after, 90) < 0.5


def chessboard(image: np.ndarray) -> np.ndarray:
    found, corners = cv2.findChessboardCorners(image, (9, 6))
    assert found
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 0.005)
    return cv2.cornerSubPix(image, corners, (5, 5), (-1, -1), criteria).reshape(-1, 2)


def test_chessboard_corners_become_row_aligned() -> None:
    """R and T from eight pairs, the corners of five others found in the rectified images."""
    root = shared_path('data/opencv_stereo_chessboard')
    k0 = np.array([[536.07, 0, 342.37], [0, 536.01, 235.53], [0, 0, 1]])
    k1 = np.array([[542.34, 0, 328.33], [0, 541.60, 246.96], [0, 0, 1]])
    d0 = np.array([-0.2651, -0.0466, 0.0018, -0.0003, 0.2522])
    d1 = np.array([-0.2806, 0.1044, -0.0006, 0.0013, -0.0238])
    pairs = [
        [cv2.imread(str(root / f'{side}{index:02}.jpg'), 0) for side in ('left', 'right')]
        for index in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14)
    ]
    board = np.zeros((54, 3), np.float32)
    board[:, :2] = np.mgrid[:9, :6].T.reshape(-1, 2) * 0.025
    corners = [[chessboard(image) for image in pair] for pair in pairs[:8]]
    calibrated = cv2.stereoCalibrate(
        [board] * 8,
        [pair[0] for pair in corners],
        [pair[1] for pair in corners],
        k0,
        d0,
        k1,
        d1,
        (640, 480),
        flags=cv2.CALIB_FIX_INTRINSIC,
    )
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = calibrated[5], calibrated[6].ravel()
    left_camera, right_camera = stereo_cameras(k0, d0, k1, d1, pose, (640, 480))
    rectifier = Rectifier(left_camera, right_camera)
    assert rectifier.camera.baseline_m == pytest.approx(0.0836, abs=0.001)
    before, after = [], []
    for left, right in pairs[8:]:
        before.append((chessboard(left) - chessboard(right))[:, 1])
        frames = frame_of(left, left_camera), frame_of(right, right_camera)
        pair = rectifier.rectify(StereoFrame(left=frames[0], right=frames[1]))
        rows = [chessboard(np.ascontiguousarray(i[..., 0])) for i in (pair.left, pair.right)]
        after.append((rows[0] - rows[1])[:, 1])
    assert np.abs(before).mean() > 5.0
    assert np.abs(after).mean() < 0.5


def test_rectified_camera_of_a_rectified_camera_is_itself() -> None:
    camera = rectified_camera(raw_camera())
    assert rectified_camera(camera).fingerprint() == camera.fingerprint()


def test_cache_builds_again_only_when_a_calibration_changes() -> None:
    cache = RectifierCache()
    first = cache.of_camera(raw_camera())
    assert cache.of_camera(raw_camera()) is first, 'equal numbers, another object'
    other = cache.of_camera(raw_camera(cx=150.0))
    assert other is not first and other.camera.cx == 150.0
    assert cache.of_camera(raw_camera()) is not first, 'one is kept'


def test_cache_keeps_what_one_call_asked_for_or_the_number_it_was_given() -> None:
    cameras = [raw_camera(cx=cx) for cx in (150.0, 151.0, 150.0)]
    cache = RectifierCache()
    first, second, third = cache.of_cameras(cameras)
    assert first is third and second is not first
    assert cache.of_cameras(cameras) == [first, second, third]
    roomy = RectifierCache(num_kept=2)
    kept = [roomy.of_camera(camera) for camera in cameras]
    assert kept[0] is kept[2]
    roomy.of_camera(raw_camera(cx=152.0))
    assert roomy.of_camera(cameras[0]) is kept[0], 'the oldest went'


def test_cache_of_a_rig_follows_calibrations_and_baseline() -> None:
    left, right = raw_camera(), raw_camera(tx=0.0)
    cache = RectifierCache()
    rig = cache.of_rig(left, right, baseline_m=0.1)
    assert cache.of_rig(raw_camera(), right, baseline_m=0.1) is rig
    assert cache.of_rig(left, right, baseline_m=0.2).camera.baseline_m == 0.2
    with pytest.raises(CalibrationError):
        cache.of_rig(left, right)
