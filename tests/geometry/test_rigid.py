"""Rigid motions: round trips, and covariances against sampled truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_ros.errors import ParameterError
from depth_ros.geometry.rigid import (
    BODY_FROM_OPTICAL,
    composed_covariance,
    inverse,
    quaternion_from_rotation,
    rigid,
    rotation_angle,
    rotation_from_quaternion,
    rotation_from_vector,
    rotation_vector,
    skew,
    turned_covariance,
)

ANGLES = st.tuples(*[st.floats(-1.8, 1.8) for _ in range(3)])


@given(ANGLES)
def test_vector_quaternion_and_matrix_are_one_rotation(vector: tuple[float, ...]) -> None:
    rotation = rotation_from_vector(np.array(vector))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    again = rotation_from_quaternion(quaternion_from_rotation(rotation))
    np.testing.assert_allclose(again, rotation, atol=1e-12)
    np.testing.assert_allclose(
        rotation_from_vector(rotation_vector(rotation)), rotation, atol=1e-9
    )
    angle = np.linalg.norm(vector)
    wrapped = min(angle, 2 * math.pi - angle)
    assert rotation_angle(rotation) == pytest.approx(wrapped, abs=1e-7)


@pytest.mark.parametrize('axis', range(3))
def test_half_turns_survive(axis: int) -> None:
    rotation = rotation_from_vector(math.pi * np.eye(3)[axis])
    np.testing.assert_allclose(
        rotation_from_quaternion(quaternion_from_rotation(rotation)), rotation, atol=1e-12
    )
    assert rotation_angle(rotation) == pytest.approx(math.pi)


def test_small_angles_are_not_lost() -> None:
    vector = np.array([1e-9, -2e-9, 3e-9])
    np.testing.assert_allclose(rotation_vector(rotation_from_vector(vector)), vector, rtol=1e-6)


def test_quarter_turn_about_z() -> None:
    half = math.sqrt(0.5)
    rotation = rotation_from_quaternion([0.0, 0.0, half, half])
    np.testing.assert_allclose(rotation @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(skew(np.array([0, 0, 1.0])) @ [1.0, 0, 0], [0, 1.0, 0])


def test_optical_axes_become_forward_left_up() -> None:
    forward, left, up = BODY_FROM_OPTICAL[:3, :3] @ np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    np.testing.assert_allclose([forward, left, up], np.eye(3))


def test_inverse_undoes() -> None:
    motion = rigid(rotation_from_vector(np.array([0.3, -0.2, 0.9])), np.array([1.0, 2.0, -3.0]))
    np.testing.assert_allclose(inverse(motion) @ motion, np.eye(4), atol=1e-12)


@pytest.mark.parametrize('values', [[0, 0, 0, 0], [0, 0, 1], [math.nan, 0, 0, 1]])
def test_what_is_no_quaternion_is_refused(values: list[float]) -> None:
    with pytest.raises(ParameterError, match='quaternion'):
        rotation_from_quaternion(values)


def test_composed_covariance_agrees_with_samples() -> None:
    """Sampled as the formula says: rotations about fixed axes, positions added."""
    random = np.random.default_rng(1)
    poses = [
        rigid(rotation_from_vector(random.normal(size=3)), random.normal(size=3)) for _ in range(2)
    ]
    halves = [1e-3 * random.normal(size=(6, 6)) for _ in range(2)]
    covariances = [half @ half.T for half in halves]
    samples = []
    for _ in range(6_000):
        moved = []
        for pose, half in zip(poses, halves, strict=True):
            noise = half @ random.normal(size=6)
            turn = rotation_from_vector(noise[3:])
            moved.append(rigid(turn @ pose[:3, :3], pose[:3, 3] + noise[:3]))
        exact, noisy = poses[0] @ poses[1], moved[0] @ moved[1]
        turn = rotation_vector(noisy[:3, :3] @ exact[:3, :3].T)
        samples.append(np.concatenate([noisy[:3, 3] - exact[:3, 3], turn]))
    expected = composed_covariance(
        covariances[0], covariances[1], parent_pose=poses[0], child_pose=poses[1]
    )
    sampled = np.cov(np.array(samples).T)
    np.testing.assert_allclose(expected, sampled, atol=0.1 * np.abs(sampled).max())


def test_turned_covariance_keeps_its_size() -> None:
    covariance = np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    turned = turned_covariance(covariance, rotation_from_vector(np.array([0.0, 0.0, math.pi / 2])))
    np.testing.assert_allclose(np.diag(turned), [2.0, 1.0, 3.0, 5.0, 4.0, 6.0], atol=1e-12)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ([0.0, 0.0, 0.0, 1e200], 'of length 1 or near it, and no number of it above 1e+100'),
        ([math.inf, 0.0, 0.0, 1.0], 'four finite numbers'),
        ([0.0, 0.0, 0.0, 0.0], 'not all zero'),
    ],
)
def test_what_is_no_quaternion_is_refused_by_what_is_wrong_with_it(
    values: list[float], words: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        rotation_from_quaternion(values)
    assert words in str(caught.value)
