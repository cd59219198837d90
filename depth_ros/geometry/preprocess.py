"""Fit frames to an engine's static size and undo it, exact to the half-pixel convention.

Pixel centres are at integers, so resizing by s takes x to (x + 0.5) * s - 0.5, which is what
OpenCV's ``resize`` does. A disparity is a difference of columns: on the way back its values are
multiplied by the ratio of widths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera
from depth_ros.errors import ParameterError, ShapeError
from depth_ros.frames import RectifiedStereo

ODD_PX = 32
"""Engines have sizes in multiples of 16 or 32; a frame that lacks fewer pixels is of odd size."""


class Fit(Enum):
    """How a frame is brought to the engine's size."""

    RESIZE = 'resize'
    """Stretch to the engine's height and width, each by its own factor."""

    PAD = 'pad'
    """Keep the aspect: shrink only if needed, then repeat the right and bottom edge pixels."""

    NATIVE = 'native'
    """``PAD`` for frames of odd size, that fill the engine's image but for ``ODD_PX`` of a side;
    all others as ``RESIZE``, which loses less: rows that padding leaves empty are rows less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a frame lies inside an engine's image: always at its top left corner.

    Attributes:
        frame_height: Rows of the frame.
        frame_width: Columns of the frame.
        placed_height: Rows the resized frame takes in the engine's image.
        placed_width: Columns the resized frame takes.
        engine_height: Rows of the engine's image; those below the frame are padding.
        engine_width: Columns of the engine's image.
    """

    frame_height: int
    frame_width: int
    placed_height: int
    placed_width: int
    engine_height: int
    engine_width: int

    @property
    def disparity_scale(self) -> float:
        """Frame pixels per engine pixel along a row."""
        return self.frame_width / self.placed_width


def fit_size(frame_size: tuple[int, int], engine_size: tuple[int, int], *, fit: Fit) -> Placement:
    """Decide where a frame goes in an engine's image.

    Args:
        frame_size: (height, width) of the frame.
        engine_size: (height, width) of the engine's input.
        fit: With ``PAD``, a frame no larger than the engine's image keeps every pixel as it is,
            with ``NATIVE`` one that nearly fills it.

    Raises:
        ShapeError: If a size is not positive.
    """
    if min(*frame_size, *engine_size) <= 0:
        raise ShapeError(
            f'sizes must be positive, got a frame of {frame_size} for an engine of '
            f'{engine_size} (height, width); check the camera and the recipe'
        )
    placed_height, placed_width = engine_size
    if fit is Fit.PAD or (fit is Fit.NATIVE and _is_odd(frame_size, engine_size)):
        scale = min(1.0, engine_size[0] / frame_size[0], engine_size[1] / frame_size[1])
        placed_height = max(1, round(frame_size[0] * scale))
        placed_width = max(1, round(frame_size[1] * scale))
    return Placement(
        frame_height=frame_size[0],
        frame_width=frame_size[1],
        placed_height=placed_height,
        placed_width=placed_width,
        engine_height=engine_size[0],
        engine_width=engine_size[1],
    )


def _is_odd(frame_size: tuple[int, int], engine_size: tuple[int, int]) -> bool:
    """Whether a frame lacks but a few pixels of each side."""
    return all(0 <= side - own < ODD_PX for own, side in zip(frame_size, engine_size, strict=True))


def fit_from_name(name: str) -> Fit:
    """Read a parameter's text.

    Raises:
        ParameterError: If it is none of ``'resize'``, ``'pad'`` and ``'native'``.
    """
    try:
        return Fit(name)
    except ValueError:
        known = ' or '.join(repr(fit.value) for fit in Fit)
        raise ParameterError(f'fit must be {known}, got {name!r}; correct the parameter') from None


