"""How a camera sits on its robot, as settings write it."""

from __future__ import annotations

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.geometry.rigid import rigid, rotation_from_quaternion


def base_from_camera(text: str, *, name: str = 'base_from_camera') -> np.ndarray | None:
    """Read ``'x y z qx qy qz qw'`` as ``(4, 4)``; None where empty.

    ``name`` is that of the parameter, for words.

    Raises:
        ParameterError: If it is not seven numbers, or the quaternion has no length.
    """
    if not text.strip():
        return None
    try:
        numbers = tuple(float(word) for word in text.replace(',', ' ').split())
    except ValueError:
        numbers = ()
    is_finite = all(abs(number) < 1e9 for number in numbers)
    if len(numbers) != 7 or not is_finite or not any(numbers[3:]):
        raise ParameterError(
            f'{name} takes x y z qx qy qz qw, got {text!r}; for a camera that looks '
            'forward from the base itself set it to: 0 0 0 -0.5 0.5 -0.5 0.5'
        )
    return rigid(rotation_from_quaternion(numbers[3:]), np.array(numbers[:3]))
