"""Matches on real pairs with truth: LoFTR's coarse student beside SIFT and ORB.

SIFT and ORB (ratio test, mutual check) are judged with all their matches, and SIFT also with as
many of its surest as the student gives. Needs the shared data (``DEPTH_ROS_SHARED``).

    python benchmarks/matching_accuracy.py [--loftr-weights outdoor_ds.ckpt]
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

from match_sets import MATCH_SETS, JudgedPair
from shared_data import shared_root

HEADER = ('set', 'matcher', 'matches a pair', 'median px', '< 3 px %', '< 5 px %', '< 16 px %')
LIMITS_PX = (3, 5, 16)
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


def judge(pairs: list[JudgedPair], matchers: dict[str, Matcher]) -> dict[str, list[np.ndarray]]:
    """Give errors (N,) px of each pair by matcher; NaN where the truth is unknown."""
    errors: dict[str, list[np.ndarray]] = {}
    for judged in pairs:
        results = {name: matcher.match(judged.pair).result for name, matcher in matchers.items()}
        for name, result in (*results.items(), *as_many(results)):
            errors.setdefault(name, []).append(judged.errors(result))
    return errors


def as_many(results: dict[str, MatchResult]) -> Iterator[tuple[str, MatchResult]]:
    """Cut the two to the number that both have."""
    count = min(len(results[name].confidence) for name in (STUDENT, SIFT))
    for name in (STUDENT, SIFT):
        result = results[name]
        yield (
            f'{name}, equal count',
            MatchResult(
                points_first=result.points_first[:count],
                points_second=result.points_second[:count],
                confidence=result.confidence[:count],
            ),
        )


def summary(errors: list[np.ndarray]) -> dict[str, object]:
    """Put the pairs of a set together."""
    joined = np.concatenate(errors)
    known = joined[np.isfinite(joined)]
    shares = {f'below_{limit}': f'{100 * (known < limit).mean():.1f}' for limit in LIMITS_PX}
    return {
        'matches': round(len(joined) / len(errors)),
        'median_px': f'{np.median(known):.2f}',
        **shares,
    }


if __name__ == '__main__':
    main()
