"""What a pair says about a hint: right ones stay, those of elsewhere go, wholly or in part."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.geometry.hint_check import confirmed
from depth_ros.geometry.hints import dense_hint, nothing_known, sparse_hint
from depth_ros.scenes.solids import SCENES, StereoView, ideal_stereo_camera, render_stereo

HEIGHT, WIDTH = 240, 320


@pytest.fixture(scope='module')
def view() -> StereoView:
    return render_stereo(SCENES['room'](), ideal_stereo_camera(height=HEIGHT, width=WIDTH))


def kept(view: StereoView, hint) -> float:
    """Give the share of what the hint knows that is left."""
    result = confirmed(hint, view.left.image, view.right.image)
    assert np.isnan(result.disparity[result.trust == 0]).all()
    return float((result.trust > 0).sum() / max(1, (hint.trust > 0).sum()))


def test_the_truth_stays(view: StereoView) -> None:
    truth = view.left_disparity.astype(np.float32)
    points = np.full_like(truth, np.nan)
    points[::10, ::6] = truth[::10, ::6]
    assert kept(view, dense_hint(truth)) > 0.95
    assert kept(view, sparse_hint(points, reach_px=6)) > 0.95


@pytest.mark.parametrize('shift_px', [-4.0, 4.0])
def test_a_shifted_hint_goes(view: StereoView, shift_px: float) -> None:
    assert kept(view, dense_hint(view.left_disparity.astype(np.float32) + shift_px)) == 0.0


def test_the_hint_of_another_scene_goes(view: StereoView) -> None:
    other = render_stereo(SCENES['slanted'](), view.camera)
    assert kept(view, dense_hint(other.left_disparity.astype(np.float32))) == 0.0


def test_only_what_is_wrong_goes(view: StereoView) -> None:
    """An object that has left: its old disparity goes, all else stays."""
    truth = view.left_disparity.astype(np.float32)
    stale = truth.copy()
    stale[60:120, 100:180] += 12.0
    result = confirmed(dense_hint(stale), view.left.image, view.right.image)
    assert (result.trust[70:110, 110:170] > 0).mean() < 0.05
    outside = np.ones(truth.shape, bool)
    outside[40:140, 80:200] = False
    assert (result.trust[outside] > 0).mean() > 0.95


def test_without_texture_nothing_can_be_told_and_the_hint_stays() -> None:
    grey = np.full((60, 80, 3), 120, np.uint8)
    hint = dense_hint(np.full((60, 80), 5.0, np.float32))
    np.testing.assert_array_equal(confirmed(hint, grey, grey).trust, hint.trust)


def test_nothing_known_stays_nothing_known(view: StereoView) -> None:
    result = confirmed(nothing_known((HEIGHT, WIDTH)), view.left.image, view.right.image)
    assert not result.trust.any()
