"""Matches on real pairs with truth: LoFTR's coarse student beside SIFT and ORB.

SIFT and ORB (ratio test, mutual check) are judged with all their matches; each LoFTR and SIFT
also with as many of their surest as both have. The last column is the share of matches whose
symmetric epipolar distance in normalised coordinates is below 5e-4 (Sarlin et al. 2020). Needs
the shared data (``DEPTH_ROS_SHARED``).

    python benchmarks/matching_accuracy.py [--loftr-weights outdoor_ds.ckpt --variant outdoor_ds]
    python benchmarks/matching_accuracy.py --loftr-weights loftr_tiny.safetensors --variant tiny
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from timing import markdown_table, write_report

from depth_ros.matching import Matcher, MatchSettings, open_matcher
from depth_ros.results import MatchResult

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tests'))

from match_sets import MATCH_SETS, JudgedPair, homogeneous
from shared_data import shared_root

HEADER = (
    'set', 'matcher', 'matches a pair', 'median px',
    '< 3 px %', '< 5 px %', '< 16 px %', '< 5e-4 %',
)  # fmt: skip
LIMITS_PX = (3, 5, 16)
EPIPOLAR_LIMIT = 5e-4
Errors = tuple[np.ndarray, np.ndarray]
"""Distances (N,) px and symmetric epipolar distances (N,) of one pair's matches."""
STUDENT, SIFT, ORB = 'LoFTR coarse student', 'SIFT', 'ORB'


def main() -> None:
    """Judge every matcher on every set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--loftr-weights', default='', help='an official file, judged too')
    parser.add_argument('--variant', default='outdoor_ds')
    parser.add_argument('--pairs', type=int, default=0, help='pairs of each set, 0 for all')
    arguments = parser.parse_args()
    matchers = open_matchers(arguments)
    rows, records = [], []
    for set_name, load in MATCH_SETS.items():
        pairs = list(load(shared_root() / 'data'))[: arguments.pairs or None]
        for matcher, errors in judge(pairs, matchers).items():
            figures = summary(errors)
            rows.append([set_name, matcher, *figures.values()])
            records.append({'set': set_name, 'matcher': matcher, 'pairs': len(pairs), **figures})
    for matcher in matchers.values():
        matcher.close()
    print('Share of the matches whose truth is known, over all pairs of a set.\n')
    print(markdown_table(HEADER, rows))
    write_report('matching_accuracy', {'opencv': cv2.__version__, 'results': records})


def open_matchers(arguments: argparse.Namespace) -> dict[str, Matcher]:
    """Open all that there are weights for."""
    student = shared_root() / 'weights' / 'loftr_coarse' / 'LoFTR_teacher.pt'
    network = {'frontend': 'loftr', 'engine': arguments.engine, 'max_matches': 0}
    wanted = {
        STUDENT: MatchSettings(
            variant='coarse_student',
            weights=str(student),
            num_threads=arguments.threads,
            **network,
        ),
        SIFT: MatchSettings(frontend='sift', max_matches=0),
        ORB: MatchSettings(frontend='orb', max_matches=0),
    }
    if arguments.loftr_weights:
        wanted[f'LoFTR {arguments.variant}'] = MatchSettings(
            variant=arguments.variant,
            weights=arguments.loftr_weights,
            num_threads=arguments.threads,
            **network,
        )
    return {name: open_matcher(settings) for name, settings in wanted.items()}


def judge(pairs: list[JudgedPair], matchers: dict[str, Matcher]) -> dict[str, list[Errors]]:
    """Give the errors of each pair by matcher; NaN where the truth is unknown."""
    errors: dict[str, list[Errors]] = {}
    for judged in pairs:
        results = {name: matcher.match(judged.pair).result for name, matcher in matchers.items()}
        for name, result in (*results.items(), *as_many(results)):
            found = (judged.errors(result), epipolar_errors(judged, result))
            errors.setdefault(name, []).append(found)
    return errors


def as_many(results: dict[str, MatchResult]) -> Iterator[tuple[str, MatchResult]]:
    """Cut each LoFTR and SIFT to the number that both have."""
    for network in (name for name in results if name not in (SIFT, ORB)):
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


def epipolar_errors(judged: JudgedPair, result: MatchResult) -> np.ndarray:
    """Give ``(x'^T E x)^2 (1/|(E x)_12|^2 + 1/|(E^T x')_12|^2)`` (N,); NaN without a pose."""
    if judged.second_from_first is None or judged.k is None:
        return np.full(len(result.confidence), np.nan)
    x, y, z = judged.second_from_first[:3, 3]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    essential = cross @ judged.second_from_first[:3, :3]
    to_rays = np.linalg.inv(judged.k).T
    first = homogeneous(result.points_first) @ to_rays
    second = homogeneous(result.points_second) @ to_rays
    in_second, in_first = first @ essential.T, second @ essential
    offset = (in_second * second).sum(axis=1) ** 2
    squares = [(lines[:, :2] ** 2).sum(axis=1) for lines in (in_second, in_first)]
    return offset * (1 / squares[0] + 1 / squares[1])


def summary(errors: list[Errors]) -> dict[str, object]:
    """Put the pairs of a set together."""
    joined, epipolar = (np.concatenate(values) for values in zip(*errors, strict=True))
    known, epipolar = joined[np.isfinite(joined)], epipolar[np.isfinite(epipolar)]
    return {
        'matches': round(len(joined) / len(errors)),
        'median_px': f'{np.median(known):.2f}' if known.size else '-',
        **{f'below_{limit}': share_below(known, limit) for limit in LIMITS_PX},
        'epipolar_5e-4': share_below(epipolar, EPIPOLAR_LIMIT),
    }


def share_below(errors: np.ndarray, limit: float) -> str:
    """Give the percentage of errors below a limit; a dash without any."""
    return f'{100 * (errors < limit).mean():.1f}' if errors.size else '-'


if __name__ == '__main__':
    main()
