"""The scan of the rendered room of docs/robot.md against that of its true depth."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.cloud_filters import without_flying_pixels, without_outliers
from depth_ros.geometry.cloud_settings import CloudSettings, NavigationSettings
from depth_ros.geometry.flat_scan import flat_scan
from depth_ros.geometry.free_space import look
from depth_ros.geometry.mounting import base_from_camera
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo
from depth_ros.tasks.stereo.processor import open_stereo

RIG = ideal_stereo_camera(height=480, width=640)
CLOUD, NAVIGATION = CloudSettings(), NavigationSettings()


def ranges(depth: np.ndarray) -> np.ndarray:
    kept = without_flying_pixels(depth.astype(np.float32), max_step=CLOUD.max_edge_step)
    kept = without_outliers(
        kept, min_neighbors=NAVIGATION.outlier_neighbors, num_sigmas=CLOUD.outlier_sigma
    )
    mount = base_from_camera('0 0 1.1 -0.5 0.5 -0.5 0.5')
    assert mount is not None
    return flat_scan(look(kept, RIG.left, mount, NAVIGATION), np.eye(4), NAVIGATION).ranges


@pytest.mark.parametrize('settings', [{'model': 'sgbm', 'speckle_size_px': 200}, {}])
def test_nothing_stands_before_what_stands_in_the_room(settings: dict[str, object]) -> None:
    """Specks of SGBM stood 0.5 m ahead; the default model has none."""
    view = render_stereo(SCENES['room'](), RIG)
    pair = RectifiedStereo(left=view.left.image, right=view.right.image, camera=RIG)
    with open_stereo(None, **settings) as stereo:
        output = stereo.process_rectified(pair)
    assert output.depth is not None
    found, truth = ranges(output.depth.depth), ranges(view.left.depth)
    nearest = float(truth[np.isfinite(truth)].min())
    assert nearest == pytest.approx(1.82, abs=0.01)
    assert found[np.isfinite(found)].min() > 0.95 * nearest
    assert not (np.isposinf(found) & np.isfinite(truth)).any(), 'no way through a thing is free'
    assert (np.isposinf(found) & np.isposinf(truth)).sum() >= 10
