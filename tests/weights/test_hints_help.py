"""The shipped hinted network on rendered scenes: a right hint helps, a wrong one does not harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')

from depth_ros.evaluation.accuracy import StereoErrors, disparity_errors
from depth_ros.files.share import share_path
from depth_ros.frames import KnownBeside, RectifiedStereo
from depth_ros.geometry.projection import measured_points
from depth_ros.models.registry import hinted_models
from depth_ros.scenes.paths import corridor
from depth_ros.scenes.solids import (
    SCENES,
    Scene,
    StereoView,
    ideal_stereo_camera,
    render,
    render_stereo,
)
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted, open_stereo

pytestmark = pytest.mark.nightly
MODEL = hinted_models()[0]
RIG = ideal_stereo_camera(height=240, width=320)
SCANNER_M = (0.0, -0.1, 0.0)
LEAST_HARM = 0.01
"""A wrong hint may cost one point of bad-2."""


@pytest.fixture(scope='module')
def stereo() -> Iterator[StereoProcessor]:
    weights = str(share_path(f'weights/{MODEL}.safetensors'))
    with open_stereo(
        model=MODEL, hints='depth_topic', engine='torch', weights=weights, size='240x320'
    ) as opened:
        yield opened


def scanned(scene: Scene) -> np.ndarray:
    """Give what a scanner of 30 rows 10 cm above the camera measures, in the camera's frame."""
    pose = np.eye(4)
    pose[:3, 3] = SCANNER_M
    depth = render(scene, RIG.left, world_from_camera=pose).depth
    sparse = np.full(depth.shape, np.nan, np.float32)
    sparse[::8, ::3] = depth[::8, ::3]
    return measured_points(sparse, RIG.left) + np.float32(SCANNER_M)


def errors(stereo: StereoProcessor, view: StereoView, points: np.ndarray | None) -> StereoErrors:
    pair = RectifiedStereo(left=view.left.image, right=view.right.image, camera=RIG)
    output = stereo.process_rectified(
        replace(pair, beside=KnownBeside(points_m=points)), wanted=Wanted(depth=False)
    )
    return disparity_errors(output.disparity.disparity, view.left_disparity)


@pytest.mark.parametrize('name', ['room', 'corridor'])
def test_a_scanner_helps_and_a_wrong_one_does_no_harm(stereo: StereoProcessor, name: str) -> None:
    scene = corridor() if name == 'corridor' else SCENES[name]()
    view = render_stereo(scene, RIG)
    points = scanned(scene)
    alone, right = errors(stereo, view, None), errors(stereo, view, points)
    assert right.epe_px < 0.9 * alone.epe_px
    assert right.bad2 <= alone.bad2
    elsewhere = scanned(SCENES['slanted']())
    too_near, aside = 0.8 * points, points + np.float32((0.3, 0.0, 0.0))
    for wrong in (elsewhere, too_near, aside):
        assert errors(stereo, view, wrong).bad2 <= alone.bad2 + LEAST_HARM
