"""Where a network and its hint differ, the one that both images speak for is taken."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.frames import DisparityHint
from depth_ros.geometry.hint_choice import better_matched, doubted_choice
from depth_ros.geometry.hints import dense_hint
from depth_ros.scenes.solids import ideal_stereo_camera, render_stereo, thin_bars


@pytest.fixture(scope='module')
def bars() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return left image, right image, true disparity, and that of the wall behind thin bars."""
    view = render_stereo(thin_bars(0.8), ideal_stereo_camera(height=240, width=320))
    truth = view.left_disparity.astype(np.float32)
    wall = np.full_like(truth, np.nanmin(truth))
    return view.left.image, view.right.image, truth, wall


def test_thin_things_that_a_network_lost_are_taken_from_the_hint(bars) -> None:
    left, right, truth, wall = bars
    is_lost = truth - wall > 4.0
    assert is_lost.mean() > 0.03
    taken = better_matched(wall, dense_hint(truth), left, right)
    assert taken[is_lost].mean() > 0.4
    assert not taken[~is_lost].any()


def test_what_the_hint_lost_is_not(bars) -> None:
    left, right, truth, wall = bars
    taken = better_matched(truth, dense_hint(wall), left, right)
    assert taken[truth - wall > 4.0].mean() < 0.05


def test_a_hint_of_another_scene_is_never_taken(bars) -> None:
    left, right, truth, _ = bars
    for wrong in (truth + 8.0, np.ascontiguousarray(truth[::-1]) + 3.0):
        assert not better_matched(truth, dense_hint(wrong), left, right).any()


def test_filled_and_unknown_pixels_of_a_hint_do_not_count(bars) -> None:
    left, right, truth, wall = bars
    trust = np.where(truth - wall > 4.0, np.float32(0.2), np.float32(1.0))
    hint = DisparityHint(disparity=truth, trust=trust)
    assert not better_matched(wall, hint, left, right).any()
    unknown = np.where(truth - wall > 4.0, np.float32(np.nan), truth)
    assert not better_matched(wall, dense_hint(unknown), left, right)[np.isnan(unknown)].any()


def test_what_the_network_does_not_know_stays_unknown(bars) -> None:
    left, right, truth, _ = bars
    own = truth.copy()
    own[:, :40] = np.nan
    assert not better_matched(own, dense_hint(truth), left, right)[:, :40].any()


def test_what_was_taken_is_told_to_be_in_question() -> None:
    own = np.array([[10.0, 10.0, 10.0]], np.float32)
    hint = DisparityHint(
        disparity=np.array([[18.0, 18.0, 10.5]], np.float32), trust=np.ones((1, 3), np.float32)
    )
    sigma = np.array([[0.5, 0.5, 9.0]], np.float32)
    taken = np.array([[True, False, True]])
    found = doubted_choice(sigma, own, hint, taken)
    np.testing.assert_allclose(found, [[4.0, 0.5, 9.0]])
    assert found.dtype == np.float32
