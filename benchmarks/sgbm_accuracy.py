"""Accuracy of SGBM on real pairs with truth, beside OpenCV called by hand.

Run from the repository root: ``python benchmarks/sgbm_accuracy.py``. Needs the shared data
(``DEPTH_ROS_SHARED``). Prints a Markdown table and writes raw JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from timing import markdown_table, write_report

from depth_ros.evaluation.accuracy import StereoErrors, disparity_errors
from depth_ros.geometry.postprocess import fill_holes, left_right_confidence, remove_speckles
from depth_ros.geometry.preprocess import mirrored, mirrored_map
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.tasks.pipeline import Pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.kit.shared_data import shared_root
from tests.kit.stereo_sets import STEREO_SETS, StereoSet, plain_sgbm

HEADER = (
    'set',
    'matcher',
    'EPE px',
    'bad-2 %',
    'bad-3 %',
    'density %',
    'EPE px',
    'bad-2 %',
    'bad-3 %',
)


def estimates(pair: StereoSet) -> Iterator[tuple[str, np.ndarray]]:
    """Give each contender's disparity."""
    yield 'OpenCV by hand, speckle filter', plain_sgbm(pair.frame, pair.num_disparities)
    for name, changes in {'': {}, ', colour': {'use_color': True}}.items():
        settings = SgbmSettings(num_disparities=pair.num_disparities, **changes)
        yield from filtered(f'sgbm{name}', Pipeline(SgbmModel(settings)), pair)


def filtered(name: str, pipeline: Pipeline, pair: StereoSet) -> Iterator[tuple[str, np.ndarray]]:
    """Give one matcher's disparity with the filters that are off by default switched on."""
    disparity = pipeline.run(pair.frame).result.disparity
    right = mirrored_map(pipeline.run(mirrored(pair.frame)).result.disparity)
    agreed = np.where(left_right_confidence(disparity, right) > 0, disparity, np.float32(np.nan))
    yield f'{name}, no filter', disparity
    yield f'{name}, speckle filter', without_speckles(disparity)
    yield f'{name}, left-right check and speckle filter', without_speckles(agreed)


def without_speckles(disparity: np.ndarray) -> np.ndarray:
    """Apply the filter with the sizes of the issue's yardstick."""
    return remove_speckles(disparity, max_size_px=100, max_difference_px=2.0)


def percent(errors: StereoErrors) -> list[str]:
    return [f'{errors.epe_px:.2f}', f'{100 * errors.bad2:.1f}', f'{100 * errors.bad3:.1f}']


def main() -> None:
    records, rows = [], []
    for set_name, load in STEREO_SETS.items():
        pair = load(shared_root() / 'data')
        for matcher, disparity in estimates(pair):
            raw = disparity_errors(disparity, pair.truth)
            filled = disparity_errors(fill_holes(disparity), pair.truth)
            density = f'{100 * raw.density:.1f}'
            rows.append([set_name, matcher, *percent(raw), density, *percent(filled)])
            records.append(
                {'set': set_name, 'matcher': matcher, 'raw': asdict(raw), 'filled': asdict(filled)}
            )
    print('The last three columns are after filling holes from the background of each row.\n')
    print(markdown_table(HEADER, rows))
    write_report('sgbm_accuracy', {'opencv': cv2.__version__, 'results': records})


if __name__ == '__main__':
    main()
