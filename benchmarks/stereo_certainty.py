"""Does stereo know what it does not know? Real pairs with truth, and real planes without.

``python benchmarks/stereo_certainty.py DATA [--model NAME] [--weights FILE] [--size 480x640]
[--planes]`` prints

* for each pair with truth the area between sparsification curve and perfect order (AUSE, in
  units of the mean error; 0 is perfect) of the error that the model tells, of left-right checking
  and of the distance to SGBM; how many errors lie within the told 68 % and 95 % intervals; bad-2
  of the surest 80 %;
* for thresholds of ``min_confidence`` how many pixels all pairs together keep, and how many of
  these are within 2 px;
* with ``--planes`` for bare walls of the OAK-D pairs, EuRoC's floor and chessboards how much is
  known and how much of that is off the fitted plane by more than 5 % of the depth;
* with ``--gallery FILE`` nothing, but a picture of the pairs without truth: left image, SGBM,
  ``crestereo_tiny``, this network everywhere, and where it is sure enough for nodes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.evaluation.certainty import (
    coverage,
    fitted_plane,
    sparsification_error,
    uneven_share,
)
from depth_ros.evaluation.stereo_pairs import STEREO_SETS, EvaluationPair
from depth_ros.evaluation.tables import markdown_table, percent
from depth_ros.frames import RectifiedStereo
from depth_ros.geometry.postprocess import (
    colorize_disparity,
    deviation_confidence,
    left_right_confidence,
)
from depth_ros.geometry.preprocess import mirrored
from depth_ros.pictures.panels import write_picture
from depth_ros.results import DisparityResult
from depth_ros.tasks.stereo.processor import StereoProcessor, Wanted, open_stereo
from depth_ros.training.gallery import gallery_pairs

MODEL = 'crestereo_tiny_hinted'
TILE = (320, 240)
FARTHEST_PX = 1000.0
THRESHOLDS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
WALLS = {
    'living_room': (370, 110, 440, 240),
    'stairs': (440, 60, 570, 380),
    'desk': (60, 30, 300, 150),
    'euroc_v101_stereo': (150, 330, 300, 460),
}
"""Bare areas: left, top, right, bottom, px."""
CHESS_PAIRS = (9, 11, 12, 13, 14)
CHESS_CALIBRATION = (1, 2, 3, 4, 5, 6, 7, 8)
CHESS_PATTERN = (9, 6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One pair: flat arrays over the pixels with truth.

    Attributes:
        error: Of the disparity, px.
        sigma: Told standard deviation, px.
        left_right: Difference of both views' results, px; infinite where there is none.
        sgbm: Distance from SGBM, px; infinite where it knows nothing.
        finest_px: Of the result.
    """

    error: np.ndarray
    sigma: np.ndarray
    left_right: np.ndarray
    sgbm: np.ndarray
    finest_px: float

    @property
    def confidence(self) -> np.ndarray:
        """As nodes give it."""
        threshold_px = max(1.0, self.finest_px)
        return deviation_confidence(self.sigma, threshold_px=threshold_px)


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder of the sets')
    parser.add_argument('--model', default=MODEL)
    parser.add_argument('--weights', default='', help='of the model; the shipped graph')
    parser.add_argument('--size', default='480x640')
    parser.add_argument('--planes', action='store_true')
    parser.add_argument('--gallery', type=Path)
    args = parser.parse_args()
    engine = {'size': args.size, 'num_threads': 1, 'weights': args.weights}
    engine['engine'] = 'torch' if args.weights.endswith('.safetensors') else 'auto'
    with open_stereo(model=args.model, min_confidence=0.0, **engine) as dense:
        if args.planes or args.gallery:
            with open_stereo(model=args.model, **engine) as usual:
                if args.gallery:
                    draw(args.data / 'oakd_stereo', args.size, (dense, usual), args.gallery)
                else:
                    print(planes_table(args.data, {'all': dense, 'usual': usual}))
        else:
            found = {pair.name: judged(dense, pair) for pair in pairs_of(args.data)}
            print(pairs_table(found))
            print(thresholds_table(found))
    return 0


def pairs_of(data: Path) -> list[EvaluationPair]:
    """Read all pairs with truth."""
    return [pair for item in STEREO_SETS.values() for pair in item.load(data / item.folder)]


