"""Hints of other sensors and of the result before: right ones are told, wrong ones are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from depth_ros.errors import ParameterError
from depth_ros.frames import DisparityHint, KnownBeside, RectifiedStereo
from depth_ros.geometry.hints import MEASURED, combined, dense_hint, sparse_hint
from depth_ros.geometry.projection import measured_points
from depth_ros.models.registry import hinted_models
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.scenes.solids import (
    SCENES,
    Scene,
    Sphere,
    StereoView,
    Texture,
    ideal_stereo_camera,
    render_stereo,
)
from depth_ros.tasks.stereo.hints import DepthHints, hint_source
from depth_ros.tasks.stereo.previous_hints import PREVIOUS_TRUST, PreviousHints
from depth_ros.tasks.stereo.settings import StereoSettings

MODEL = hinted_models()[0]
RIG = ideal_stereo_camera(height=180, width=240)
SCANNER_M = np.float32([0.0, -0.05, 0.0])


def scene_with_ball(x_m: float) -> Scene:
    ball = Sphere(
        center=(x_m, 0.0, 1.5), radius=0.25, texture=Texture(seed=9, wavelength_m=0.1, contrast=40)
    )
    return Scene(shapes=(*SCENES['room']().shapes, ball))


def at(x_m: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[0, 3] = x_m
    return pose


def seen_from(scene: Scene, x_m: float = 0.0) -> StereoView:
    return render_stereo(scene, RIG, world_from_left=at(x_m))


def pair(
    view: StereoView,
    *,
    pose: np.ndarray | None = None,
    points: np.ndarray | None = None,
    stamp_ns: int = 0,
) -> RectifiedStereo:
    return RectifiedStereo(
        left=view.left.image,
        right=view.right.image,
        camera=view.camera,
        stamp_ns=stamp_ns,
        beside=KnownBeside(points_m=points, world_from_camera=pose),
    )


def scanned(view: StereoView) -> np.ndarray:
    """Give every third point of every eighth row."""
    sparse = np.full(view.left.depth.shape, np.nan, np.float32)
    sparse[::8, ::3] = view.left.depth[::8, ::3]
    return measured_points(sparse, RIG.left)


def disparity(view: StereoView) -> np.ndarray:
    return view.left_disparity.astype(np.float32)


def share_told(hint: DisparityHint) -> float:
    return float((hint.trust > 0).mean())


@pytest.fixture(scope='module')
def still() -> StereoView:
    return seen_from(scene_with_ball(0.0))


@pytest.fixture(scope='module')
def moved() -> StereoView:
    """What the rig sees 6 cm farther to the right."""
    return seen_from(scene_with_ball(0.0), 0.06)


@pytest.fixture(scope='module')
def rolled() -> StereoView:
    """The ball has rolled 30 cm to the right."""
    return seen_from(scene_with_ball(0.3))


def test_measured_points_are_told_with_falling_trust(still: StereoView) -> None:
    hint = DepthHints().hint(pair(still, points=scanned(still)))
    assert share_told(hint) > 0.4
    error = np.abs(hint.disparity - still.left_disparity)[hint.trust > 0.8]
    assert np.median(error) < 0.05
    assert 0 < hint.trust[hint.trust > 0].min() < 0.5 < hint.trust.max() < MEASURED


def test_points_of_elsewhere_are_not_told(still: StereoView) -> None:
    other = scanned(render_stereo(SCENES['slanted'](), RIG))
    assert share_told(DepthHints().hint(pair(still, points=other))) == 0.0
    mounted_wrongly = scanned(still) * np.float32(0.8)
    assert share_told(DepthHints().hint(pair(still, points=mounted_wrongly))) == 0.0


def test_stale_points_of_a_moving_object_are_not_told(
    still: StereoView, rolled: StereoView
) -> None:
    hint = DepthHints().hint(pair(rolled, points=scanned(still)))
    ghost = (still.left_disparity - rolled.left_disparity) > 2.0
    assert ghost.sum() > 200, 'the case shows nothing'
    wrong = np.abs(hint.disparity - rolled.left_disparity) > 2.0
    assert wrong[ghost].mean() < 0.2
    assert share_told(hint) > 0.3


def test_no_points_no_hint(still: StereoView) -> None:
    for points in (None, np.empty((0, 3), np.float32)):
        assert share_told(DepthHints().hint(pair(still, points=points))) == 0.0


def told_next(
    first: StereoView,
    *pairs: RectifiedStereo,
    pose: np.ndarray | None = None,
    stamp_ns: int = 0,
) -> DisparityHint:
    """Learn the truth of a view, show pairs one after another; give what is told of the last."""
    source = PreviousHints()
    source.learn(pair(first, pose=pose, stamp_ns=stamp_ns), disparity(first))
    return [source.hint(one) for one in pairs][-1]


def test_the_result_before_moves_with_the_rig(still: StereoView, moved: StereoView) -> None:
    hint = told_next(still, pair(moved, pose=at(0.06)), pose=at())
    assert share_told(hint) > 0.6
    assert set(np.unique(hint.trust)) == {0.0, PREVIOUS_TRUST}
    error = np.abs(hint.disparity - moved.left_disparity)[hint.trust > 0]
    assert np.median(error) < 0.1 and (error > 2.0).mean() < 0.02


def test_what_is_uncovered_is_unknown(still: StereoView, moved: StereoView) -> None:
    hint = told_next(still, pair(moved, pose=at(0.06)), pose=at())
    # The wall right of the ball, which the ball hid before, as its disparity is the larger one.
    new = np.isnan(hint.disparity) & ~moved.left_occluded
    assert new[:, -2:].mean() > 0.9, 'what came into view'


@pytest.mark.parametrize('pose', [None, at()], ids=['nobody says so', 'the rig stands still'])
def test_a_moving_object_leaves_no_trace(
    still: StereoView, rolled: StereoView, pose: np.ndarray | None
) -> None:
    hint = told_next(still, pair(rolled, pose=pose), pose=pose)
    ghost = (still.left_disparity - rolled.left_disparity) > 2.0
    wrong = np.abs(hint.disparity - rolled.left_disparity) > 2.0
    assert wrong[ghost].mean() < 0.05
    assert share_told(hint) > 0.4


def test_a_jump_of_the_rig_drops_the_hint(still: StereoView) -> None:
    assert share_told(told_next(still, pair(still, pose=at(2.5)), pose=at())) == 0.0
    turned = np.eye(4)
    turned[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    assert share_told(told_next(still, pair(still, pose=turned), pose=at())) == 0.0


def test_a_jump_that_nobody_reports_drops_the_hint_too(still: StereoView) -> None:
    elsewhere = seen_from(SCENES['slanted']())
    for pose in (None, at()):
        assert share_told(told_next(still, pair(elsewhere, pose=pose), pose=pose)) == 0.0


def darkened(view: StereoView) -> RectifiedStereo:
    one = pair(view)
    return replace(one, left=one.left // 40, right=one.right // 40)


def test_a_dark_image_drops_the_hint(still: StereoView) -> None:
    assert share_told(told_next(still, pair(still))) > 0.8
    assert share_told(told_next(still, darkened(still))) == 0.0
    assert share_told(told_next(still, darkened(still), pair(still))) == 0.0, 'it is forgotten'
    source = PreviousHints()
    source.learn(darkened(still), disparity(still))
    assert share_told(source.hint(pair(still))) == 0.0, 'and its result is not learned'


def test_a_pose_for_one_of_the_two_tells_nothing(still: StereoView) -> None:
    assert share_told(told_next(still, pair(still, pose=at()))) == 0.0
    assert share_told(told_next(still, pair(still), pose=at())) == 0.0


def test_stamps_that_go_back_drop_the_hint(still: StereoView) -> None:
    assert share_told(told_next(still, pair(still, stamp_ns=4), stamp_ns=5)) == 0.0
    assert share_told(told_next(still, pair(still, stamp_ns=6), stamp_ns=5)) > 0.8


def test_another_size_drops_the_hint(still: StereoView) -> None:
    other = render_stereo(SCENES['room'](), ideal_stereo_camera(height=96, width=128))
    assert share_told(told_next(still, pair(other))) == 0.0


def whole(value: float, trust: float) -> DisparityHint:
    return DisparityHint(
        disparity=np.full((2, 2), value, np.float32), trust=np.full((2, 2), trust, np.float32)
    )


@pytest.mark.parametrize(
    ('hints', 'value', 'trust'),
    [
        ([whole(3, 0.9), whole(8, 1.0)], 3, 0.9),
        ([whole(8, 1.0), whole(3, 0.9)], 8, 1.0),
        ([whole(3, 0.1), whole(8, 0.2)], 8, 0.2),
        ([whole(np.nan, 0.0), whole(8, 0.2)], 8, 0.2),
        ([whole(3, 0.9), whole(3.5, 1.0)], 3, 1.0),
    ],
    ids=['the first', 'the other first', 'a faint one', 'who knows', 'measured twice'],
)
def test_precedence(hints: Sequence[DisparityHint], value: float, trust: float) -> None:
    result = combined(hints)
    assert (result.disparity == value).all()
    np.testing.assert_allclose(result.trust, trust)


def test_sources_are_combined_in_the_order_of_the_words(still: StereoView) -> None:
    settings = StereoSettings(
        model=MODEL, hints='depth_topic, sgbm', sgbm=SgbmSettings(num_disparities=32)
    )
    source = hint_source(settings)
    assert source is not None and source.is_evidence
    points = scanned(still)
    both = source.hint(pair(still, points=points))
    alone = DepthHints().hint(pair(still, points=points))
    assert share_told(both) > share_told(alone)
    firm = alone.trust >= 0.5
    np.testing.assert_array_equal(both.disparity[firm], alone.disparity[firm])


@pytest.mark.parametrize('hints', ['lidar', 'sgbm sgbm', '', 'auto sgbm', 'none previous'])
def test_words_that_are_none_are_refused(hints: str) -> None:
    with pytest.raises(ParameterError, match=r'hints must be auto, none, or some of sgbm'):
        StereoSettings(hints=hints)


def test_precedence_is_kept_where_points_are_dense(still: StereoView) -> None:
    """A spread point that is hardly trusted does not hide what SGBM has measured."""
    measured = dense_hint(disparity(still))
    one_point = np.full_like(measured.disparity, np.nan)
    one_point[60, 80] = 30.0
    result = combined([sparse_hint(one_point, reach_px=10), measured])
    assert result.disparity[60, 80] == 30.0
    assert result.disparity[60, 88] == measured.disparity[60, 88]
