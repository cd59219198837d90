"""How much does the disparity of a still scene change from pair to pair, by source of hints?

``python benchmarks/stereo_flicker.py DATA WEIGHTS`` takes Motorcycle with new noise in every pair,
as from a camera that stands still, and prints the change between two pairs (median, mean and 95th
percentile over all pixels, the first two pairs left out) and the error of the last one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.evaluation.accuracy import disparity_errors
from depth_ros.evaluation.stereo_pairs import EvaluationPair, motorcycle
from depth_ros.frames import RectifiedStereo
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted, open_stereo

NOISE_LEVELS = 2.0
NUM_PAIRS = 5
SIZE = '480x640'


def main() -> int:
    """Measure and print a line for each source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder that holds middlebury_motorcycle')
    parser.add_argument('weights', help='of crestereo_tiny_hinted')
    arguments = parser.parse_args()
    pair = next(motorcycle(arguments.data / 'middlebury_motorcycle'))
    engine = {'engine': 'torch', 'weights': arguments.weights, 'size': SIZE, 'num_threads': 1}
    print('hints      median  mean    95 %    EPE px  bad-2 %')
    for hints in ('none', 'sgbm', 'previous'):
        with open_stereo(model='crestereo_tiny_hinted', hints=hints, **engine) as one:
            print(f'{hints:<9}  {line(one, pair)}', flush=True)
    return 0


def line(processor: StereoProcessor, pair: EvaluationPair) -> str:
    """Run noisy pairs and write the figures."""
    rng = np.random.default_rng(0)
    maps = []
    for _ in range(NUM_PAIRS):
        output = processor.process_rectified(noisy(rng, pair), wanted=Wanted(depth=False))
        maps.append(output.disparity.disparity)
    change = np.abs(np.diff(np.stack(maps), axis=0))[1:]
    errors = disparity_errors(maps[-1], pair.truth)
    spread = (np.nanmedian(change), np.nanmean(change), np.nanpercentile(change, 95))
    figures = '  '.join(f'{value:.3f} ' for value in spread)
    return f'{figures}  {errors.epe_px:.2f}    {100 * errors.bad2:.1f}'


def noisy(rng: np.random.Generator, pair: EvaluationPair) -> RectifiedStereo:
    """Return the pair with noise of its own; the calibration does not affect disparity."""
    height, width = pair.left.shape[:2]
    numbers = {'fx': 500.0, 'fy': 500.0, 'cx': width / 2, 'cy': height / 2}
    size = {'height': height, 'width': width}
    camera = stereo_camera(
        ideal_camera(**numbers, **size), ideal_camera(**numbers, **size, tx=-50.0)
    )
    left, right = (
        np.clip(image + rng.normal(0.0, NOISE_LEVELS, image.shape), 0, 255).astype(np.uint8)
        for image in (pair.left, pair.right)
    )
    return RectifiedStereo(left=left, right=right, camera=camera)


if __name__ == '__main__':
    sys.exit(main())
