"""Scale and shift of inverse depth: exact answers, outliers, and what tells too little."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.tasks.mono.inverse_fit import MIN_POINTS, InverseFit, fit_inverse

RANDOM = np.random.default_rng(2)
METRES = RANDOM.uniform(0.6, 8.0, 600)


def relative_of(metres: np.ndarray, *, scale: float, shift: float) -> np.ndarray:
    """Return depth ``1 / d`` with ``1 / Z = scale * d + shift``."""
    return scale / (1.0 / metres - shift)


@pytest.mark.parametrize(('scale', 'shift'), [(0.2, 0.0), (3.0, 0.05), (0.5, -0.2)])
def test_scale_and_shift_are_found_exactly(scale: float, shift: float) -> None:
    relative = relative_of(METRES, scale=scale, shift=shift)
    fit = fit_inverse(relative, METRES)
    assert fit is not None and fit.num_points == 600
    assert (fit.scale, fit.shift) == (pytest.approx(scale), pytest.approx(shift, abs=1e-6))
    np.testing.assert_allclose(fit.metres(relative), METRES, rtol=1e-4)


def test_a_third_of_wrong_points_changes_nothing() -> None:
    relative = relative_of(METRES, scale=0.7, shift=0.06)
    wrong = METRES * RANDOM.normal(1.0, 0.02, METRES.shape)
    wrong[::3] = RANDOM.uniform(0.5, 20.0, 200)
    fit = fit_inverse(relative, wrong)
    assert fit is not None
    assert fit.scale == pytest.approx(0.7, rel=0.03) and fit.shift == pytest.approx(0.06, abs=0.01)
    assert fit.spread < 0.08
    again = fit_inverse(relative, wrong)
    assert again == fit, 'equal points give equal fits'


def test_one_wall_tells_a_scale_and_no_shift() -> None:
    metres = np.full(100, 2.0) * RANDOM.normal(1.0, 0.01, 100)
    fit = fit_inverse(np.full(100, 0.5), metres)
    assert fit is not None and fit.shift == 0.0
    assert fit.metres(np.array([0.5, 1.0], np.float32)) == pytest.approx([2.0, 4.0], rel=0.01)


def test_too_few_points_and_depth_turned_round_give_nothing() -> None:
    assert fit_inverse(METRES[: MIN_POINTS - 1], METRES[: MIN_POINTS - 1]) is None
    assert fit_inverse(np.empty(0), np.empty(0)) is None
    fit = fit_inverse(1.0 / METRES, METRES)
    assert fit is None or fit.spread > 0.3, 'far and near are exchanged: nobody may believe it'


def test_what_lies_behind_the_camera_is_unknown() -> None:
    fit = InverseFit(scale=1.0, shift=-0.5, spread=0.0, num_points=9)
    found = fit.metres(np.array([1.0, 2.0, 4.0, np.nan, 0.0, -1.0, np.inf], np.float32))
    assert found[0] == pytest.approx(2.0)
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize('is_map_worse', [True, False])
def test_errors_of_what_is_worse_do_not_flatten_the_fit(is_map_worse: bool) -> None:
    random = np.random.default_rng(5)
    metres = random.uniform(2.0, 5.0, 3000)
    relative = 1.0 / ((1.0 / metres - 0.1) / 0.4)
    noise = np.exp(random.normal(0.0, 0.12, 3000))
    worse, better = (relative * noise, metres) if is_map_worse else (relative, metres * noise)
    fit = fit_inverse(worse, better, is_map_worse=is_map_worse)
    other = fit_inverse(worse, better, is_map_worse=not is_map_worse)
    assert fit is not None and other is not None
    assert fit.scale == pytest.approx(0.4, rel=0.06)
    assert abs(other.scale / 0.4 - 1.0) > 0.08
    # A thing nearer than all that was fitted.
    near = fit.metres(np.array([1.0 / ((1.0 / 1.2 - 0.1) / 0.4)]))
    assert near[0] == pytest.approx(1.2, rel=0.06)
