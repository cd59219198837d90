"""Measure a trained network on real pairs with truth, beside SGBM: the numbers of the card.

These pairs are for reporting only. Nothing is trained on them and nothing is chosen by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from depth_ros.accuracy import StereoErrors, disparity_errors
from depth_ros.camera import ideal_camera, stereo_camera
from depth_ros.checkpoints import load_checkpoint
from depth_ros.errors import InputError
from depth_ros.frames import RectifiedStereo
from depth_ros.models.crestereo.network_tiny import (
    SIZE_MULTIPLE,
    CreStereoTiny,
    tiny_network,
)
from depth_ros.models.sgbm.model import SgbmModel, SgbmSettings
from depth_ros.postprocess import fill_holes, left_right_confidence, remove_speckles
from depth_ros.preprocess import (
    Fit,
    fit_size,
    mirrored_map,
    place_image,
    unplace_disparity,
)

SPECKLE_PX, SPECKLE_STEP_PX = 100, 1.0
OCCLUSION_STEP_PX = 1.0
Matcher = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EvaluationPair:
    """A rectified pair with truth.

    Attributes:
        name: For tables.
        left: (H, W, 3) uint8 RGB.
        right: The same.
        truth: (H, W) px, NaN unknown.
        num_disparities: Search width of SGBM.
    """

    name: str
    left: np.ndarray
    right: np.ndarray
    truth: np.ndarray
    num_disparities: int


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

    def record(self) -> dict[str, object]:
        """Give it as plain values, for JSON."""
        return asdict(self)


def load_pairs(data: Path) -> list[EvaluationPair]:
    """Read Motorcycle and half-size Aloe, and both at half of that.

    Args:
        data: Folder with ``middlebury_motorcycle`` and ``opencv_aloe``.

    Raises:
        InputError: If a file is missing, reason ``'missing'``.
    """
    motorcycle = EvaluationPair(
        name='motorcycle',
        left=read_image(data / 'middlebury_motorcycle' / 'motorcycle_left.png'),
        right=read_image(data / 'middlebury_motorcycle' / 'motorcycle_right.png'),
        truth=_finite(np.load(data / 'middlebury_motorcycle' / 'motorcycle_disp.npz')['arr_0']),
        num_disparities=64,
    )
    grey = read_image(data / 'opencv_aloe' / 'aloeGT.png')[..., 0].astype(np.float32)
    aloe = EvaluationPair(
        name='aloe',
        left=read_image(data / 'opencv_aloe' / 'aloeL.jpg'),
        right=read_image(data / 'opencv_aloe' / 'aloeR.jpg'),
        truth=np.where(grey > 0, grey, np.nan),
        num_disparities=224,
    )
    half_aloe = halved(aloe)
    return [motorcycle, halved(motorcycle), half_aloe, halved(half_aloe)]


def read_image(path: Path) -> np.ndarray:
    """Read an image, (H, W, 3) uint8 RGB.

    Raises:
        InputError: If it is missing, reason ``'missing'``.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError('missing', f'{path} is missing or no image; pass --data with its folder')
    return np.ascontiguousarray(image[..., ::-1])


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def halved(pair: EvaluationPair) -> EvaluationPair:
    """Halve a pair: images averaged, truth picked from every second pixel and halved."""
    height, width = (size // 2 for size in pair.truth.shape)
    images = [
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        for image in (pair.left, pair.right)
    ]
    return EvaluationPair(
        name=f'{pair.name}/2' if '/' not in pair.name else f'{pair.name[:-1]}4',
        left=images[0],
        right=images[1],
        truth=pair.truth[: 2 * height : 2, : 2 * width : 2] / 2.0,
        num_disparities=max(16, pair.num_disparities // 2 // 16 * 16),
    )


def visible_mask(truth: np.ndarray) -> np.ndarray:
    """Tell which pixels the other camera sees, from the left truth alone, (H, W) bool.

    A pixel is hidden where another one with a larger disparity falls on the same column of the
    right image, or where its match lies outside.
    """
    height, width = truth.shape
    known = np.where(np.isfinite(truth), truth, -np.inf)
    columns = np.round(np.arange(width) - np.where(np.isfinite(truth), truth, 0.0)).astype(int)
    inside = (columns >= 0) & np.isfinite(truth)
    nearest = np.full((height, width), -np.inf)
    rows = np.broadcast_to(np.arange(height)[:, None], truth.shape)
    np.maximum.at(nearest, (rows[inside], columns[inside]), known[inside])
    seen = nearest[rows, np.clip(columns, 0, width - 1)]
    return inside & (known >= seen - OCCLUSION_STEP_PX)


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


def _frame(left: np.ndarray, right: np.ndarray) -> RectifiedStereo:
    """Wrap a pair without calibration: none of the numbers enters a disparity."""
    height, width = left.shape[:2]
    numbers = {'fx': 500.0, 'fy': 500.0, 'cx': width / 2, 'cy': height / 2}
    size = {'height': height, 'width': width}
    camera = stereo_camera(
        ideal_camera(**numbers, **size), ideal_camera(**numbers, **size, tx=-50.0)
    )
    return RectifiedStereo(left=left, right=right, camera=camera)


def network_matcher(network: CreStereoTiny, size: tuple[int, int] | None) -> Matcher:
    """Make a matcher of the network in torch float32.

    Args:
        network: In evaluation mode.
        size: (height, width) the pair is resized to; None pads it to the next multiple of 16.
    """

    def match(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        frame_size = (left.shape[0], left.shape[1])
        engine_size = size or _padded(frame_size)
        fit = Fit.PAD if size is None else Fit.RESIZE
        placement = fit_size(frame_size, engine_size, fit=fit)
        planes = [
            torch.from_numpy(np.array(place_image(image, placement))).permute(2, 0, 1)[None]
            for image in (left, right)
        ]
        with torch.no_grad():
            found = network(planes[0].float(), planes[1].float())[0, 0].numpy()
        return unplace_disparity(found, placement)

    return match


def _padded(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (-(-length // SIZE_MULTIPLE) * SIZE_MULTIPLE for length in size)
    return height, width


def load_networks(
    paths: Sequence[Path], *, iterations: int, threads: int
) -> dict[str, CreStereoTiny]:
    """Load networks by the stem of their file, and set the CPU threads they run with."""
    torch.set_num_threads(threads)
    return {
        path.stem: tiny_network(load_checkpoint(path), iterations=iterations) for path in paths
    }


def evaluate_pair(pair: EvaluationPair, method: str, matcher: Matcher) -> EvaluationRow:
    """Run a matcher on a pair both ways and compare with the truth."""
    left = np.ascontiguousarray(mirrored_map(pair.left))
    right = np.ascontiguousarray(mirrored_map(pair.right))
    found = matcher(pair.left, pair.right)
    of_right = mirrored_map(matcher(right, left))
    confidence = left_right_confidence(found, np.ascontiguousarray(of_right), threshold_px=1.0)
    return EvaluationRow(
        pair=pair.name,
        method=method,
        everywhere=disparity_errors(found, pair.truth),
        visible=disparity_errors(found, pair.truth, mask=visible_mask(pair.truth)),
        consistent=float((np.nan_to_num(confidence) > 0.0).mean()),
    )


def evaluate(
    data: Path, networks: Mapping[str, CreStereoTiny], sizes: tuple[tuple[int, int] | None, ...]
) -> list[EvaluationRow]:
    """Measure SGBM, raw and filled, and every network at every size, on all pairs."""
    rows = []
    for pair in load_pairs(data):
        methods = {
            'sgbm raw': sgbm_matcher(pair.num_disparities, is_filled=False),
            'sgbm filled': sgbm_matcher(pair.num_disparities, is_filled=True),
        }
        for name, network in networks.items():
            for size in sizes:
                label = 'padded' if size is None else f'{size[0]}x{size[1]}'
                methods[f'{name} {label}'] = network_matcher(network, size)
        rows += [evaluate_pair(pair, method, match) for method, match in methods.items()]
    return rows


def table(rows: list[EvaluationRow]) -> str:
    """Write the rows as a Markdown table."""
    head = ('pair', 'method', 'EPE px', 'bad-2 %', 'bad-3 %', 'density %')
    head += ('EPE visible', 'bad-2 visible', 'left-right %')
    lines = [' | '.join(head), ' | '.join('---' for _ in head)]
    for row in rows:
        every, seen = row.everywhere, row.visible
        cells = [row.pair, row.method, f'{every.epe_px:.2f}', f'{100 * every.bad2:.1f}']
        cells += [f'{100 * every.bad3:.1f}', f'{100 * every.density:.1f}']
        cells += [f'{seen.epe_px:.2f}', f'{100 * seen.bad2:.1f}', f'{100 * row.consistent:.1f}']
        lines.append(' | '.join(cells))
    return '\n'.join(f'| {line} |' for line in lines)
