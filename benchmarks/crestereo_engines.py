"""CREStereo on every CPU runtime present: one interleaved run, ratios, and the error of each.

The weights are synthetic unless ``--weights`` names a checkpoint: times do not depend on them,
errors do. Reference for errors is torch in float32.

    python benchmarks/crestereo_engines.py [--rounds 7] [--weights crestereo_eth3d.pth]
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from engine_race import open_contenders, print_race, race, rendered_pair
from timing import machine, write_report

CASES = (((240, 320), 4), ((480, 640), 10))


def main() -> None:
    """Run every case and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--weights', default='synthetic:0')
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    print(machine())
    record = {
        f'{height}x{width} it{iterations}': run_case((height, width), iterations, arguments)
        for (height, width), iterations in CASES
    }
    write_report('crestereo_engines', {'weights': arguments.weights, 'cases': record})


def run_case(
    size: tuple[int, int], iterations: int, arguments: argparse.Namespace
) -> dict[str, object]:
    """Time one size and give figures by contender."""
    with ExitStack() as stack:
        engines, refused = open_contenders(
            'crestereo',
            'crestereo',
            stack,
            size=size,
            options={'iterations': iterations},
            weights=arguments.weights,
            num_threads=arguments.threads,
        )
        figures = race(engines, rendered_pair(size), num_rounds=arguments.rounds)
    title = f'{size[0]}x{size[1]}, {iterations} iterations'
    print_race(title, figures, refused, unit='px')
    return {'engines': figures, 'refused': refused}


if __name__ == '__main__':
    main()
