"""Golden check: the same synthetic input on every machine, and limits for the outputs.

Inputs come from integer arithmetic on raw PCG64 output (O'Neill 2014), so every NumPy since
1.17 makes the same bytes. Images are smooth noise; the n-th image shows the first one shifted
by n times a disparity that grows down the image, so a stereo network sees a plausible pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import ArtifactError
from depth_ros.tensors import Tensors, TensorSpec

GOLDEN_SEED = 20260101
_CELLS_PX = (32, 8, 2)
_MAX_SHIFT_PX = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """How far one output may be from the float32 network's.

    Attributes:
        mean: Largest mean absolute difference, in the output's unit.
        max: Largest absolute difference, or None for no limit.
        outlier_above: Difference that makes a value an outlier, or None to count none.
        outlier_fraction: Largest share of outliers, 0..1.
    """

    mean: float
    max: float | None = None
    outlier_above: float | None = None
    outlier_fraction: float = 0.0


Tolerances = Mapping[str, Tolerance]
"""Tolerances by output name; ``'*'`` stands for outputs not named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenFigures:
    """How far one output was from the float32 network's; NaN in one alone counts as infinite."""

    mean: float
    max: float
    outlier_fraction: float = 0.0

    def describe(self) -> str:
        """Return the figures in a few words."""
        return f'mean {self.mean:.3g}, max {self.max:.3g}, outliers {self.outlier_fraction:.2%}'


def golden_inputs(
    specs: Sequence[TensorSpec],
    *,
    seed: int = GOLDEN_SEED,
    examples: Tensors | None = None,
) -> dict[str, np.ndarray]:
    """Make the golden inputs of a graph.

    Args:
        specs: Its inputs. uint8 with four axes means an image ``(1, H, W, C)``; other integers
            are drawn from 0..255, floats from [-1, 1).
        seed: Seed.
        examples: Values for inputs that noise cannot stand for.
    """
    given = dict(examples or {})
    num_images = 0
    for index, spec in enumerate(specs):
        is_image = spec.dtype == 'uint8' and len(spec.shape) == 4
        if spec.name not in given and is_image:
            given[spec.name] = _image(spec.shape, seed, num_images)
        elif spec.name not in given:
            given[spec.name] = _values(spec, seed + 1 + index)
        num_images += is_image
    return {spec.name: given[spec.name] for spec in specs}


