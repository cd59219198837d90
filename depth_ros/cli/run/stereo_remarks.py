"""What ``depth-ros run stereo`` remarks on a pair: hints left out, nothing known, tiny images."""

from __future__ import annotations

import numpy as np

from depth_ros.frames import UsefulPart
from depth_ros.tasks.stereo.processor import StereoOutput
from depth_ros.tasks.stereo.settings import StereoSettings

LEAST_SIDE_PX = 64
"""Networks see hardly anything in images of a shorter side, which they must enlarge."""
THOUSAND = (300.0, 3000.0)
"""Ratio of the hints' median depth to the result's that millimetres read as metres give."""
ALIKE = (0.8, 1.25)
"""Ratio of medians of which two maps may be the same quantity."""


def limits_remark(useful: UsefulPart, settings: StereoSettings) -> str:
    """Return what the calibration calls useful, where that is heeded, and how to keep all else."""
    parts = list(useful.describe())
    if not (parts and settings.calibrated_limits):
        return ''
    return (
        f'useful by the calibration: {", ".join(parts)}; all else is unknown or too near '
        '(--no-calibrated-limits keeps it)'
    )


def hint_remark(name: str, points_m: np.ndarray, output: StereoOutput) -> str:
    """Return a sentence where hints of a pair were left out whole, else nothing.

    Args:
        name: Of the pair.
        points_m: ``(n, 3)`` float32 points of the other sensor, left camera's optical frame.
        output: What came out.
    """
    if output.hint_used is None or output.hint_used > 0.0:
        return ''
    depth_m = points_m[:, 2][np.isfinite(points_m[:, 2]) & (points_m[:, 2] > 0)]
    if not depth_m.size:
        return (
            f'hints of {name} were left out: they hold no depth above 0 (NaN, 0 or negative '
            'alone); give metres along z of the left camera'
        )
    return (
        f'hints of {name} were left out whole, the pair speaks against them: nearest is '
        f'{depth_m.min():.4g} m, median {np.median(depth_m):.4g} m; {_cause(depth_m, output)}'
    )


def _cause(depth_m: np.ndarray, output: StereoOutput) -> str:
    """Return what is probably wrong, by the medians of the hints and of the result."""
    disparity = output.disparity.disparity
    disparity = disparity[np.isfinite(disparity) & (disparity > 0)]
    median = float(np.median(depth_m))
    if disparity.size:
        found_px = float(np.median(disparity))
        camera = output.rectified.camera
        found_m = camera.left.fx * camera.baseline_m / found_px
        if THOUSAND[0] < median / found_m < THOUSAND[1]:
            return 'are these millimetres? Divide by 1000, or correct --hint-unit-m'
        if THOUSAND[0] < found_m / median < THOUSAND[1]:
            return 'are these metres over 1000? Multiply by 1000, or correct --hint-unit-m'
        if ALIKE[0] < median / found_px < ALIKE[1]:
            return 'is this disparity in pixels? Give depth, fx * baseline / disparity'
    return 'are they of another moment or place, another unit, or not in the left camera?'


def nothing_remark(name: str, valid_fraction: object, settings: StereoSettings) -> str:
    """Return why nothing at all is known of a pair, by the settings; nothing where some is."""
    if valid_fraction != 0.0:
        return ''
    least = settings.min_confidence
    least = settings.own_min_confidence if least < 0.0 else least
    suspects = {
        f'min_confidence {least:g} leaves out what is less sure; --min-confidence 0 keeps all': (
            least > 0.0
        ),
        f'mask {settings.mask} is black everywhere': bool(settings.mask),
        f'valid_region {settings.valid_region!r} shows none of it': bool(settings.valid_region),
        f'useful_depth_m {settings.useful_depth_m!r} holds none of it': bool(
            settings.useful_depth_m
        ),
        'the images are black or without texture, or are no pair': True,
    }
    found = '; or '.join(text for text, is_set in suspects.items() if is_set)
    return f'no pixel of {name} is known: {found}'


def size_remark(name: str, shape: tuple[int, ...], *, is_network: bool) -> str:
    """Return a sentence for images ``(height, width)`` too small for a network, else nothing."""
    if not is_network or min(shape) >= LEAST_SIDE_PX:
        return ''
    return (
        f'{name} is {shape[1]}x{shape[0]}, below {LEAST_SIDE_PX} px a side: the network enlarges '
        'it, and its disparity means little; give larger images, or add --model sgbm'
    )
