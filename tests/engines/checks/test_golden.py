"""Golden inputs are the same bytes everywhere; the comparison refuses what is off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_ros.engines.checks.golden import (
    Tolerance,
    check_outputs,
    digest_tensors,
    golden_inputs,
    measure,
)
from depth_ros.errors import ArtifactError
from depth_ros.tensors import TensorSpec
from tests.kit.toy_graph import INPUTS

IMAGES = tuple(
    TensorSpec(name=name, shape=(1, 48, 64, 3), dtype='uint8') for name in ('left', 'right')
)
SEED = 5
NO_LIMIT = Tolerance(mean=float('inf'))


def test_bytes_are_those_of_every_numpy() -> None:
    """Digests were made once; a NumPy that makes other bytes would void every golden file."""
    specs = (
        *INPUTS,
        TensorSpec(name='flow', shape=(1, 2, 3), dtype='float32'),
        TensorSpec(name='index', shape=(4,), dtype='int64'),
    )
    assert digest_tensors(golden_inputs(specs, seed=SEED)) == (
        'e7ce84e8e17f400cb5ab45193930b41456cbd0d84a329644156f2c5c4cce8752'
    )


def test_right_image_shows_the_left_one_shifted() -> None:
    images = golden_inputs(IMAGES, seed=SEED)
    left, right = images['left'][0].astype(int), images['right'][0].astype(int)
    for row, shift in ((0, 1), (47, 12)):
        np.testing.assert_array_equal(right[row, :-shift], left[row, shift:])


def test_images_have_texture_at_every_row() -> None:
    left = golden_inputs(IMAGES, seed=SEED)['left'][0].astype(float)
    assert left.std(axis=1).min() > 8
    assert left.min() >= 0 and left.max() > 150


def test_float_inputs_fill_their_range_and_differ() -> None:
    specs = [TensorSpec(name=name, shape=(1000,), dtype='float32') for name in 'ab']
    values = golden_inputs(specs, seed=SEED)
    assert -1 <= values['a'].min() < -0.9 and 0.9 < values['a'].max() < 1
    assert not np.array_equal(values['a'], values['b'])


def test_examples_take_the_place_of_noise() -> None:
    given_values = np.full((1, 48, 64, 3), 9, np.uint8)
    inputs = golden_inputs(IMAGES, seed=SEED, examples={'right': given_values})
    assert inputs['right'] is given_values
    assert list(inputs) == ['left', 'right']


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 4))
def test_any_size_gives_images(height: int, width: int, channels: int) -> None:
    specs = [
        TensorSpec(name=name, shape=(1, height, width, channels), dtype='uint8') for name in 'ab'
    ]
    for spec, image in zip(specs, golden_inputs(specs).values(), strict=True):
        assert image.shape == spec.shape and image.dtype == np.uint8


def test_digest_sees_names_shapes_types_and_values() -> None:
    array = np.arange(6, dtype=np.float32)
    others = [
        {'b': array},
        {'a': array.reshape(2, 3)},
        {'a': array.astype(np.float64)},
        {'a': array + 1},
    ]
    digests = {digest_tensors(tensors) for tensors in [{'a': array}, *others]}
    assert len(digests) == 5
    assert digest_tensors({'a': array.astype('>f4')}) == digest_tensors({'a': array})


def test_figures_are_known() -> None:
    expected = np.array([0.0, 0, 0, 0])
    figures = measure(expected, np.array([0.0, 1, -3, 0]), Tolerance(mean=1, outlier_above=2))
    assert (figures.mean, figures.max, figures.outlier_fraction) == (1.0, 3.0, 0.25)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_unknown_in_one_alone_is_infinitely_wrong(bad: float) -> None:
    good, wrong = np.array([1.0, 2]), np.array([1.0, bad])
    assert measure(good, wrong, NO_LIMIT).max == np.inf
    assert measure(wrong, good, NO_LIMIT).max == np.inf
    assert measure(wrong, wrong, NO_LIMIT).max == 0


@pytest.mark.parametrize(
    ('tolerance', 'is_refused'),
    [
        (Tolerance(mean=0.03, max=0.1), False),
        (Tolerance(mean=0.02, max=0.1), True),
        (Tolerance(mean=0.03, max=0.09), True),
        (Tolerance(mean=0.03), False),
        (Tolerance(mean=0.03, outlier_above=0.05, outlier_fraction=0.25), False),
        (Tolerance(mean=0.03, outlier_above=0.05, outlier_fraction=0.2), True),
    ],
)
def test_each_limit_refuses_alone(tolerance: Tolerance, is_refused: bool) -> None:
    expected, actual = np.zeros(4), np.array([0, 0, 0, 0.1])
    call = {'what': 'the engine', 'remedy': 'do this'}
    if not is_refused:
        figures = check_outputs({'map': expected}, {'map': actual}, {'*': tolerance}, **call)
        assert figures['map'].mean == pytest.approx(0.025)
        return
    with pytest.raises(ArtifactError) as caught:
        check_outputs({'map': expected}, {'map': actual}, {'map': tolerance}, **call)
    for words in ('the engine', "'map'", 'mean 0.025', 'max 0.1', 'do this'):
        assert words in str(caught.value)


def test_missing_misshapen_and_unlimited_outputs_are_refused() -> None:
    call = {'what': 'the engine', 'remedy': 'do this'}
    limits = {'map': NO_LIMIT}
    for actual in ({}, {'map': np.zeros(3)}):
        with pytest.raises(ArtifactError, match=r"expected output 'map' of shape \(4,\)"):
            check_outputs({'map': np.zeros(4)}, actual, limits, **call)
    with pytest.raises(ArtifactError, match="no tolerance is given for output 'other'"):
        check_outputs({'other': np.zeros(4)}, {'other': np.zeros(4)}, limits, **call)


def test_broadcasting_cannot_hide_a_collapsed_output() -> None:
    """A runtime that reduced too many axes gives (1, 1) where (6, 1) is right."""
    with pytest.raises(ArtifactError):
        check_outputs(
            {'map': np.zeros((6, 1))},
            {'map': np.zeros((1, 1))},
            {'*': NO_LIMIT},
            what='the engine',
            remedy='do this',
        )
