"""Depth of another resolution or focal length, on the pixels of the image: known planes."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.errors import CalibrationError, ImageError
from depth_ros.geometry.resample import depth_camera, depth_seen_by
from depth_ros.results import DepthResult, DepthScale

IMAGE = ideal_camera(fx=300.0, fy=310.0, cx=160.2, cy=119.0, height=240, width=320)
OTHERS = {
    'half': ideal_camera(fx=150.0, fy=155.0, cx=79.85, cy=59.25, height=120, width=160),
    'double': ideal_camera(fx=600.0, fy=620.0, cx=320.9, cy=238.5, height=480, width=640),
    'wider': ideal_camera(fx=200.0, fy=210.0, cx=170.0, cy=110.0, height=240, width=320),
    'narrower': ideal_camera(fx=420.0, fy=420.0, cx=300.0, cy=200.0, height=400, width=600),
}


def plane(camera: PinholeCamera) -> np.ndarray:
    """Depth of the plane ``0.1 X + 0.05 Y + Z = 2``."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    return (2.0 / (0.1 * x + 0.05 * y + 1.0)).astype(np.float32)


def result(depth: np.ndarray, camera: PinholeCamera) -> DepthResult:
    return DepthResult(depth=depth, camera=camera, stamp_ns=7, scale=DepthScale.METRIC)


@pytest.mark.parametrize('name', OTHERS)
def test_a_plane_keeps_its_depth(name: str) -> None:
    seen = depth_seen_by(result(plane(OTHERS[name]), OTHERS[name]), IMAGE)
    known = np.isfinite(seen.depth)
    assert seen.camera is IMAGE and seen.stamp_ns == 7
    assert seen.depth.shape == (240, 320) and seen.depth.dtype == np.float32
    if name in ('wider', 'double', 'half'):
        assert known.mean() > 0.95
    # remap interpolates at 1/32 px; depth changes by 0.0007 m a pixel
    np.testing.assert_allclose(seen.depth[known], plane(IMAGE)[known], atol=1e-3)


def test_pixels_outside_are_unknown() -> None:
    seen = depth_seen_by(result(plane(OTHERS['narrower']), OTHERS['narrower']), IMAGE)
    column = (0 - IMAGE.cx) / IMAGE.fx * 420.0 + 300.0
    assert column > 0  # the narrow camera sees the left edge, not the right one
    assert np.isnan(seen.depth[120, 319]) or (319 - IMAGE.cx) / IMAGE.fx * 420.0 + 300.0 < 599


def test_nothing_is_interpolated_between_two_surfaces_or_beside_unknown_ones() -> None:
    depth = np.full((120, 160), 1.0, np.float32)
    depth[:, 80:] = 3.0
    depth[:, 40] = np.nan
    seen = depth_seen_by(result(depth, OTHERS['half']), IMAGE).depth
    known = seen[np.isfinite(seen)]
    assert set(np.unique(known)) == {1.0, 3.0}
    assert 1 <= np.isnan(seen[100]).sum() <= 4


def test_the_same_camera_copies_nothing() -> None:
    given = result(plane(IMAGE), IMAGE)
    assert depth_seen_by(given, IMAGE) is given


def test_camera_of_depth() -> None:
    half = depth_camera(IMAGE, height=120, width=160)
    np.testing.assert_allclose(half.p[0], [150.0, 0.0, 79.85, 0.0])
    assert depth_camera(IMAGE, height=240, width=320) is not None
    own = OTHERS['wider']
    np.testing.assert_array_equal(depth_camera(IMAGE, height=240, width=320, own=own).p, own.p)


def test_depth_that_nothing_explains_is_refused() -> None:
    with pytest.raises(ImageError, match='register depth') as caught:
        depth_camera(IMAGE, height=180, width=320)
    assert caught.value.reason == 'depth_size'
    with pytest.raises(CalibrationError, match='image is 640x480'):
        depth_camera(IMAGE, height=480, width=640, own=OTHERS['half'])
