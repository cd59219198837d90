"""Judge matchers on pairs with truth: learned ones beside SIFT and ORB, at equal counts too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from depth_ros.evaluation.match_pairs import JudgedPair, symmetric_epipolar
from depth_ros.evaluation.tables import markdown_table, number, percent
from depth_ros.models.registry import models, weightless_models
from depth_ros.results import MatchResult
from depth_ros.tasks.matching.matcher import Matcher
from depth_ros.tensors import Task

SIFT, ORB = 'SIFT', 'ORB'
YARDSTICKS = {models()[name].title: name for name in weightless_models(Task.MATCHING)}
"""Matchers without weights, by the names in tables."""

LIMITS_PX = (3, 5, 16)
EPIPOLAR_LIMIT = 5e-4
HEADER = (
    'set', 'matcher', 'pairs', 'matches a pair', 'median px',
    *(f'< {limit} px %' for limit in LIMITS_PX), '< 5e-4 %',
)  # fmt: skip
EXPLANATION = (
    'Shares of the matches whose truth is known, over all pairs of a set; < 5e-4: symmetric '
    'epipolar distance in normalised coordinates. Equal count: as many of the surest as both give.'
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairErrors:
    """Errors of one pair's matches.

    Attributes:
        distance_px: (N,) from the truth, NaN where it is unknown.
        epipolar: (N,) symmetric epipolar distance, normalised; NaN where the pose is unknown.
    """

    distance_px: np.ndarray
    epipolar: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchRow:
    """One matcher on one set; shares 0..1 of the matches whose truth is known, NaN for none.

    Attributes:
        set: Name of the set.
        matcher: What matched.
        num_pairs: Pairs of the set.
        num_matches: Mean number of matches a pair.
        median_px: Median distance from the truth.
        within: Shares that are nearer to the truth than each of ``LIMITS_PX``.
        epipolar: Share below ``EPIPOLAR_LIMIT`` of symmetric epipolar distance.
    """

    set: str
    matcher: str
    num_pairs: int
    num_matches: float
    median_px: float
    within: tuple[float, ...]
    epipolar: float


def evaluate_set(
    name: str, pairs: Iterable[JudgedPair], matchers: Mapping[str, Matcher]
) -> list[MatchRow]:
    """Judge every matcher on every pair of a set.

    Args:
        name: Name of the set.
        pairs: Its pairs.
        matchers: By name; with ``SIFT`` among them, each network and SIFT are also judged with
            as many of their surest matches as both have.
    """
    errors: dict[str, list[PairErrors]] = {}
    for judged in pairs:
        results = {key: matcher.match(judged.pair).result for key, matcher in matchers.items()}
        for matcher, result in (*results.items(), *equal_counts(results)):
            found = PairErrors(
                distance_px=judged.errors(result), epipolar=symmetric_epipolar(judged, result)
            )
            errors.setdefault(matcher, []).append(found)
    return [summary(name, matcher, found) for matcher, found in errors.items()]


def equal_counts(results: Mapping[str, MatchResult]) -> Iterator[tuple[str, MatchResult]]:
    """Cut each network and SIFT to the number that both have; nothing without SIFT."""
    networks = [name for name in results if name not in YARDSTICKS]
    for network in networks if SIFT in results else ():
        count = min(len(results[name].confidence) for name in (network, SIFT))
        for name, label in ((network, network), (SIFT, f'{SIFT} for {network}')):
            yield f'{label}, equal count', surest(results[name], count)


def surest(result: MatchResult, count: int) -> MatchResult:
    """Keep the most confident matches, which come first."""
    return MatchResult(
        points_first=result.points_first[:count],
        points_second=result.points_second[:count],
        confidence=result.confidence[:count],
    )


def summary(name: str, matcher: str, errors: list[PairErrors]) -> MatchRow:
    """Put the pairs of a set together."""
    joined = np.concatenate([found.distance_px for found in errors])
    epipolar = np.concatenate([found.epipolar for found in errors])
    known, aligned = joined[np.isfinite(joined)], epipolar[np.isfinite(epipolar)]
    return MatchRow(
        set=name,
        matcher=matcher,
        num_pairs=len(errors),
        num_matches=len(joined) / len(errors),
        median_px=float(np.median(known)) if known.size else float('nan'),
        within=tuple(_share_below(known, limit) for limit in LIMITS_PX),
        epipolar=_share_below(aligned, EPIPOLAR_LIMIT),
    )


def table(rows: Iterable[MatchRow]) -> str:
    """Write the rows as a Markdown table."""
    cells = [
        [
            *(row.set, row.matcher, str(row.num_pairs), f'{row.num_matches:.0f}'),
            number(row.median_px, digits=2),
            *(percent(share) for share in (*row.within, row.epipolar)),
        ]
        for row in rows
    ]
    return markdown_table(HEADER, cells)


def _share_below(errors: np.ndarray, limit: float) -> float:
    return float((errors < limit).mean()) if errors.size else float('nan')
