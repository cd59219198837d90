"""CREStereo on every CPU runtime present: one interleaved run, ratios, and the error of each.

The weights are synthetic unless ``--weights`` names a checkpoint: times do not depend on them,
errors do. Reference for errors is torch in float32.

    python benchmarks/crestereo_engines.py [--rounds 7] [--weights crestereo_eth3d.pth]

With ``--hints`` the small networks that ship run instead, a whole pair each, SGBM's hint
included: what does the hint cost?
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from engine_race import open_contenders, print_race, race, rendered_pair
from timing import machine, markdown_table, show_progress, write_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.cli.kit.timing import interleave, percentiles
from depth_ros.engines.choice import EngineChoice
from depth_ros.scenes.solids import SCENES, ideal_stereo_camera, render_stereo
from depth_ros.tasks.stereo.processor import Wanted, open_stereo

CASES = (((240, 320), 4), ((480, 640), 10))
HINT_CASES = (('240x320', (240, 320)), ('240x320', (480, 640)), ('480x640', (480, 640)))
"""Size of the engine and of the pair, which SGBM matches at the pair's own size."""
HINT_CONTENDERS = {
    'crestereo_tiny': {'model': 'crestereo_tiny'},
    'crestereo_tiny_hinted, no hint': {'model': 'crestereo_tiny_hinted', 'hints': 'none'},
    'crestereo_tiny_hinted, SGBM': {'model': 'crestereo_tiny_hinted'},
}


def main() -> None:
    """Run every case and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--weights', default='synthetic:0')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--hints', action='store_true', help='what hints cost the small network')
    arguments = parser.parse_args()
    print(machine())
    if arguments.hints:
        print(hints_table(arguments))
        return
    record = {
        f'{height}x{width} it{iterations}': run_case((height, width), iterations, arguments)
        for (height, width), iterations in CASES
    }
    write_report('crestereo_engines', {'weights': arguments.weights, 'cases': record})


def hints_table(arguments: argparse.Namespace) -> str:
    """Time whole pairs with and without hints, interleaved, and write ratios."""
    rows = []
    for engine_size, (height, width) in HINT_CASES:
        camera = ideal_stereo_camera(height=height, width=width)
        frame = render_stereo(SCENES['room'](), camera).frame()
        common = {'size': engine_size, 'num_threads': arguments.threads}
        with ExitStack() as stack:
            runs = {
                name: partial(
                    stack.enter_context(open_stereo(**common, **settings)).process_rectified,
                    frame,
                    wanted=Wanted(depth=False),
                )
                for name, settings in HINT_CONTENDERS.items()
            }
            times = interleave(runs, num_rounds=arguments.rounds, report=show_progress)
        base = np.array(times['crestereo_tiny'])
        for name, values in times.items():
            at = percentiles(values)
            share = f'{np.median(np.array(values) / base):.2f}'
            rows.append([engine_size, f'{height}x{width}', name, at['p50'], at['p95'], share])
    return markdown_table(('engine', 'pair', 'model', 'p50 ms', 'p95 ms', 'times'), rows)


def run_case(
    size: tuple[int, int], iterations: int, arguments: argparse.Namespace
) -> dict[str, object]:
    """Time one size and give figures by contender."""
    choice = EngineChoice(size=size, weights=arguments.weights, num_threads=arguments.threads)
    options = {'iterations': iterations}
    with ExitStack() as stack:
        engines, refused = open_contenders(
            'crestereo', 'crestereo', stack, choice, options=options
        )
        figures = race(engines, rendered_pair(size), num_rounds=arguments.rounds)
    title = f'{size[0]}x{size[1]}, {iterations} iterations'
    print_race(title, figures, refused, unit='px')
    return {'engines': figures, 'refused': refused}


if __name__ == '__main__':
    main()
