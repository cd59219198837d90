"""Where hints come from, when they are given, and who may ask for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.errors import ParameterError
from depth_ros.evaluation.hints import HINT_KINDS, spoiled
from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.hints import MEASURED, dense_hint
from depth_ros.models.registry import hinted_models
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo
from depth_ros.tasks.stereo.hints import hint_source
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.echo_hints import echo_processor

MODEL = 'crestereo_tiny_hinted'
SETTINGS = StereoSettings(model=MODEL, sgbm=SgbmSettings(num_disparities=32))
HEIGHT, WIDTH = 120, 160


@pytest.fixture(scope='module')
def view():
    return render_stereo(SCENES['room'](), ideal_stereo_camera(height=HEIGHT, width=WIDTH))


def pair_of(view, hint: DisparityHint | None = None) -> RectifiedStereo:
    return RectifiedStereo(
        left=view.left.image, right=view.right.image, camera=view.camera, hint=hint
    )


def processor(
    settings: StereoSettings, seen: list[np.ndarray], sigma_px: float | None = None
) -> StereoProcessor:
    return echo_processor(settings, seen, height=HEIGHT, width=WIDTH, sigma_px=sigma_px)


def test_sgbm_is_the_hint_unless_told_otherwise(view) -> None:
    seen: list[np.ndarray] = []
    with processor(SETTINGS, seen) as stereo:
        output = stereo.process_rectified(pair_of(view))
    disparity, trust = seen[0][0]
    measured = trust == MEASURED
    assert measured.mean() > 0.5
    error = np.abs(disparity - view.left_disparity)[measured & ~view.left_occluded]
    assert np.median(error) < 0.3
    assert output.stages_s['hint'] > 0.0


def test_a_large_pair_is_matched_at_half_its_size(view) -> None:
    large = [
        np.ascontiguousarray(image.repeat(8, 0).repeat(8, 1))
        for image in (view.left.image, view.right.image)
    ]
    camera = ideal_stereo_camera(height=8 * HEIGHT, width=8 * WIDTH)
    pair = RectifiedStereo(left=large[0], right=large[1], camera=camera)
    source = hint_source(replace(SETTINGS, sgbm=SgbmSettings(num_disparities=128)))
    assert source is not None
    hint = source.hint(pair)
    assert hint.disparity.shape == hint.trust.shape == (8 * HEIGHT, 8 * WIDTH)
    measured = (hint.trust == MEASURED)[::8, ::8]
    assert measured.mean() > 0.4
    error = np.abs(hint.disparity[::8, ::8] / 8 - view.left_disparity)
    assert np.median(error[measured & ~view.left_occluded]) < 0.5
    # Two by two pixels of the pair are one that was matched.
    assert np.array_equal(hint.trust[::2, ::2], hint.trust[1::2, 1::2])


def test_without_hints_the_network_is_told_nothing(view) -> None:
    seen: list[np.ndarray] = []
    with processor(replace(SETTINGS, hints='none'), seen) as stereo:
        output = stereo.process_rectified(pair_of(view))
    assert (seen[0][0, 0] == -1).all() and not seen[0][0, 1].any()
    assert 'hint' not in output.stages_s


def test_hints_change_while_it_runs(view) -> None:
    seen: list[np.ndarray] = []
    with processor(SETTINGS, seen) as stereo:
        stereo.set_settings(replace(SETTINGS, hints='none'))
        stereo.process_rectified(pair_of(view))
        stereo.set_settings(SETTINGS)
        stereo.process_rectified(pair_of(view))
    assert [bool(hint[0, 1].any()) for hint in seen] == [False, True]


def test_a_hint_that_comes_with_the_pair_wins(view) -> None:
    given = dense_hint(view.left_disparity.astype(np.float32) + 0.25)
    seen: list[np.ndarray] = []
    with processor(SETTINGS, seen) as stereo:
        output = stereo.process_rectified(pair_of(view, given), wanted=Wanted(depth=False))
    is_told = seen[0][0, 1] > 0
    assert is_told.mean() > 0.9
    expected = given.disparity[is_told]
    np.testing.assert_allclose(output.disparity.disparity[is_told], expected, rtol=1e-5)


def test_a_hint_of_elsewhere_is_not_told(view) -> None:
    given = dense_hint(view.left_disparity.astype(np.float32) + 4.0)
    seen: list[np.ndarray] = []
    with processor(SETTINGS, seen) as stereo:
        stereo.process_rectified(pair_of(view, given), wanted=Wanted(depth=False))
    assert not seen[0][0, 1].any()


def test_the_mirrored_pair_has_a_hint_of_its_own(view) -> None:
    seen: list[np.ndarray] = []
    with processor(replace(SETTINGS, left_right_check=True), seen) as stereo:
        output = stereo.process_rectified(pair_of(view))
    assert len(seen) == 2 and not np.array_equal(seen[0], seen[1])
    known = np.isfinite(output.disparity.disparity)
    assert known.mean() > 0.4
    error = np.abs(output.disparity.disparity - view.left_disparity)[known]
    assert np.median(error) < 0.3


def test_the_result_before_is_the_hint_where_nothing_has_changed(view) -> None:
    seen: list[np.ndarray] = []
    changed = view.left.image.copy()
    changed[40:60, 50:80] = 255 - changed[40:60, 50:80]
    with processor(replace(SETTINGS, hints='previous'), seen) as stereo:
        stereo.process_rectified(pair_of(view))
        stereo.process_rectified(replace(pair_of(view), left=changed))
        stereo.process_rectified(replace(pair_of(view), left=255 - changed))
    assert not seen[0][0, 1].any(), 'nothing came before the first pair'
    trust = seen[1][0, 1]
    assert not trust[40:60, 50:80].any()
    assert set(np.unique(trust)) <= {0.0, np.float32(0.6)}
    assert seen[2][0, 1].mean() < 0.1, 'all else has changed'


def test_agreement_with_sgbm_is_confidence_without_a_second_matching(view) -> None:
    seen: list[np.ndarray] = []
    with processor(SETTINGS, seen) as stereo:
        output = stereo.process_rectified(pair_of(view), wanted=Wanted(confidence=True))
    confidence, trust = output.disparity.confidence, seen[0][0, 1]
    assert len(seen) == 1 and confidence is not None
    assert (confidence[trust == MEASURED] == 1.0).all(), 'the engine repeats the hint'
    assert not confidence[trust < MEASURED].any()


def test_less_sure_pixels_become_unknown(view) -> None:
    seen: list[np.ndarray] = []
    with processor(replace(SETTINGS, min_confidence=0.5), seen) as stereo:
        output = stereo.process_rectified(pair_of(view))
    known = np.isfinite(output.disparity.disparity)
    np.testing.assert_array_equal(known, seen[0][0, 1] == MEASURED)


def test_what_the_model_tells_of_its_error_is_confidence_and_sigma(view) -> None:
    seen: list[np.ndarray] = []
    with processor(replace(SETTINGS, hints='none', min_confidence=0.0), seen, 0.5) as stereo:
        output = stereo.process_rectified(
            pair_of(view), wanted=Wanted(confidence=True, sigma=True)
        )
    confidence = output.disparity.confidence
    assert len(seen) == 1 and confidence is not None
    assert confidence[0, 0] == pytest.approx(1.0 - np.exp(-np.sqrt(2.0) / 0.5))
    assert confidence[-1, 0] == pytest.approx(1.0 - np.exp(-np.sqrt(2.0) / 5.0))
    assert output.depth is not None and output.depth.sigma is not None
    ratio = output.depth.sigma / output.depth.depth**2
    assert ratio[-1, 0] == pytest.approx(10.0 * ratio[0, 0], rel=1e-4)
    camera = view.camera
    assert ratio[0, 0] == pytest.approx(0.5 / camera.left.fx / camera.baseline_m, rel=1e-4)


@pytest.mark.parametrize(
    ('asked', 'known'), [(-1.0, (True, False)), (0.0, (True, True)), (0.99, (False, False))]
)
def test_the_doubtful_are_unknown_unless_all_are_asked_for(view, asked, known) -> None:
    seen: list[np.ndarray] = []
    with processor(replace(SETTINGS, min_confidence=asked), seen, 0.5) as stereo:
        disparity = stereo.process_rectified(pair_of(view)).disparity.disparity
    assert len(seen) == 1
    assert (np.isfinite(disparity[0, 0]), np.isfinite(disparity[-1, 0])) == known


def test_a_model_that_tells_nothing_keeps_all(view) -> None:
    seen: list[np.ndarray] = []
    with processor(SETTINGS, seen) as stereo:
        output = stereo.process_rectified(pair_of(view))
    assert len(seen) == 1 and np.isfinite(output.disparity.disparity).all()
    assert output.disparity.confidence is None


def test_no_pixel_is_surer_than_what_the_model_saw(view) -> None:
    """A frame twice as large as the engine: errors below 2 px of it cannot be told."""
    seen: list[np.ndarray] = []
    camera = ideal_stereo_camera(height=2 * HEIGHT, width=2 * WIDTH)
    large = [image.repeat(2, 0).repeat(2, 1) for image in (view.left.image, view.right.image)]
    pair = RectifiedStereo(left=large[0], right=large[1], camera=camera)
    with processor(replace(SETTINGS, hints='none'), seen, 0.5) as stereo:
        output = stereo.process_rectified(pair, wanted=Wanted(confidence=True))
    assert output.disparity.sigma_px is not None and output.disparity.confidence is not None
    assert output.disparity.sigma_px[0, 0] == pytest.approx(1.0)
    assert output.disparity.confidence[0, 0] == pytest.approx(1.0 - np.exp(-np.sqrt(8.0)))


def test_the_result_before_is_no_evidence(view) -> None:
    seen: list[np.ndarray] = []
    with processor(replace(SETTINGS, hints='previous'), seen) as stereo:
        stereo.process_rectified(pair_of(view), wanted=Wanted(confidence=True))
    assert len(seen) == 2, 'confidence takes the mirrored pair'


def test_models_without_hints_refuse_them_by_name() -> None:
    assert MODEL in hinted_models()
    assert hint_source(StereoSettings(model='crestereo_tiny')) is None
    assert hint_source(StereoSettings(model=MODEL, hints='none')) is None
    assert hint_source(StereoSettings(model=MODEL)) is not None
    with pytest.raises(ParameterError, match=f'or model to {MODEL}'):
        hint_source(StereoSettings(model='sgbm', hints='sgbm'))


def test_hints_to_judge_with() -> None:
    camera = ideal_stereo_camera(height=HEIGHT, width=WIDTH)
    view = render_stereo(SCENES['thin_bars'](), camera)
    pair = pair_of(view)
    right = dense_hint(view.left_disparity.astype(np.float32))
    made = {kind: spoiled(kind, lambda _: right)(pair) for kind in HINT_KINDS}
    assert made['given'] is right
    assert not made['none'].trust.any()
    shift = made['shifted'].disparity - right.disparity
    np.testing.assert_allclose(shift, 8.0 * WIDTH / 640, rtol=1e-3)
    other = np.abs(made['other'].disparity - view.left_disparity)
    assert np.isfinite(made['other'].disparity).mean() > 0.9
    assert np.nanmean(other) > 1.0