def judged(processor: StereoProcessor, pair: EvaluationPair) -> Judged:
    """Run a pair and its mirror image."""
    frame = framed(pair.left, pair.right)
    found, other = (match(processor, one) for one in (frame, mirrored(frame)))
    assert found.sigma_px is not None and found.hint_distance_px is not None
    agreement = left_right_confidence(
        found.disparity,
        np.ascontiguousarray(other.disparity[:, ::-1]),
        threshold_px=FARTHEST_PX,
    )
    known = np.isfinite(pair.truth) & np.isfinite(found.disparity)
    left_right = np.where(agreement > 0, FARTHEST_PX * (1.0 - agreement), np.inf)
    sgbm = np.where(np.isfinite(found.hint_distance_px), found.hint_distance_px, np.inf)
    return Judged(
        error=np.abs(found.disparity - pair.truth)[known],
        sigma=found.sigma_px[known],
        left_right=left_right[known],
        sgbm=sgbm[known],
        finest_px=found.finest_px,
    )


def match(processor: StereoProcessor, frame: RectifiedStereo) -> DisparityResult:
    """Return the result with all that belongs to it."""
    wanted = Wanted(depth=False, confidence=True)
    return processor.process_rectified(frame, wanted=wanted).disparity


def framed(left: np.ndarray, right: np.ndarray) -> RectifiedStereo:
    """Wrap a pair with a dummy calibration, which does not affect disparity."""
    height, width = left.shape[:2]
    numbers = {'fx': 500.0, 'fy': 500.0, 'cx': width / 2, 'cy': height / 2}
    size = {'height': height, 'width': width}
    cameras = ideal_camera(**numbers, **size), ideal_camera(**numbers, **size, tx=-50.0)
    return RectifiedStereo(left=left, right=right, camera=stereo_camera(*cameras))


def pairs_table(found: dict[str, Judged]) -> str:
    """Write AUSE, coverage and the surest 80 % of each pair."""
    rows = []
    for name, one in found.items():
        doubts = (one.sigma, one.left_right, one.sgbm)
        areas = [f'{sparsification_error(one.error, doubt):.3f}' for doubt in doubts]
        inside = [percent(coverage(one.error, one.sigma, share)) for share in (0.68, 0.95)]
        surest = [
            percent(float((one.error[doubt <= np.quantile(doubt, 0.8)] > 2.0).mean()))
            for doubt in doubts
        ]
        bad = percent(float((one.error > 2.0).mean()))
        rows.append([name, *areas, *inside, bad, *surest])
    header = (
        'pair', 'AUSE told', 'AUSE left-right', 'AUSE SGBM', 'in 68 %', 'in 95 %', 'bad-2 %',
        'surest 80 %', 'by left-right', 'by SGBM',
    )  # fmt: skip
    return markdown_table(header, rows)


def thresholds_table(found: dict[str, Judged]) -> str:
    """Write what is kept of all pairs together, each pair counting alike, and of the worst."""
    rows = []
    for threshold in THRESHOLDS:
        kept, right = [], []
        for one in found.values():
            is_kept = one.confidence >= threshold
            kept.append(float(is_kept.mean()))
            right.append(float((one.error[is_kept] <= 2.0).mean()) if is_kept.any() else np.nan)
        figures = (np.mean(kept), np.mean(right), min(kept), min(right))
        rows.append([f'{threshold:.2f}', *(percent(float(value)) for value in figures)])
    header = ('min_confidence', 'kept %', 'of these within 2 px %', 'least kept', 'least within')
    return markdown_table(header, rows)


def draw(folder: Path, size: str, processors: tuple[StereoProcessor, ...], picture: Path) -> None:
    """Draw one row per pair."""
    others = ({'model': 'sgbm', 'speckle_size_px': 100}, {'model': 'crestereo_tiny', 'size': size})
    rows = []
    with ExitStack() as stack:
        opened = [stack.enter_context(open_stereo(**words)) for words in others]
        for pair in gallery_pairs(folder):
            frame = framed(pair.left, pair.right)
            maps = [match(one, frame).disparity for one in (*opened, *processors)]
            top = float(np.nanpercentile(maps[0], 99.5)) * 1.1
            tiles = [pair.left, *(colorize_disparity(one, min=0.0, max=top) for one in maps)]
            small = [cv2.resize(tile, TILE, interpolation=cv2.INTER_AREA) for tile in tiles]
            rows.append(np.hstack(small))
    write_picture(picture, np.vstack(rows))


