"""Accuracy of MVSNet on HoloLens frames and rendered scenes, beside SGBM on rectified neighbours.

Needs the shared data (``DEPTH_ROS_SHARED``); the shipped weights are the default. Errors are taken
at a quarter of the image's size, all methods alike.

    python benchmarks/mvsnet_accuracy.py [--weights model_000014.ckpt] [--quick]
    python benchmarks/mvsnet_accuracy.py --depths 96 --sources 2     # as the node has it
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from timing import machine, markdown_table, write_report

from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.multiview import MultiViewSettings, open_multiview
from depth_ros.multiview_checks import baselines_m

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tests'))

from multiview_sets import DepthErrors, MultiViewSet, depth_errors, hololens, rendered
from shared_data import shared_root

CONFIDENT = 0.8
NUM_DISPARITIES = 128
MIN_SIDEWAYS = 0.7
"""Smallest share of a baseline along x that planar rectification is tried with."""
CONTENDERS = (('MVSNet, linear', 'linear'), ('MVSNet, inverse', 'inverse'))
HEADER = ('set', 'method', 'AbsRel', '< 1.25 %', 'AbsRel sure', '< 1.25 % sure', 'sure %')


def main() -> None:
    """Run every set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[1] / 'weights/mvsnet.safetensors'
    parser.add_argument('--weights', default=str(default))
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--depths', type=int, default=192)
    parser.add_argument('--sources', type=int, default=4)
    parser.add_argument('--quick', action='store_true', help='the standard split alone')
    arguments = parser.parse_args()
    print(machine())
    rows, records = [], []
    sets = list(all_sets())[: 2 if arguments.quick else None]
    for method, sampling in CONTENDERS:
        settings = MultiViewSettings(
            engine=arguments.engine,
            weights=arguments.weights,
            size=(352, 512),
            num_depths=arguments.depths,
            num_sources=arguments.sources,
            sampling=sampling,
        )
        with closing(open_multiview(settings)) as processor:
            for name, views in sets:
                result = processor.process(views.frame).depth
                sure = result.confidence >= CONFIDENT
                collect(rows, records, (name, method), views, result.depth, sure)
    for name, views in sets:
        depth = sgbm_depth(views.frame)
        collect(rows, records, (name, 'SGBM, one neighbour'), views, depth, np.isfinite(depth))
    print(markdown_table(HEADER, sorted(rows, key=lambda row: row[0])))
    write_report('mvsnet_accuracy', {'results': records})


def all_sets() -> Iterator[tuple[str, MultiViewSet]]:
    """Give names and sets; the first two are the crops of the standard split."""
    folder = shared_root() / 'data/hololens_mvs'
    yield 'hololens 71, centre crop', hololens(folder)
    yield 'hololens 71, top left crop', hololens(folder, crop='top_left')
    for number in range(67, 75):
        if number == 71:
            continue
        sources = [f'{number + step:05d}' for step in (-1, 1, -2, 2)]
        name = f'{number:05d}'
        yield f'hololens {number}, centre crop', hololens(folder, reference=name, sources=sources)
    yield (
        'hololens 71, 2 sources',
        hololens(folder, sources=('00070', '00072')),
    )
    yield (
        'hololens 71, 0.5-10 m',
        hololens(folder, depth_range_m=(0.5, 10.0)),
    )
    for scene in ('room', 'slanted', 'thin_bars'):
        yield f'rendered {scene}', rendered(scene)


def collect(
    rows: list[list[str]],
    records: list[dict[str, object]],
    names: tuple[str, str],
    views: MultiViewSet,
    depth: np.ndarray,
    sure: np.ndarray,
) -> None:
    """Add one line to the table and to the record."""
    everywhere = depth_errors(depth, views.truth)
    confident = depth_errors(depth, views.truth, sure)
    rows.append(
        [*names, *figures(everywhere), *figures(confident), f'{100 * confident.share:.1f}']
    )
    records.append(
        {
            'set': names[0],
            'method': names[1],
            'everywhere': asdict(everywhere),
            'confident': asdict(confident),
        }
    )


def figures(errors: DepthErrors) -> list[str]:
    """Format two figures."""
    return [f'{errors.abs_rel:.4f}', f'{100 * errors.within_25:.1f}']


def sgbm_depth(frame: MultiViewFrame) -> np.ndarray:
    """Rectify the reference with the source most to its side, match, and turn the depth back.

    The simple alternative: OpenCV's stereoRectify, StereoSGBM and a warp of the points into the
    reference's own pixels. Two views one behind the other cannot be rectified to a common plane:
    then nothing is known.
    """
    sideways = np.abs(frame.reference_from_source[:, 0, 3]) / baselines_m(frame)
    index = int(np.argmax(sideways))
    if sideways[index] < MIN_SIDEWAYS:
        return np.full(frame.reference.image.shape[:2], np.nan)
    reference, source = frame.reference, frame.sources[index]
    source_from_reference = np.linalg.inv(frame.reference_from_source[index])
    size = (reference.camera.width, reference.camera.height)
    k = [np.ascontiguousarray(view.camera.p[:, :3]) for view in (reference, source)]
    turns = cv2.stereoRectify(
        k[0],
        np.zeros(5),
        k[1],
        np.zeros(5),
        size,
        np.ascontiguousarray(source_from_reference[:3, :3]),
        np.ascontiguousarray(source_from_reference[:3, 3:]),
        alpha=0,
    )
    r_reference, r_source, p_reference, p_source, to_points = turns[:5]
    first = rectified_grey(reference, r_reference, p_reference, size)
    second = rectified_grey(source, r_source, p_source, size)
    is_swapped = p_source[0, 3] > 0
    if is_swapped:
        first, second = first[:, ::-1], second[:, ::-1]
    disparity = match(np.ascontiguousarray(first), np.ascontiguousarray(second))
    if is_swapped:
        disparity = -disparity[:, ::-1]
    points = cv2.reprojectImageTo3D(np.ascontiguousarray(disparity), to_points)
    return splat(points[np.isfinite(disparity)] @ r_reference, k[0], size)


def rectified_grey(
    view: MonoFrame, rotation: np.ndarray, projection: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Warp one view to the common plane."""
    maps = cv2.initUndistortRectifyMap(
        view.camera.p[:, :3], np.zeros(5), rotation, projection, size, cv2.CV_32FC1
    )
    grey = cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.remap(grey, *maps, cv2.INTER_LINEAR))


def match(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Give (H, W) float32 disparity, NaN unknown."""
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
        numDisparities=NUM_DISPARITIES,
        blockSize=5,
        P1=8 * 25,
        P2=32 * 25,
        disp12MaxDiff=1,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    disparity = matcher.compute(first, second).astype(np.float32) / 16
    return np.where(disparity > 0, disparity, np.float32(np.nan))


def splat(points: np.ndarray, k: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Put points (n, 3) into the reference's pixels, the nearest one winning; NaN where none."""
    points = points[points[:, 2] > 0]
    pixels = points @ k.T
    column = np.rint(pixels[:, 0] / pixels[:, 2]).astype(int)
    row = np.rint(pixels[:, 1] / pixels[:, 2]).astype(int)
    inside = (column >= 0) & (column < size[0]) & (row >= 0) & (row < size[1])
    depth = np.full((size[1], size[0]), np.inf)
    np.minimum.at(depth, (row[inside], column[inside]), points[inside, 2])
    return np.where(np.isfinite(depth), depth, np.nan)


if __name__ == '__main__':
    main()
