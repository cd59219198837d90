"""Whether intrinsics can belong to an image of this size.

A principal point lies near the middle of the full image. Intrinsics of another resolution put it
elsewhere by the same share in both directions, and those of the turned image exchange the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from depth_ros.errors import CalibrationError

FAR_SHARE = 0.15
"""Offset from the middle, in sides, that both directions have only at another resolution."""
NEAR_SHARE = 0.05
TURNED_SHARE = 0.08
LARGEST_ASPECT = 4.0
SMALLEST_SIDE_PX = 16
"""Of smaller images nothing can be said."""

NARROWEST_FOV_DEG = 0.3
WIDEST_FOV_DEG = {'K': 170.0, 'P': 176.0}
"""Of straight-line projections; a rectified fisheye reaches farther than any such lens."""

ImageSize = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Intrinsics:
    """What is asked about.

    Attributes:
        name: ``'K'`` or ``'P'``.
        matrix: ``(3, 3)`` or ``(3, 4)``, of the full image.
        height: Rows of the full image.
        width: Columns.
        is_fisheye: Whether angles are proportional to pixels (equidistant).
    """

    name: str
    matrix: np.ndarray
    height: int
    width: int
    is_fisheye: bool = False

    def offset(self, height: int, width: int) -> tuple[float, float]:
        """Return the principal point from the middle of an image, in shares of its sides."""
        x = (float(self.matrix[0, 2]) + 0.5) / width - 0.5
        return x, (float(self.matrix[1, 2]) + 0.5) / height - 0.5


def check_resolution(intrinsics: Intrinsics, others: Mapping[str, ImageSize]) -> None:
    """Refuse intrinsics that cannot be those of an image of this size.

    Args:
        intrinsics: Of the full image, before ROI and binning.
        others: Sizes ``(height, width)`` that they may be of by mistake, by what they are.

    Raises:
        CalibrationError: Reason ``'calibration_resolution'``.
    """
    if min(intrinsics.height, intrinsics.width) < SMALLEST_SIDE_PX:
        return
    _check_principal_point(intrinsics, others)
    _check_field_of_view(intrinsics)


def _check_principal_point(intrinsics: Intrinsics, others: Mapping[str, ImageSize]) -> None:
    height, width = intrinsics.height, intrinsics.width
    x, y = intrinsics.offset(height, width)
    is_outside = max(abs(x), abs(y)) > 0.5
    is_scaled = min(x, y) > FAR_SHARE or max(x, y) < -FAR_SHARE
    is_turned = min(abs(x), abs(y)) > TURNED_SHARE and _is_near(intrinsics.offset(width, height))
    if not (is_outside or is_scaled or is_turned):
        return
    name, cx, cy = intrinsics.name, *intrinsics.matrix[:2, 2]
    raise CalibrationError(
        'calibration_resolution',
        f'the principal point ({name}[0,2], {name}[1,2]) is ({cx:.1f}, {cy:.1f}), which cannot be '
        f'that of an image of {width}x{height}: {_explanation(intrinsics, others)}',
    )


def _explanation(intrinsics: Intrinsics, others: Mapping[str, ImageSize]) -> str:
    for what, (height, width) in others.items():
        if _is_near(intrinsics.offset(height, width)):
            return (
                f'{intrinsics.name} is that of {what}, {width}x{height}; give K and P of the '
                f'full image, or {width}x{height} as width and height without binning and roi'
            )
    cx, cy = intrinsics.matrix[:2, 2]
    return (
        f'intrinsics of another resolution (about {2 * cx + 1:.0f}x{2 * cy + 1:.0f}) or of '
        'another camera, as of colour with depth images; scale fx, fy, cx and cy to this one, '
        'or use images of the resolution that they belong to'
    )


def _is_near(offset: tuple[float, float]) -> bool:
    return max(abs(offset[0]), abs(offset[1])) < NEAR_SHARE


def _check_field_of_view(intrinsics: Intrinsics) -> None:
    name, size = intrinsics.name, f'{intrinsics.width}x{intrinsics.height}'
    fx, fy = float(intrinsics.matrix[0, 0]), float(intrinsics.matrix[1, 1])
    angles = fields_of_view_deg(intrinsics)
    widest = 360.0 if intrinsics.is_fisheye else WIDEST_FOV_DEG[name]
    has_aspect = 1 / LARGEST_ASPECT <= fx / fy <= LARGEST_ASPECT
    if has_aspect and NARROWEST_FOV_DEG <= max(angles) <= widest:
        return
    raise CalibrationError(
        'calibration_resolution',
        f'{name}[0,0] = {fx:g} and {name}[1,1] = {fy:g} give an image of {size} a field of view '
        f'of {angles[0]:.1f} x {angles[1]:.1f} degrees, which no such camera has; give fx and fy '
        'in pixels of this image (not millimetres, not of another resolution)',
    )


def fields_of_view_deg(intrinsics: Intrinsics) -> tuple[float, float]:
    """Return the horizontal and the vertical field of view, the principal point where it is."""
    angles = []
    for axis, side in enumerate((intrinsics.width, intrinsics.height)):
        focal, center = (float(intrinsics.matrix[axis, column]) for column in (axis, 2))
        reach = [(center + 0.5) / focal, (side - 0.5 - center) / focal]
        rays = reach if intrinsics.is_fisheye else [math.atan(tangent) for tangent in reach]
        angles.append(math.degrees(sum(rays)))
    return angles[0], angles[1]