def planes_table(data: Path, processors: dict[str, StereoProcessor]) -> str:
    """Write how much of each plane is known and uneven, by processor."""
    rows = []
    for name, frame, region in (*walls(data), *chessboards(data / 'opencv_stereo_chessboard')):
        cells = []
        for processor in processors.values():
            disparity = match(processor, frame).disparity
            known = float(np.isfinite(disparity[region]).mean())
            is_enough = np.isfinite(disparity[region]).sum() > 100
            plane = fitted_plane(disparity, region) if is_enough else disparity
            cells += [percent(known), percent(uneven_share(disparity, plane, region))]
        rows.append([name, *cells])
    columns = [f'{what}, {name}' for name in processors for what in ('known %', 'uneven %')]
    return markdown_table(('plane', *columns), rows)


def walls(data: Path) -> Iterator[tuple[str, RectifiedStereo, np.ndarray]]:
    """Read the pairs that show bare areas."""
    for folder in ('oakd_stereo', 'euroc_v101_stereo'):
        for pair in gallery_pairs(data / folder):
            if pair.name in WALLS:
                left, top, right, bottom = WALLS[pair.name]
                region = np.zeros(pair.left.shape[:2], bool)
                region[top:bottom, left:right] = True
                yield pair.name, framed(pair.left, pair.right), region


def chessboards(folder: Path) -> Iterator[tuple[str, RectifiedStereo, np.ndarray]]:
    """Calibrate and rectify OpenCV's pairs; the region is that of the inner corners."""
    maps = chessboard_maps(folder)
    for number in CHESS_PAIRS:
        left, right = (
            cv2.remap(image, *one, cv2.INTER_LINEAR)
            for image, one in zip(chess_pair(folder, number), maps, strict=True)
        )
        found, corners = cv2.findChessboardCorners(left, CHESS_PATTERN)
        if found:
            region = np.zeros(left.shape, np.uint8)
            cv2.fillConvexPoly(region, cv2.convexHull(corners).astype(np.int32), 1)
            images = [np.repeat(image[..., None], 3, 2) for image in (left, right)]
            yield f'chessboard {number}', framed(*images), region.astype(bool)


def chess_pair(folder: Path, number: int) -> list[np.ndarray]:
    """Read one pair in grey."""
    names = (f'left{number:02}.jpg', f'right{number:02}.jpg')
    return [cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE) for name in names]


def chessboard_maps(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Calibrate the rig from eight pairs and return both cameras' rectifying maps."""
    board = np.zeros((54, 3), np.float32)
    board[:, :2] = np.mgrid[: CHESS_PATTERN[0], : CHESS_PATTERN[1]].T.reshape(-1, 2)
    pairs = [chess_pair(folder, number) for number in CHESS_CALIBRATION]
    seen = [[cv2.findChessboardCorners(image, CHESS_PATTERN) for image in pair] for pair in pairs]
    corners = [[found[1] for found in pair] for pair in seen if all(found[0] for found in pair)]
    size = pairs[0][0].shape[::-1]
    points = [board] * len(corners)
    lenses = [
        cv2.calibrateCamera(points, [pair[side] for pair in corners], size, None, None)[1:3]
        for side in (0, 1)
    ]
    (k0, d0), (k1, d1) = lenses
    views = [[pair[side] for pair in corners] for side in (0, 1)]
    found = cv2.stereoCalibrate(
        points, *views, k0, d0, k1, d1, size, flags=cv2.CALIB_FIX_INTRINSIC
    )
    r0, r1, p0, p1, *_ = cv2.stereoRectify(k0, d0, k1, d1, size, *found[5:7], alpha=0)
    return [
        cv2.initUndistortRectifyMap(k, d, r, p, size, cv2.CV_32FC1)
        for k, d, r, p in ((k0, d0, r0, p0), (k1, d1, r1, p1))
    ]


if __name__ == '__main__':
    sys.exit(main())