def place_image(image: np.ndarray, placement: Placement) -> np.ndarray:
    """Bring a (H, W, C) uint8 image to the engine's size; may give the image itself.

    Raises:
        ShapeError: If the image does not have the placement's frame size.
    """
    _check_size(image, (placement.frame_height, placement.frame_width), what='the image')
    size = (placement.placed_width, placement.placed_height)
    if image.shape[:2] != (placement.placed_height, placement.placed_width):
        is_smaller = size[0] <= image.shape[1] and size[1] <= image.shape[0]
        image = _resized(image, size, cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR)
    below = placement.engine_height - placement.placed_height
    beside = placement.engine_width - placement.placed_width
    if below or beside:
        image = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    return image


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Stretch a (H, W, C) uint8 image to ``size`` (height, width), each axis by its own rule.

    An axis that shrinks is averaged over areas, one that grows is interpolated with cubics:
    nearer to the Lanczos filter that monocular networks are trained with than a linear resize,
    and free of aliasing where one axis shrinks while the other grows.

    Returns:
        A contiguous image, possibly the same.
    """
    smaller = (min(image.shape[0], size[0]), min(image.shape[1], size[1]))
    if image.shape[:2] != smaller:
        image = _resized(image, (smaller[1], smaller[0]), cv2.INTER_AREA)
    if smaller != size:
        image = _resized(image, (size[1], size[0]), cv2.INTER_CUBIC)
    return np.ascontiguousarray(image)


def _resized(image: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """Resize to ``size`` (width, height); OpenCV 4.5.4 refuses an image of one pixel."""
    if image.shape[:2] == (1, 1):
        return np.tile(image, (size[1], size[0], 1))
    return cv2.resize(image, size, interpolation=interpolation)


def unplace_map(values: np.ndarray, placement: Placement) -> np.ndarray:
    """Bring an engine's (H, W) float32 map back to the frame's size; values stay.

    Without resizing this is a pure crop. With it, bilinear: NaN spreads to its neighbours.

    Returns:
        A map of its own, never a view of ``values``.

    Raises:
        ShapeError: If the map does not have the placement's engine size.
    """
    _check_size(values, (placement.engine_height, placement.engine_width), what='the map')
    inner = values[: placement.placed_height, : placement.placed_width]
    if inner.shape == (placement.frame_height, placement.frame_width):
        return inner.copy()
    size = (placement.frame_width, placement.frame_height)
    return np.asarray(cv2.resize(inner, size, interpolation=cv2.INTER_LINEAR))


def unplace_disparity(disparity: np.ndarray, placement: Placement) -> np.ndarray:
    """Bring an engine's (H, W) float32 disparity back to the frame's size and pixels."""
    values = unplace_map(disparity, placement)
    values *= np.float32(placement.disparity_scale)
    return values


def mirrored(frame: RectifiedStereo) -> RectifiedStereo:
    """Mirror both images and swap them: the disparity of the result is the right view's.

    A left matcher run on the mirrored pair gives, mirrored back with ``mirrored_map``, the
    disparity of the right image: ``mirrored_map(match(mirrored(frame)))[y, x]`` is
    ``x_left - x_right`` of what the right image shows at (x, y).
    """
    return RectifiedStereo(
        left=mirrored_map(frame.right),
        right=mirrored_map(frame.left),
        camera=_mirrored_camera(frame.camera),
        stamp_ns=frame.stamp_ns,
    )


def mirrored_map(values: np.ndarray) -> np.ndarray:
    """Return a map or image (H, W, ...) with its columns in reverse order, contiguous."""
    return np.ascontiguousarray(values[:, ::-1])


def _mirrored_camera(camera: StereoCamera) -> StereoCamera:
    """Principal points are mirrored and swapped; the baseline and ``P[0, 3]`` keep sign."""
    return StereoCamera(
        left=_with_mirrored_center(camera.left, camera.right),
        right=_with_mirrored_center(camera.right, camera.left),
        baseline_m=camera.baseline_m,
    )


def _with_mirrored_center(camera: PinholeCamera, seen_by: PinholeCamera) -> PinholeCamera:
    k, p = camera.k.copy(), camera.p.copy()
    k[0, 2] = seen_by.width - 1 - seen_by.k[0, 2]
    p[0, 2] = seen_by.width - 1 - seen_by.p[0, 2]
    return replace(camera, k=k, p=p)


def _check_size(array: np.ndarray, size: tuple[int, int], *, what: str) -> None:
    if array.shape[:2] != size:
        raise ShapeError(
            f'{what} must have {size[0]} rows and {size[1]} columns, got shape '
            f'{tuple(array.shape)}; make a new placement when the size changes'
        )