def digest_tensors(tensors: Tensors) -> str:
    """Return the SHA-256 of names, dtypes, shapes and little-endian values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        array = array.astype(array.dtype.newbyteorder('<'), copy=False)
        digest.update(f'{name} {array.dtype.str} {array.shape}\n'.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def check_outputs(
    expected: Tensors, actual: Tensors, tolerances: Tolerances, *, what: str, remedy: str
) -> dict[str, GoldenFigures]:
    """Compare outputs with the golden ones.

    Args:
        expected: The float32 network's outputs.
        actual: The engine's outputs.
        tolerances: Limits by output.
        what: Engine that made ``actual``; begins the message.
        remedy: Remedy; ends the message.

    Raises:
        ArtifactError: If an output is missing, misshapen or outside its tolerance.
    """
    figures = {}
    for name, wanted in expected.items():
        tolerance = _tolerance_of(name, tolerances, what)
        if name not in actual or actual[name].shape != wanted.shape:
            got = {key: value.shape for key, value in actual.items()}
            raise ArtifactError(
                f'{what}: expected output {name!r} of shape {wanted.shape}, got {got}; {remedy}'
            )
        figures[name] = measure(wanted, actual[name], tolerance)
        if not _is_within(figures[name], tolerance):
            raise ArtifactError(
                f'{what} is out of tolerance: {name!r} differs from the float32 network by '
                f'{figures[name].describe()}, allowed are {_describe(tolerance)}; {remedy}'
            )
    return figures


def measure(expected: np.ndarray, actual: np.ndarray, tolerance: Tolerance) -> GoldenFigures:
    """Measure the difference of two arrays of one shape; equal infinities and NaN are equal."""
    wanted, got = expected.astype(np.float64), actual.astype(np.float64)
    same = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
    finite = np.isfinite(wanted) & np.isfinite(got)
    difference = np.full(wanted.shape, np.inf)
    difference[finite] = np.abs(wanted[finite] - got[finite])
    difference[same] = 0.0
    if difference.size == 0:
        return GoldenFigures(mean=0.0, max=0.0)
    above = np.inf if tolerance.outlier_above is None else tolerance.outlier_above
    return GoldenFigures(
        mean=float(difference.mean()),
        max=float(difference.max()),
        outlier_fraction=float((difference > above).mean()),
    )


def _tolerance_of(name: str, tolerances: Tolerances, what: str) -> Tolerance:
    tolerance = tolerances.get(name, tolerances.get('*'))
    if tolerance is None:
        raise ArtifactError(
            f'{what}: no tolerance is given for output {name!r}, only for {sorted(tolerances)}; '
            "add it, or '*', to the recipe"
        )
    return tolerance


def _is_within(figures: GoldenFigures, tolerance: Tolerance) -> bool:
    return (
        figures.mean <= tolerance.mean
        and (tolerance.max is None or figures.max <= tolerance.max)
        and figures.outlier_fraction <= tolerance.outlier_fraction
    )


def _describe(tolerance: Tolerance) -> str:
    parts = [f'mean {tolerance.mean:.3g}']
    if tolerance.max is not None:
        parts.append(f'max {tolerance.max:.3g}')
    if tolerance.outlier_above is not None:
        parts.append(f'{tolerance.outlier_fraction:.2%} above {tolerance.outlier_above:.3g}')
    return ', '.join(parts)


def _raw(seed: int, count: int) -> np.ndarray:
    """Draw ``count`` int64 in 0..2^24-1."""
    return (np.random.PCG64(seed).random_raw(count) >> np.uint64(40)).astype(np.int64)


def _values(spec: TensorSpec, seed: int) -> np.ndarray:
    raw = _raw(seed, int(np.prod(spec.shape, dtype=np.int64))).reshape(spec.shape)
    if np.issubdtype(np.dtype(spec.dtype), np.floating):
        return ((raw - (1 << 23)) / float(1 << 23)).astype(spec.dtype)
    return (raw >> 16).astype(spec.dtype)


def _image(shape: tuple[int, ...], seed: int, index: int) -> np.ndarray:
    """Make image ``index``: pixel x shows the texture at x + index * shift(row)."""
    _, height, width, channels = shape
    max_shift = min(_MAX_SHIFT_PX, max(1, width // 4))
    texture = _texture(height, width + index * max_shift, channels, seed)
    shifts = index * (1 + np.arange(height) * (max_shift - 1) // max(1, height - 1))
    columns = np.arange(width)[None, :] + shifts[:, None]
    image = texture[np.arange(height)[:, None], columns]
    return np.ascontiguousarray(np.broadcast_to(image, shape), dtype=np.uint8)


def _texture(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """Sum octaves of smooth noise: ``(height, width, channels)`` int64 in 0..255."""
    octaves = [_octave(height, width, channels, cell, seed + cell) for cell in _CELLS_PX]
    coarse, middle, fine = octaves
    return (2 * coarse + middle + fine) // 4


def _octave(height: int, width: int, channels: int, cell: int, seed: int) -> np.ndarray:
    """Interpolate noise given every ``cell`` pixels, bilinearly, in integers.

    Columns are drawn one after the other, so a wider texture begins with the narrower one.
    """
    rows, columns = height // cell + 2, width // cell + 2
    grid = (_raw(seed, rows * columns * channels) >> 16).reshape(columns, rows, channels)
    y, x = np.arange(height), np.arange(width)
    y_part, x_part = (y % cell)[:, None], (x % cell)[:, None, None]
    first, second = grid[x // cell], grid[x // cell + 1]
    columns_at_x = first * (cell - x_part) + second * x_part
    upper, lower = columns_at_x[:, y // cell], columns_at_x[:, y // cell + 1]
    blended = (upper * (cell - y_part) + lower * y_part) // (cell * cell)
    return blended.transpose(1, 0, 2)
