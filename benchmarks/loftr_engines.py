"""LoFTR on every CPU runtime present: one interleaved run, ratios, and which matches they share.

The weights are synthetic unless ``--weights`` names a checkpoint: times do not depend on them,
matches do. Reference is torch in float32. A match is shared if it leaves the same cell and ends
within a pixel. Engines outside the recipe's tolerance are opened here all the same and marked.

    python benchmarks/loftr_engines.py [--rounds 5] [--weights outdoor_ds.ckpt]
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from functools import partial

import numpy as np
from engine_race import REFERENCE, open_contenders, rendered_pair
from timing import machine, markdown_table, show_progress, write_report

from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.engines.checks.golden import Tolerance
from depth_ros.engines.choice import EngineChoice
from depth_ros.frames import ImagePair
from depth_ros.models.loftr.model import LoftrModel
from depth_ros.tensors import Tensors

SHARED_PX = 1.0
THRESHOLD = 0.2
BF16_OVERLAP = 0.98
"""The issue's limit for using bf16."""
ANY = Tolerance(mean=float('inf'))


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--weights', default='synthetic:0')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--size', type=int, nargs=2, default=(480, 640), metavar=('H', 'W'))
    parser.add_argument('--matches', type=int, default=1024)
    arguments = parser.parse_args()
    print(machine())
    choice = EngineChoice(
        size=tuple(arguments.size), weights=arguments.weights, num_threads=arguments.threads
    )
    options = {'matches': arguments.matches}
    with ExitStack() as stack:
        engines, refused = open_contenders(
            'loftr', 'loftr', stack, choice, options=options, tolerance=ANY
        )
        feeds = pair_feeds(tuple(arguments.size))
        runs = {name: partial(engine.infer, feeds) for name, engine in engines.items()}
        outputs = {
            name: {key: value.copy() for key, value in run().items()} for name, run in runs.items()
        }
        times = interleave(runs, num_rounds=arguments.rounds, num_warmups=1, report=show_progress)
    figures = {}
    for name, values in times.items():
        figures[name] = {
            'ms': percentiles(values),
            'speed_up': round(float(np.median(times[REFERENCE]) / np.median(values)), 2),
            **agreement(outputs[REFERENCE], outputs[name]),
        }
    report(figures, refused, arguments)


def pair_feeds(size: tuple[int, int]) -> Tensors:
    """Fit a rendered stereo pair to the engine."""
    first, second = rendered_pair(size)
    model = LoftrModel(engine_height=size[0], engine_width=size[1])
    return model.preprocess(ImagePair(first=first, second=second)).feeds


def agreement(reference: Tensors, other: Tensors) -> dict[str, object]:
    """Compare matches above the threshold: shared by both, of all that either has."""
    wanted, got = (outputs['confidence'] > THRESHOLD for outputs in (reference, other))
    distance = np.linalg.norm(reference['points'] - other['points'], axis=-1)
    shared = int((wanted & got & (distance < SHARED_PX)).sum())
    either = int((wanted | got).sum())
    return {
        'matches': int(got.sum()),
        'overlap': shared / either if either else 1.0,
        'confidence_error': float(np.abs(reference['confidence'] - other['confidence']).max()),
    }


def report(
    figures: dict[str, dict], refused: dict[str, str], arguments: argparse.Namespace
) -> None:
    """Print one table and write the raw figures."""
    rows = [
        [
            name,
            entry['ms']['p50'],
            entry['ms']['p95'],
            entry['speed_up'],
            entry['matches'],
            f'{100 * entry["overlap"]:.1f}',
            f'{entry["confidence_error"]:.2g}',
            'yes' if entry['overlap'] >= BF16_OVERLAP else 'no',
        ]
        for name, entry in figures.items()
    ]
    height, width = arguments.size
    print(f'\n{height}x{width}, {arguments.matches} matches, weights {arguments.weights}')
    header = ('engine', 'p50 ms', 'p95 ms', 'times torch', 'matches', 'overlap %')
    print(markdown_table((*header, 'confidence error', 'use it'), rows))
    for name, reason in refused.items():
        print(f'{name}: refused: {reason}')
    settings = {'weights': arguments.weights, 'size': list(arguments.size)}
    write_report(
        'loftr_engines',
        {**settings, 'matches': arguments.matches, 'engines': figures, 'refused': refused},
    )


if __name__ == '__main__':
    main()
