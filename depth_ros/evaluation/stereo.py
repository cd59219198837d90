"""Judge disparity on real pairs with truth, beside SGBM: the numbers of the cards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.evaluation.accuracy import StereoErrors, disparity_errors
from depth_ros.evaluation.hints import HintMaker
from depth_ros.evaluation.stereo_pairs import EvaluationPair, visible_mask
from depth_ros.evaluation.tables import markdown_table
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.postprocess import fill_holes, left_right_confidence, remove_speckles
from depth_ros.geometry.preprocess import mirrored_map
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted

SPECKLE_PX, SPECKLE_STEP_PX = 100, 1.0
CONSISTENT_PX = 1.0
HEADER = (
    'pair', 'method', 'EPE px', 'bad-2 %', 'bad-3 %', 'density %',
    'EPE visible', 'bad-2 visible', 'left-right %',
)  # fmt: skip
Matcher = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes left and right, (H, W, 3) uint8 RGB, and gives disparity (H, W) px, NaN unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRow:
    """One method on one pair; errors in px of the pair's own size.

    Attributes:
        pair: Name of the pair.
        method: What made the disparity.
        everywhere: Over all pixels with truth.
        visible: Over those the other camera sees as well.
        consistent: Share of all pixels that pass the left-right check at 1 px, 0..1.
    """

    pair: str
    method: str
    everywhere: StereoErrors
    visible: StereoErrors
    consistent: float


def sgbm_matcher(num_disparities: int, *, is_filled: bool) -> Matcher:
    """Make OpenCV's SGBM: 3-way, 5x5, speckle filter, and perhaps row-wise background fill."""
    model = SgbmModel(SgbmSettings(num_disparities=num_disparities))

    def match(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        frame = _frame(left, right)
        prepared = model.preprocess(frame)
        result = model.postprocess(model.infer({}, prepared), prepared, frame)
        found = remove_speckles(
            result.disparity, max_size_px=SPECKLE_PX, max_difference_px=SPECKLE_STEP_PX
        )
        return fill_holes(found) if is_filled else found

    return match


def processor_matcher(processor: StereoProcessor, *, hint: HintMaker | None = None) -> Matcher:
    """Make a matcher of what nodes run; the caller closes the processor.

    Args:
        processor: Of any model.
        hint: Makes the hints it is given, in place of its own; None leaves that to it.
    """

    def match(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        frame = _frame(left, right)
        frame = frame if hint is None else replace(frame, hint=hint(frame))
        output = processor.process_rectified(frame, wanted=Wanted(depth=False))
        return output.disparity.disparity

    return match


def _frame(left: np.ndarray, right: np.ndarray) -> RectifiedStereo:
    """Wrap a pair with a dummy calibration, which does not affect disparity."""
    height, width = left.shape[:2]
    numbers = {'fx': 500.0, 'fy': 500.0, 'cx': width / 2, 'cy': height / 2}
    size = {'height': height, 'width': width}
    camera = stereo_camera(
        ideal_camera(**numbers, **size), ideal_camera(**numbers, **size, tx=-50.0)
    )
    return RectifiedStereo(left=left, right=right, camera=camera)


def evaluate_pair(pair: EvaluationPair, method: str, matcher: Matcher) -> EvaluationRow:
    """Run a matcher on a pair both ways and compare with the truth."""
    left = np.ascontiguousarray(mirrored_map(pair.left))
    right = np.ascontiguousarray(mirrored_map(pair.right))
    found = matcher(pair.left, pair.right)
    of_right = mirrored_map(matcher(right, left))
    confidence = left_right_confidence(
        found, np.ascontiguousarray(of_right), threshold_px=CONSISTENT_PX
    )
    return EvaluationRow(
        pair=pair.name,
        method=method,
        everywhere=disparity_errors(found, pair.truth),
        visible=disparity_errors(found, pair.truth, mask=visible_mask(pair.truth)),
        consistent=float((np.nan_to_num(confidence) > 0.0).mean()),
    )


def evaluate(
    pairs: Iterable[EvaluationPair], methods: Mapping[str, Matcher]
) -> Iterable[EvaluationRow]:
    """Judge SGBM, raw and filled, and then every method, on all pairs, one row after the other."""
    for pair in pairs:
        yardsticks = {
            'sgbm raw': sgbm_matcher(pair.num_disparities, is_filled=False),
            'sgbm filled': sgbm_matcher(pair.num_disparities, is_filled=True),
        }
        for method, matcher in {**yardsticks, **methods}.items():
            yield evaluate_pair(pair, method, matcher)


def table(rows: Iterable[EvaluationRow]) -> str:
    """Write the rows as a Markdown table."""
    cells = []
    for row in rows:
        every, seen = row.everywhere, row.visible
        line = [row.pair, row.method, f'{every.epe_px:.2f}', f'{100 * every.bad2:.1f}']
        line += [f'{100 * every.bad3:.1f}', f'{100 * every.density:.1f}']
        line += [f'{seen.epe_px:.2f}', f'{100 * seen.bad2:.1f}', f'{100 * row.consistent:.1f}']
        cells.append(line)
    return markdown_table(HEADER, cells)
