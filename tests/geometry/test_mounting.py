"""Places of cameras typed by hand: what is wrong is named, and what is odd is told."""

from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import ParameterError
from depth_ros.geometry.mounting import base_from_camera, odd_mount
from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, rigid, rotation_from_vector


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('1 2 3', '7 numbers are needed, these are 3'),
        ('0 0 1.1 -0.5 0.5 -0.5 0.5 0', 'these are 8'),
        ('0 0 1.1 -0.5 0,5a -0.5 0.5', "'5a' is no finite number"),
        ('0 0 nan -0.5 0.5 -0.5 0.5', "'nan' is no finite number"),
        ('0 0 inf -0.5 0.5 -0.5 0.5', "'inf' is no finite number"),
        ('0 0 1.1 0 0 0 0', 'has length 0, 1 is needed'),
        ('0 0 1.1 1 1 1 1', 'has length 2, 1 is needed'),
        ('-0.5 0.5 -0.5 0.5 0 0 1.1', 'has length 1.21, 1 is needed'),
    ],
)
def test_what_is_wrong_with_a_place_is_named(text: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        base_from_camera(text, name='navigation.base_from_camera')
    assert words in str(caught.value) and 'navigation.base_from_camera takes' in str(caught.value)


@pytest.mark.parametrize('text', ['0 0 1 0.7071 0 0 0.7071', '0, 0, 1, 0.7, 0, 0, 0.7'])
def test_rounded_quaternions_are_read(text: str) -> None:
    mount = base_from_camera(text)
    assert mount is not None
    np.testing.assert_allclose(mount[:3, 2], [0.0, -1.0, 0.0], atol=1e-6)


def turned(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Turn a camera that looks forward about an axis of the robot."""
    turn = rotation_from_vector(np.radians(degrees) * np.array(axis))
    return rigid(turn @ BODY_FROM_OPTICAL[:3, :3], np.zeros(3))


@pytest.mark.parametrize(
    ('axis', 'degrees', 'words'),
    [
        ((0.0, 1.0, 0.0), 0.0, ''),
        ((0.0, 1.0, 0.0), 58.0, ''),
        ((0.0, 1.0, 0.0), 62.0, 'straight down, at the ground'),
        ((0.0, 1.0, 0.0), -58.0, ''),
        ((0.0, 1.0, 0.0), -62.0, 'straight up, at the ceiling'),
        ((0.0, 0.0, 1.0), 170.0, ''),
        ((1.0, 0.0, 0.0), 40.0, ''),
        ((1.0, 0.0, 0.0), 50.0, 'on its side'),
        ((1.0, 0.0, 0.0), -90.0, 'on its side'),
        ((1.0, 0.0, 0.0), 180.0, 'upside down'),
    ],
)
def test_a_mount_that_is_odd_is_told(
    axis: tuple[float, float, float], degrees: float, words: str
) -> None:
    told = odd_mount(turned(axis, degrees))
    assert words in told and bool(words) == bool(told)


def test_a_body_frame_in_place_of_the_optical_one_is_odd() -> None:
    """Its z points up, which is ahead of an optical frame."""
    mount = base_from_camera('0 0 1.1 0 0 0 1')
    assert mount is not None and 'ceiling' in odd_mount(mount)
