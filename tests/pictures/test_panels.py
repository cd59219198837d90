from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.pictures.panels import (
    MAX_TILE_WIDTH,
    Scale,
    hatch_unknown,
    stereo_panel,
    value_scale,
    write_picture,
)
from depth_ros.scenes.solids import ideal_stereo_camera, render_stereo, room


@pytest.fixture(scope='module')
def view():
    return render_stereo(room(), ideal_stereo_camera(height=120, width=160))


@pytest.mark.parametrize(
    ('low', 'high', 'ticks'),
    [
        (0.9, 5.2, [1, 2, 3, 4, 5]),
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3.0, 61.0, [20, 40, 60]),
        (-8.0, 2.0, [-8, -6, -4, -2, 0, 2]),
        (0.011, 0.024, [0.015, 0.02]),
    ],
)
def test_ticks_are_round_and_inside(low, high, ticks):
    assert Scale(low=low, high=high).ticks() == pytest.approx(ticks)


def test_scale_ignores_unknown_infinite_and_a_few_wild_values():
    values = np.concatenate([np.linspace(1, 3, 1000), [np.nan, np.inf, -np.inf, 1e6]])
    scale = value_scale(values)
    assert scale.low == pytest.approx(1.02, abs=0.03)
    assert scale.high == pytest.approx(2.98, abs=0.03)


@pytest.mark.parametrize('values', [np.full(9, np.nan), np.full(9, 2.0), np.zeros(9), np.ones(0)])
def test_scale_of_nothing_or_one_value_still_has_two_ends(values):
    scale = value_scale(values)
    assert scale.high > scale.low
    assert scale.ticks()


def test_panel_shows_three_tiles_at_full_resolution(view):
    panel = stereo_panel(
        left=view.left.image, disparity=view.left_disparity, depth=view.left.depth
    )
    assert panel.dtype == np.uint8
    assert panel.shape[0] > 120
    assert panel.shape[1] > 3 * 160
    found = cv2.matchTemplate(panel, view.left.image, cv2.TM_SQDIFF)
    assert found.min() == 0, 'the left image is in the panel unchanged'


def test_depth_tile_turns_from_near_red_to_far_blue(view):
    panel = stereo_panel(
        left=view.left.image, disparity=view.left_disparity, depth=view.left.depth
    )
    depth_tile = panel[30:150, -(160 + 86) : -86].astype(int)
    near, far = view.left.depth < 2.0, view.left.depth > 4.5
    red_minus_blue = depth_tile[..., 0] - depth_tile[..., 2]
    assert red_minus_blue[near].mean() > 60
    assert red_minus_blue[far].mean() < -20


def test_unknown_is_hatched_grey_and_infinite_is_not():
    values = np.array([[np.nan, 1.0, np.inf, -np.inf]] * 8, np.float32)
    painted = np.full((8, 4, 3), (200, 0, 0), np.uint8)
    hatched = hatch_unknown(painted, values)
    assert (hatched[:, 1:] == (200, 0, 0)).all()
    stripes = hatched[:, 0]
    assert (stripes[:, :1] == stripes).all(), 'grey'
    assert len(np.unique(stripes)) == 2, 'striped'
    assert (painted == (200, 0, 0)).all(), 'the picture given is left alone'


@pytest.mark.parametrize('fill', [np.nan, np.inf])
def test_panel_of_nothing_known_is_still_drawn(view, fill):
    nothing = np.full((120, 160), fill, np.float32)
    panel = stereo_panel(left=view.left.image, disparity=nothing * np.nan, depth=nothing)
    assert panel.shape[1] > 3 * 160


def test_large_maps_are_shrunk_and_long_titles_wrapped(view):
    large = cv2.resize(view.left.image, (1600, 1200))
    depth = np.full((1200, 1600), 2.0, np.float32)
    plain = stereo_panel(left=large, disparity=depth, depth=depth)
    assert plain.shape[1] < 3 * (MAX_TILE_WIDTH + 120)
    title = ' | '.join(['a rather long description of an engine'] * 20)
    titled = stereo_panel(left=large, disparity=depth, depth=depth, title=title)
    assert titled.shape[1] == plain.shape[1]
    num_lines = (titled.shape[0] - plain.shape[0]) / 26
    assert num_lines == int(num_lines) >= 2
    footer = titled[plain.shape[0] :]
    assert (footer.min(axis=(1, 2)) < 200).any(), 'text was drawn'
    assert (footer[:, -8:] == 250).all(), 'and stays inside'


def test_given_depth_scale_is_used(view):
    arguments = {'left': view.left.image, 'disparity': view.left_disparity}
    auto = stereo_panel(depth=view.left.depth, **arguments)
    fixed = stereo_panel(depth=view.left.depth, depth_scale=Scale(low=0, high=20), **arguments)
    assert auto.shape == fixed.shape
    assert (auto != fixed).any()


def test_sizes_must_agree(view):
    with pytest.raises(InputError, match='of one size'):
        stereo_panel(
            left=view.left.image, disparity=view.left_disparity[1:], depth=view.left.depth
        )


def test_written_picture_reads_back_the_same(tmp_path, view):
    write_picture(tmp_path / 'a.png', view.left.image)
    again = cv2.imread(str(tmp_path / 'a.png'))[..., ::-1]
    np.testing.assert_array_equal(again, view.left.image)
