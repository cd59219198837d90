"""How wide is the interval that holds a share of the errors? Told on drawn pairs, judged on real.

``python benchmarks/stereo_intervals.py DATA --weights FILE [--size 480x640] [--samples 64]`` finds
on the drawn validation pairs which multiple of the told standard deviation holds each share of
the errors, and prints how many of the errors on the real pairs lie within that multiple, beside
those within the interval of a Laplace distribution. No photographs are needed: textures are drawn.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.stereo_certainty import MODEL, judged, pairs_of
from depth_ros.checkpoints.read import load_checkpoint
from depth_ros.evaluation.tables import markdown_table, percent
from depth_ros.models.crestereo_tiny.network_hinted import hinted_network
from depth_ros.tasks.stereo.processor import open_stereo
from depth_ros.training.crestereo.hinted import with_worse_images
from depth_ros.training.crestereo.recipes import RECIPES
from depth_ros.training.task import DataFolders

SHARES = (0.5, 0.68, 0.9, 0.95)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder of the sets')
    parser.add_argument('--weights', type=Path, required=True, help=f'of {MODEL}')
    parser.add_argument('--size', default='480x640')
    parser.add_argument('--samples', type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)
    multiples = np.quantile(drawn_ratios(args.weights, args.samples), SHARES)
    laplace = [-math.log(1.0 - share) / math.sqrt(2.0) for share in SHARES]
    rows = [
        ['drawn: multiple of sigma', *(f'{value:.2f}' for value in multiples)],
        ['Laplace: multiple of sigma', *(f'{value:.2f}' for value in laplace)],
    ]
    engine = {'size': args.size, 'num_threads': 1, 'weights': str(args.weights)}
    with open_stereo(model=MODEL, min_confidence=0.0, engine='torch', **engine) as processor:
        for pair in pairs_of(args.data):
            one = judged(processor, pair)
            ratio = one.error / one.sigma
            for name, widths in (('drawn', multiples), ('Laplace', laplace)):
                inside = [percent(float((ratio <= width).mean())) for width in widths]
                rows.append([f'{pair.name}, within {name} %', *inside])
    print(markdown_table(('', *(f'{100 * share:g} %' for share in SHARES)), rows))
    return 0


def drawn_ratios(weights: Path, samples: int) -> np.ndarray:
    """Return error over told standard deviation for all pixels of the validation pairs, flat."""
    network = hinted_network(load_checkpoint(weights), iterations=3)
    task = RECIPES[MODEL].stages[-1].task
    found = []
    rng = np.random.default_rng(0)
    for drawn in task.pairs.validation(DataFolders(), samples):
        batch = with_worse_images(task.pairs.hints.worse, rng, drawn)
        planes = [
            torch.from_numpy(np.ascontiguousarray(image.transpose(0, 3, 1, 2), np.float32))
            for image in (batch.left, batch.right)
        ]
        with torch.no_grad():
            told = network.predict(*planes, torch.from_numpy(batch.hint))
        error = np.abs(told.full[:, 0].clamp(min=0.0).numpy() - batch.disparity)
        sigma = math.sqrt(2.0) * np.exp(told.log_scale[:, 0].numpy())
        known = np.isfinite(error)
        found.append((error / sigma)[known])
    return np.concatenate(found)


if __name__ == '__main__':
    sys.exit(main())
