"""Calibrations that can be made right give the true metres of a ray-cast wall."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from depth_ros.camera import PinholeCamera, camera_from_calibration
from depth_ros.errors import CalibrationError
from depth_ros.files.calibration import StereoCalibration
from depth_ros.tasks.stereo.processor import StereoProcessor, open_stereo
from tests.kit.raw_rig import (
    BASELINE_M,
    CY,
    FX,
    HEIGHT,
    RIGHT_P,
    WIDTH,
    K,
    RawCamera,
    projection,
    raw_pair,
)

BROWN = np.array([-0.2, 0.05, 0.001, -0.001, 0.0])
RATIONAL = np.array([0.3, 0.05, 0.001, -0.002, 0.01, 0.6, 0.1, 0.02])
FISHEYE = np.array([0.02, -0.01, 0.004, -0.001])
SKEWED = K + np.array([[0.0, 9.0, 0.0], [0.0] * 3, [0.0] * 3])


@pytest.fixture(scope='module')
def stereo() -> StereoProcessor:
    return open_stereo(model='sgbm')


@dataclass(frozen=True, kw_only=True)
class Case:
    """Cameras as they are, and CameraInfo's fields as somebody publishes them."""

    left: RawCamera = RawCamera()
    right: RawCamera = RawCamera()
    left_fields: dict[str, Any] = field(default_factory=dict)
    right_fields: dict[str, Any] = field(default_factory=dict)
    depth_m: float = 2.0
    is_rectified: bool = False

    def rig(self) -> StereoCalibration:
        return StereoCalibration(
            left=published(self.left, {'p': projection(), **self.left_fields}),
            right=published(self.right, {'p': RIGHT_P, **self.right_fields}),
            is_rectified=self.is_rectified,
        )


def published(camera: RawCamera, changes: dict[str, Any]) -> PinholeCamera:
    fields = {
        'k': camera.k,
        'd': camera.d,
        'distortion_model': 'equidistant' if camera.is_fisheye else 'plumb_bob',
        'r': np.eye(3),
        'height': HEIGHT,
        'width': WIDTH,
    }
    return camera_from_calibration(**{**fields, **changes})


def both(camera: RawCamera, **fields: Any) -> Case:
    return Case(left=camera, right=camera, left_fields=fields, right_fields=fields)


OTHER_FX = RawCamera(k=K * np.array([[0.98, 1.0, 1.0], [1.0, 0.98, 1.0], [1.0, 1.0, 1.0]]))
OTHER_P = projection(fx=0.98 * FX, tx=-0.98 * FX * BASELINE_M)
LOWER = RawCamera(k=K + np.array([[0.0] * 3, [0.0, 0.0, 6.0], [0.0] * 3]))

CASES: dict[str, Case] = {
    'plain': Case(),
    'fx 2 % apart': Case(right=OTHER_FX, right_fields={'p': OTHER_P}),
    'fx apart, with distortion': Case(
        left=RawCamera(d=BROWN),
        right=RawCamera(k=OTHER_FX.k, d=BROWN),
        right_fields={'p': OTHER_P},
    ),
    'cy 6 px apart': Case(
        right=LOWER, right_fields={'p': projection(cy=CY + 6.0, tx=RIGHT_P[0, 3])}
    ),
    'the left P[0,3] is not the origin': Case(
        left_fields={'p': projection(tx=30.0)}, right_fields={'p': projection()}
    ),
    'skew of K in both': both(RawCamera(k=SKEWED)),
    'skew of K in the right one': Case(right=RawCamera(k=SKEWED)),
    'skew of K and an unset P': Case(left=RawCamera(k=SKEWED), left_fields={'p': np.zeros(12)}),
    'skew of K and a fisheye': both(RawCamera(k=SKEWED, d=FISHEYE, is_fisheye=True)),
    'fisheye': both(RawCamera(d=FISHEYE, is_fisheye=True)),
    'fisheye of zeros': both(RawCamera(d=np.zeros(4), is_fisheye=True)),
    'fisheye without coefficients': both(RawCamera(d=np.zeros(0), is_fisheye=True)),
    'fisheye with a fifth zero': both(
        RawCamera(d=FISHEYE, is_fisheye=True), d=np.append(FISHEYE, 0.0)
    ),
    'plumb_bob with 8': both(RawCamera(d=RATIONAL)),
    'plumb_bob with 12, the last 4 zero': both(
        RawCamera(d=RATIONAL), d=np.append(RATIONAL, np.zeros(4))
    ),
    'plumb_bob with 6, the last zero': both(RawCamera(d=BROWN), d=np.append(BROWN, 0.0)),
    'rational_polynomial with 5': both(RawCamera(d=BROWN), distortion_model='rational_polynomial'),
    'rational_polynomial with 4': both(
        RawCamera(d=BROWN), d=BROWN[:4], distortion_model='rational_polynomial'
    ),
    'K zero, P good, rectified': Case(
        left_fields={'k': np.zeros(9)}, right_fields={'k': np.zeros(9)}, is_rectified=True
    ),
    'rectified images beside the D of raw ones': Case(
        left_fields={'d': BROWN},
        right_fields={'d': BROWN},
        is_rectified=True,
    ),
    'rectified, fx a hundredth of a percent apart': Case(
        right_fields={'p': projection(fx=1.0001 * FX, tx=RIGHT_P[0, 3])}, is_rectified=True
    ),
    'a little of P[1,3] and P[2,3], as KITTI': Case(
        right_fields={'p': RIGHT_P + np.array([[0.0] * 4, [0.0, 0.0, 0.0, 0.2], [0, 0, 0, 3e-3]])}
    ),
}


@pytest.mark.parametrize('name', CASES)
def test_metres_are_true(name: str, stereo: StereoProcessor) -> None:
    case = CASES[name]
    left, right = raw_pair(case.left, case.right, depth_m=case.depth_m)
    depth = stereo(left, right, case.rig()).depth
    known = np.isfinite(depth)
    assert known.mean() > 0.6
    assert np.median(depth[known]) == pytest.approx(case.depth_m, rel=0.01)
    low, high = np.percentile(depth[known], (5, 95))
    assert low > 0.97 * case.depth_m and high < 1.03 * case.depth_m


def test_raw_images_need_k(stereo: StereoProcessor) -> None:
    case = Case(left_fields={'k': np.zeros(9)})
    with pytest.raises(CalibrationError, match=r'K of the calibration is all zero.*--rectified'):
        stereo(*raw_pair(case.left, case.right), case.rig())
