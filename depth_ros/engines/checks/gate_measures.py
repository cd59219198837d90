"""What the accuracy gate measures, by task; the limits are the recipe's.

Every measure says first whether float32's own output leaves anything to decide, then how far
another engine's output is from it. A value that is not finite on one side only counts as
infinitely far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from depth_ros.engines.checks.golden import Tolerance, measure
from depth_ros.files.checked_yaml import Section
from depth_ros.tensors import Tensors

MIN_MATCHES = 50
"""With fewer matches the overlap is not significant."""

MIN_SPREAD_PX = 1.0
MIN_RELATIVE_SPREAD = 0.05
"""Between the 5th and 95th percentile of a map; below that it is nearly constant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: What it is, e.g. ``'epe_change_px'``.
        value: What was measured.
        limit: Largest value allowed, or smallest.
        is_at_least: Whether the limit is the smallest value allowed.
    """

    name: str
    value: float
    limit: float
    is_at_least: bool = False

    @property
    def is_within(self) -> bool:
        """Whether the limit is met; limits are exclusive upwards and inclusive downwards."""
        return self.value >= self.limit if self.is_at_least else self.value < self.limit

    def describe(self) -> str:
        """Return name, value and limit as text."""
        sign = '>=' if self.is_at_least else '<'
        return f'{self.name} {self.value:.4g} (must be {sign} {self.limit:g})'


class Measure(Protocol):
    """Limits of one graph with the way to measure them."""

    @property
    def kind(self) -> str:
        """Name of the section in a recipe."""

    def doubt(self, reference: Tensors) -> str:
        """Return why float32's outputs cannot decide the gate; empty if they can."""

    def figures(self, reference: Tensors, actual: Tensors) -> tuple[Figure, ...]:
        """Measure another engine's outputs; always the same figures in the same order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoMeasure:
    """Disparity maps in pixels.

    Attributes:
        epe_change_px: Limit of the mean distance from float32's map, which bounds the change of
            the end-point error.
        moved_share: Limit of the share of pixels that moved, 0..1.
        moved_above_px: By how much a pixel must move to count.
        output: Name of the graph's output.
    """

    epe_change_px: float
    moved_share: float
    moved_above_px: float = 1.0
    output: str = 'disparity'
    kind: str = 'stereo'

    def doubt(self, reference: Tensors) -> str:
        """Return the doubt if a map has hardly any spread of disparity."""
        spread = _spread(reference[self.output])
        if spread >= MIN_SPREAD_PX:
            return ''
        return f'disparities spread over {spread:.3g} px, {MIN_SPREAD_PX:g} px are needed'

    def figures(self, reference: Tensors, actual: Tensors) -> tuple[Figure, ...]:
        """Return mean distance and share of moved pixels."""
        limits = Tolerance(mean=self.epe_change_px, outlier_above=self.moved_above_px)
        found = measure(reference[self.output], actual[self.output], limits)
        return (
            Figure(name='epe_change_px', value=found.mean, limit=self.epe_change_px),
            Figure(name='moved_share', value=found.outlier_fraction, limit=self.moved_share),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthMeasure:
    """Depth in any unit, ``1 / (offset + factor * output)``.

    Of an output that is depth itself the relative change is the same.

    Attributes:
        abs_rel_change: Limit of the mean relative distance from float32's depth.
        offset: See above.
        factor: See above.
        output: Name of the graph's output.
    """

    abs_rel_change: float
    offset: float = 0.0
    factor: float = 1.0
    output: str = 'disparity'
    kind: str = 'depth'

    def doubt(self, reference: Tensors) -> str:
        """Return the doubt if a map is nearly constant or mostly unknown."""
        inverse = self._inverse_depth(reference)
        known = inverse > 0.0
        if known.mean() < 0.5:
            return f'only {known.mean():.0%} of the pixels have a depth'
        depth = 1.0 / inverse[known]
        spread = _spread(depth) / float(np.median(depth))
        if spread >= MIN_RELATIVE_SPREAD:
            return ''
        return f'depths spread over {spread:.1%}, {MIN_RELATIVE_SPREAD:.0%} are needed'

    def figures(self, reference: Tensors, actual: Tensors) -> tuple[Figure, ...]:
        """Return the mean of ``|depth - depth32| / depth32`` where float32 has a depth."""
        wanted, got = self._inverse_depth(reference), self._inverse_depth(actual)
        known = wanted > 0.0
        change = np.full(wanted.shape, np.inf)
        usable = known & (got > 0.0)
        change[usable] = np.abs(wanted[usable] / got[usable] - 1.0)
        value = float(change[known].mean())
        return (Figure(name='abs_rel_change', value=value, limit=self.abs_rel_change),)

    def _inverse_depth(self, tensors: Tensors) -> np.ndarray:
        """Return 1 / depth, NaN and infinities as 0: no depth."""
        inverse = self.offset + self.factor * tensors[self.output].astype(np.float64)
        return np.where(np.isfinite(inverse), inverse, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchMeasure:
    """Matches on cells of the first image, with points in the second.

    Attributes:
        overlap: Limit of the share of matches that both have, of the larger set, 0..1.
        min_confidence: Below it a cell has no match.
        same_within_px: How far apart two points may be and still be the same.
    """

    overlap: float
    min_confidence: float
    same_within_px: float = 1.0
    kind: str = 'matches'

    def doubt(self, reference: Tensors) -> str:
        """Return the doubt if there are too few matches for a share."""
        count = int(self._has_match(reference).sum())
        if count >= MIN_MATCHES:
            return ''
        return f'float32 finds {count} matches, {MIN_MATCHES} are needed'

    def figures(self, reference: Tensors, actual: Tensors) -> tuple[Figure, ...]:
        """Return the share of common matches."""
        wanted, got = self._has_match(reference), self._has_match(actual)
        distance = np.linalg.norm(
            reference['points'].astype(np.float64) - actual['points'], axis=-1
        )
        same = wanted & got & (distance <= self.same_within_px)
        largest = max(int(wanted.sum()), int(got.sum()), 1)
        value = int(same.sum()) / largest
        return (Figure(name='overlap', value=value, limit=self.overlap, is_at_least=True),)

    def _has_match(self, tensors: Tensors) -> np.ndarray:
        has_match: np.ndarray = tensors['confidence'] >= self.min_confidence
        return has_match & np.isfinite(tensors['points']).all(axis=-1)


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionMeasure:
    """Small vectors, as a pose network gives them.

    Attributes:
        relative_change: Limit of ``|v - v32| / |v32|``, the worst output counts.
        min_length: A reference shorter than this has no direction to lose.
    """

    relative_change: float
    min_length: float
    kind: str = 'motion'

    def doubt(self, reference: Tensors) -> str:
        """Return the doubt if a motion is too small to compare."""
        lengths = {name: float(np.linalg.norm(value)) for name, value in reference.items()}
        small = [
            f'{name} {value:.3g}' for name, value in lengths.items() if value < self.min_length
        ]
        return f'too small to compare (least {self.min_length:g}): {", ".join(small)}' * bool(
            small
        )

    def figures(self, reference: Tensors, actual: Tensors) -> tuple[Figure, ...]:
        """Return the largest relative change."""
        changes = [
            float(np.linalg.norm(value - actual[name]) / np.linalg.norm(value))
            for name, value in reference.items()
        ]
        value = max(changes) if np.isfinite(changes).all() else float('inf')
        return (Figure(name='relative_change', value=value, limit=self.relative_change),)


def read_measure(section: Section | None) -> Measure | None:
    """Read the optional ``gate`` section of a graph: one mapping of limits under its kind.

    Raises:
        RecipeError: Naming the key and what was expected there.
    """
    if section is None:
        return None
    parts = section.all_sections()
    if len(parts) != 1 or parts[0][0] not in _READERS:
        section.fail('', f'one of {sorted(_READERS)}', [name for name, _ in parts])
    kind, part = parts[0]
    found = _READERS[kind](part)
    part.finish()
    return found


def _read_stereo(part: Section) -> Measure:
    return StereoMeasure(
        epe_change_px=part.number('epe_change_px'),
        moved_share=part.number('moved_share'),
        moved_above_px=part.number('moved_above_px'),
    )


def _read_depth(part: Section) -> Measure:
    factor = part.optional_number('factor')
    return DepthMeasure(
        abs_rel_change=part.number('abs_rel_change'),
        output=part.optional_text('output') or 'disparity',
        offset=part.optional_number('offset') or 0.0,
        factor=1.0 if factor is None else factor,
    )


def _read_matches(part: Section) -> Measure:
    return MatchMeasure(
        overlap=part.number('overlap'),
        min_confidence=part.number('min_confidence'),
        same_within_px=part.number('same_within_px'),
    )


def _read_motion(part: Section) -> Measure:
    return MotionMeasure(
        relative_change=part.number('relative_change'), min_length=part.number('min_length')
    )


_READERS: dict[str, Callable[[Section], Measure]] = {
    'stereo': _read_stereo,
    'depth': _read_depth,
    'matches': _read_matches,
    'motion': _read_motion,
}


def _spread(values: np.ndarray) -> float:
    """Return the distance between the 5th and 95th percentile; 0 if nothing is finite."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0
    low, high = np.percentile(finite.astype(np.float64), [5, 95])
    return float(high - low)
