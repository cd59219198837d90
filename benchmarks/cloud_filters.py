"""What do clouds and their filters cost, and what do filters take away from a real pair?

``python benchmarks/cloud_filters.py DATA`` prints milliseconds of processor time at 480x640 (the
least and the median of many runs; filters and what costmaps get, in turn), and for each model the
share of points in the air before and after the filters, and the share of right points that they
cost, on Motorcycle. A point is in the air where the truth has an edge (a range of 4 px within 9x9
pixels) and no pixel there has its disparity to 1 px; it is right where the truth of its own pixel
is within 1 px.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.evaluation.stereo_pairs import EvaluationPair, motorcycle
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.cloud_filters import without_flying_pixels, without_outliers
from depth_ros.geometry.cloud_settings import NavigationSettings
from depth_ros.geometry.costmap_clouds import clearing_cloud, marking_cloud
from depth_ros.geometry.flat_scan import flat_scan
from depth_ros.geometry.free_space import look
from depth_ros.geometry.rigid import BODY_FROM_OPTICAL, rigid
from depth_ros.tasks.stereo.processor import Wanted, open_stereo

WINDOW_PX, EDGE_PX, RIGHT_PX = 9, 4.0, 1.0
NUM_RUNS = 300
MODELS = ('sgbm', 'crestereo_tiny')
FILTERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'edges': lambda depth: without_flying_pixels(depth, max_step=0.02),
    'neighbours': lambda depth: without_outliers(depth, min_neighbors=3, num_sigmas=3.0),
}


def main() -> int:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder that holds middlebury_motorcycle')
    parser.add_argument('--size', default='480x640', help="of the network's engine")
    arguments = parser.parse_args()
    pair = next(motorcycle(arguments.data / 'middlebury_motorcycle'))
    depths = {model: depth_of(model, pair, arguments.size) for model in MODELS}
    print('step       least ms  median ms, at 480x640')
    small = cv2.resize(depths['crestereo_tiny'], (640, 480), interpolation=cv2.INTER_NEAREST)
    for name, (least, median) in times_ms(in_metres(small)).items():
        print(f'{name:<10} {least:<9.2f} {median:.2f}')
    print('model           filter     points  in the air %  right lost %')
    for model, depth in depths.items():
        for name, cut in {'none': lambda depth: depth, **FILTERS, 'both': both}.items():
            print(line(model, name, depth, cut(depth), pair))
    return 0


def both(depth: np.ndarray) -> np.ndarray:
    """Run one filter behind the other, as clouds do."""
    return FILTERS['neighbours'](FILTERS['edges'](depth))


def depth_of(model: str, pair: EvaluationPair, size: str) -> np.ndarray:
    """Return inverse disparity, which is depth up to the rig's factor."""
    height, width = pair.left.shape[:2]
    ideal = {'fx': 1000.0, 'fy': 1000.0, 'cx': width / 2, 'cy': height / 2}
    left, right = (
        ideal_camera(height=height, width=width, tx=tx, **ideal) for tx in (0.0, -100.0)
    )
    rig = stereo_camera(left, right)
    given = {} if model == 'sgbm' else {'size': size}
    with open_stereo(model=model, **given) as processor:
        rectified = RectifiedStereo(left=pair.left, right=pair.right, camera=rig, stamp_ns=0)
        output = processor.process_rectified(rectified, wanted=Wanted(depth=False))
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(output.disparity.disparity > 0, 1.0 / output.disparity.disparity, np.nan)


def in_metres(depth: np.ndarray) -> np.ndarray:
    """Scale depth so that its median is 3 m, float32."""
    return (depth * (3.0 / np.nanmedian(depth))).astype(np.float32)


def times_ms(depth: np.ndarray) -> dict[str, tuple[float, float]]:
    """Time the steps in turn; give the least and the median of each."""
    camera = ideal_camera(fx=500.0, fy=500.0, cx=319.5, cy=239.5, height=480, width=640)
    mount = rigid(BODY_FROM_OPTICAL[:3, :3], np.array([0.0, 0.0, 0.5]))
    settings, colors = NavigationSettings(), np.zeros((240, 320, 3), np.uint8)
    sight = look(depth, camera, mount, settings)
    steps: dict[str, Callable[[np.ndarray], object]] = {
        **FILTERS,
        'look': lambda depth: look(depth, camera, mount, settings),
        'obstacles': lambda depth: marking_cloud(sight, colors, settings),
        'clearing': lambda depth: clearing_cloud(sight, settings),
        'scan': lambda depth: flat_scan(sight, np.eye(4), settings),
    }
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(NUM_RUNS):
        for name, step in steps.items():
            start = time.thread_time()
            step(depth)
            spent[name].append(1e3 * (time.thread_time() - start))
    return {name: (min(times), float(np.median(times))) for name, times in spent.items()}


def line(
    model: str, name: str, before: np.ndarray, after: np.ndarray, pair: EvaluationPair
) -> str:
    """Write what is left of a cloud."""
    disparity = 1.0 / before
    is_flying = in_the_air(disparity, pair.truth)
    with np.errstate(invalid='ignore'):
        is_right = np.abs(disparity - pair.truth) <= RIGHT_PX
    is_left = np.isfinite(after)
    flying = 100.0 * (is_flying & is_left).sum() / is_left.sum()
    lost = 100.0 * (is_right & ~is_left).sum() / is_right.sum()
    return f'{model:<15} {name:<10} {is_left.sum():<7} {flying:<13.2f} {lost:.2f}'


def in_the_air(disparity: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mark pixels near an edge of the truth whose disparity no pixel around them has."""
    reach = WINDOW_PX // 2
    padded = np.pad(truth, reach, constant_values=np.nan)
    height, width = truth.shape
    nearest = np.full(truth.shape, np.inf)
    low, high = nearest.copy(), -nearest
    for row in range(WINDOW_PX):
        for column in range(WINDOW_PX):
            shown = padded[row : row + height, column : column + width]
            nearest = np.fmin(nearest, np.abs(disparity - shown))
            low, high = np.fmin(low, shown), np.fmax(high, shown)
    with np.errstate(invalid='ignore'):
        return (high - low > EDGE_PX) & (nearest > RIGHT_PX) & np.isfinite(disparity)


if __name__ == '__main__':
    sys.exit(main())
