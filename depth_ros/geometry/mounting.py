"""How a camera sits on its robot, as settings write it."""

from __future__ import annotations

import math

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.geometry.rigid import rigid, rotation_from_quaternion

UNIT_TOLERANCE = 0.05
"""A quaternion's length may be off by as much, which is rounding to one digit."""

STEEP_RAD = math.radians(30.0)
"""An optical axis that is nearer to the vertical looks at the ceiling or the ground."""

_LOOKS = 'looks almost straight {way}, at the {at}'
_EXAMPLE = (
    'for a camera that looks forward from the base itself set it to: 0 0 0 -0.5 0.5 -0.5 0.5'
)


def base_from_camera(text: str, *, name: str = 'base_from_camera') -> np.ndarray | None:
    """Read ``'x y z qx qy qz qw'`` as ``(4, 4)``; None where empty.

    ``name`` is that of the parameter, for words.

    Raises:
        ParameterError: If it is not seven finite numbers, or the quaternion is not of length 1; it
            says which.
    """
    if not text.strip():
        return None
    words = text.replace(',', ' ').split()
    fault = _fault(words)
    if fault:
        raise ParameterError(f'{name} takes x y z qx qy qz qw, got {text!r}: {fault}; {_EXAMPLE}')
    numbers = [float(word) for word in words]
    return rigid(rotation_from_quaternion(numbers[3:]), np.array(numbers[:3]))


def odd_mount(mount: np.ndarray) -> str:
    """Return what is odd about a camera on a robot, in words; empty if it looks about ahead.

    Args:
        mount: ``(4, 4)``, the robot's frame (z up) from the optical frame (z ahead, y down).
    """
    right, down, ahead = (float(value) for value in mount[2, :3])
    if abs(ahead) > math.cos(STEEP_RAD):
        way, at = ('up', 'ceiling') if ahead > 0.0 else ('down', 'ground')
        return _LOOKS.format(way=way, at=at)
    if -down < abs(right):
        return 'hangs upside down' if down > abs(right) else 'lies on its side'
    return ''


def _fault(words: list[str]) -> str:
    """Return what keeps words from being a place and a unit quaternion; empty if nothing does."""
    numbers = [_number(word) for word in words]
    unread = [word for word, number in zip(words, numbers, strict=True) if number is None]
    if unread:
        return f'{unread[0]!r} is no finite number'
    if len(numbers) != 7:
        return f'7 numbers are needed, these are {len(numbers)}'
    length = math.hypot(*(number for number in numbers[3:] if number is not None))
    if length == 0.0:
        return 'the quaternion qx qy qz qw has length 0, 1 is needed'
    if abs(length - 1.0) > UNIT_TOLERANCE:
        return f'the quaternion qx qy qz qw has length {length:.3g}, 1 is needed'
    return ''


def _number(word: str) -> float | None:
    """Read a number below 1e9; None if it is none."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None
