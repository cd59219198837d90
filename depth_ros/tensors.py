"""Named, statically shaped arrays: what models and engines exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import ShapeError

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: The graph's own name for it, e.g. ``'left'``.
        shape: Static shape, every dimension positive.
        dtype: NumPy name of the element type, e.g. ``'uint8'`` or ``'float32'``.
        unit: What one unit of the value is, e.g. ``'px'``, ``'m'`` or ``''``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str = ''

    def describe(self) -> str:
        """Say shape and dtype in one word, e.g. ``uint8(1, 480, 640, 3)``."""
        return f'{self.dtype}{self.shape}'


def check_tensors(tensors: Tensors, specs: Sequence[TensorSpec], *, what: str) -> None:
    """Check names, shapes and dtypes at a border.

    Args:
        tensors: What came.
        specs: What is expected; names must match exactly.
        what: Whose border it is, for the message, e.g. ``"inputs of 'crestereo'"``.

    Raises:
        ShapeError: Naming the tensor, what was expected and what came.
    """
    expected = {spec.name: spec for spec in specs}
    if set(tensors) != set(expected):
        raise ShapeError(
            f'{what}: expected tensors {sorted(expected)}, got {sorted(tensors)}; '
            'pass exactly the named tensors'
        )
    for name, spec in expected.items():
        array = tensors[name]
        if tuple(array.shape) != spec.shape or array.dtype != np.dtype(spec.dtype):
            raise ShapeError(
                f'{what}: {name!r} must be {spec.describe()}, '
                f'got {array.dtype}{tuple(array.shape)}; fit the frame to the engine size first'
            )
