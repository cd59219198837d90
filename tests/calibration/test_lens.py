"""Rays beyond where a distortion polynomial turns back: found, black, unknown, told once."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from depth_ros.calibration.distortion import DistortionModel
from depth_ros.calibration.lens import believable_radius
from depth_ros.camera import PinholeCamera, camera_from_calibration
from depth_ros.files.calibration import StereoCalibration
from depth_ros.frames import MonoFrame
from depth_ros.geometry.rectify import MonoRectifier, RectifierCache
from depth_ros.tasks.stereo.processor import open_stereo
from tests.kit.raw_rig import HEIGHT, RIGHT_P, WIDTH, K, brown, fisheye, projection

BARREL = np.array([-0.6, 0.0, 0.0, 0.0, 0.0])
"""``r (1 - 0.6 r^2)`` turns back at ``r = sqrt(1 / 1.8)``, 36.7 degrees from the axis."""

TURN = np.sqrt(1.0 / 1.8)
LENSES = {
    'barrel': ('plumb_bob', BARREL),
    'three terms': ('plumb_bob', np.array([-0.3, 0.2, 0.0, 0.0, -0.08])),
    'rational': ('rational_polynomial', np.array([0.1, -0.3, 0, 0, 0.0, 0.2, 0.05, 0.02])),
    'fisheye': ('equidistant', np.array([-0.1, -0.2, 0.0, 0.0])),
}
HARMLESS = {
    'none': ('plumb_bob', np.zeros(5)),
    'pincushion': ('plumb_bob', np.array([0.2, 0.1, 0.0, 0.0])),
    'EuRoC': ('plumb_bob', np.array([-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05])),
    'fisheye of zeros': ('equidistant', np.zeros(4)),
}


def raw_camera(model: str, d: np.ndarray, fx: float = 120.0) -> PinholeCamera:
    k = K.copy()
    k[0, 0] = k[1, 1] = fx
    return camera_from_calibration(
        k=k,
        d=d,
        distortion_model=model,
        r=np.eye(3),
        p=projection(fx=fx),
        height=HEIGHT,
        width=WIDTH,
    )


@pytest.mark.parametrize('name', LENSES)
def test_the_radius_is_where_the_formula_turns_back(name: str) -> None:
    """The largest of a fine sampling of the forward model, which is written separately."""
    model, d = LENSES[name]
    radius = np.linspace(0.0, 3.0, 300_001)
    forward = fisheye if model == 'equidistant' else brown
    bent = forward(radius, np.zeros_like(radius), d)[0]
    turn = radius[int(np.argmax(np.diff(bent) < 0))]
    assert believable_radius(DistortionModel(model), d) == pytest.approx(turn, abs=1e-4)


@pytest.mark.parametrize('name', HARMLESS)
def test_growing_polynomials_have_no_limit(name: str) -> None:
    model, d = HARMLESS[name]
    assert believable_radius(DistortionModel(model), d) == np.inf


def test_pixels_beyond_are_black_uncovered_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    camera = raw_camera('plumb_bob', BARREL)
    image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    frame = MonoFrame(image=image, camera=camera, stamp_ns=0)
    cache = RectifierCache()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            rectified = cache.of_camera(camera).rectify(frame).image
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    radius = np.hypot(columns - K[0, 2], rows - K[1, 2]) / 120.0
    covered = cache.of_camera(camera).covered
    assert covered is not None
    assert not covered[radius > TURN + 0.01].any()
    assert covered[radius < TURN - 0.01].all()
    assert not rectified[radius > TURN + 0.02].any()
    (record,) = (one for one in caplog.records if 'rectified_black' not in one.getMessage())
    assert '37 degrees' in record.getMessage() and 'calibrate again' in record.getMessage()


def test_nothing_is_told_where_nothing_is_folded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for name in HARMLESS:
            assert MonoRectifier(raw_camera(*HARMLESS[name])).covered is not False
    assert not [one for one in caplog.records if 'rectified_black' not in one.getMessage()]


def test_rays_behind_the_camera_show_nothing() -> None:
    """R turned by 100 degrees: the formulas mirror what is behind to the front."""
    turn = np.deg2rad(60.0)
    r = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    wide = camera_from_calibration(
        k=K * np.array([[0.2], [0.2], [1.0]]) + np.array([[0, 0, 127.6], [0, 0, 95.6], [0, 0, 0]]),
        d=np.zeros(5),
        distortion_model='plumb_bob',
        r=r,
        p=projection(fx=50.0),
        height=HEIGHT,
        width=WIDTH,
    )
    covered = MonoRectifier(wide).covered
    assert covered is not None
    rays = np.linalg.inv(wide.p[:, :3] @ r) @ np.array([[0, WIDTH - 1.0], [120, 120], [1, 1]])
    behind = rays[2] <= 0
    assert behind.any()
    assert not covered[120, [0, WIDTH - 1]][behind].any()


def test_depth_there_is_unknown() -> None:
    left = raw_camera('plumb_bob', BARREL)
    right_p = projection(fx=120.0, tx=RIGHT_P[0, 3])
    right = camera_from_calibration(
        k=left.k,
        d=BARREL,
        distortion_model='plumb_bob',
        r=np.eye(3),
        p=right_p,
        height=HEIGHT,
        width=WIDTH,
    )
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    image = np.repeat(noise, 3, axis=2)
    rig = StereoCalibration(left=left, right=right, is_rectified=False)
    depth = open_stereo(model='sgbm')(image, image.copy(), rig).depth
    assert np.isnan(depth[:4]).all() and np.isnan(depth[-4:]).all()
