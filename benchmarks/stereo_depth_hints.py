"""What is measured depth worth as a hint? Real pairs, told their own truth, dense or at points.

``python benchmarks/stereo_depth_hints.py DATA --weights FILE [--size 240x320]`` prints EPE px,
bad-2 % and bad-1 % over all pixels with truth, and the share of the depth that was told on.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.stereo_certainty import MODEL, framed, pairs_of
from depth_ros.evaluation.accuracy import disparity_errors
from depth_ros.evaluation.stereo_pairs import EvaluationPair
from depth_ros.evaluation.tables import markdown_table, percent
from depth_ros.frames import KnownBeside, RectifiedStereo
from depth_ros.geometry.depth import disparity_to_depth
from depth_ros.geometry.projection import measured_points
from depth_ros.tasks.stereo.processor import Wanted, open_stereo

SHARES = {'every pixel': 1.0, '1 of 100': 0.01}
SOURCES = ('depth_topic', 'depth_topic sgbm')


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder of the sets')
    parser.add_argument('--weights', required=True, help=f'of {MODEL}')
    parser.add_argument('--size', default='240x320')
    args = parser.parse_args()
    engine = {'engine': 'torch', 'weights': args.weights, 'size': args.size, 'num_threads': 1}
    rows = []
    with ExitStack() as stack:
        opened = {
            hints: stack.enter_context(
                open_stereo(model=MODEL, min_confidence=0.0, hints=hints, **engine)
            )
            for hints in SOURCES
        }
        for pair in pairs_of(args.data):
            for told, share in SHARES.items():
                for hints, processor in opened.items():
                    frame = with_truth(pair, share)
                    output = processor.process_rectified(frame, wanted=Wanted(depth=False))
                    found = disparity_errors(output.disparity.disparity, pair.truth)
                    figures = (f'{found.epe_px:.2f}', percent(found.bad2), percent(found.bad1))
                    rows.append([pair.name, told, hints, *figures, percent(output.hint_used)])
    header = ('pair', 'told', 'hints', 'EPE px', 'bad-2 %', 'bad-1 %', 'told on %')
    print(markdown_table(header, rows))
    return 0


def with_truth(pair: EvaluationPair, share: float) -> RectifiedStereo:
    """Return the pair with a share of the pixels' true depth beside it."""
    frame = framed(pair.left, pair.right)
    depth = disparity_to_depth(pair.truth.astype(np.float32), frame.camera)
    is_told = np.random.default_rng(0).random(depth.shape) < share
    points = measured_points(np.where(is_told, depth, np.float32(np.nan)), frame.camera.left)
    return replace(frame, beside=KnownBeside(points_m=points))


if __name__ == '__main__':
    sys.exit(main())
