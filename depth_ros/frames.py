"""Frames: images with camera and stamp, the inputs of a pipeline. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera, StereoCamera
from depth_ros.errors import ImageError, ShapeError
from depth_ros.results import DepthResult


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoFrame:
    """One camera image as received.

    Attributes:
        image: ``(H, W, 3)`` uint8, RGB; treat as read-only.
        camera: Calibration for exactly this image size.
        stamp_ns: Acquisition time in nanoseconds, as the driver stamped it.
        is_rectified: Whether the image is already free of distortion and row-aligned.
    """

    image: np.ndarray
    camera: PinholeCamera
    stamp_ns: int
    is_rectified: bool = False

    def __post_init__(self) -> None:
        check_rgb_image(self.image, what='image')
        self.camera.check_image_size(self.image.shape[0], self.image.shape[1])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KnownBeside:
    """What others know about the moment of a pair; hints are made of it.

    Attributes:
        points_m: ``(N, 3)`` float, measured points in the optical frame of the rectified left
            camera at the moment of its image, e.g. of a laser scanner; None for none.
        world_from_camera: ``(4, 4)`` float64, where that camera is; None where nobody knows.
    """

    points_m: np.ndarray | None = None
    world_from_camera: np.ndarray | None = None

    def __post_init__(self) -> None:
        points, pose = self.points_m, self.world_from_camera
        if points is not None and (points.ndim != 2 or points.shape[1] != 3):
            raise ShapeError(f'points_m must be (N, 3), got {points.shape}; leave colours out')
        if pose is not None and pose.shape != (4, 4):
            raise ShapeError(f'world_from_camera must be (4, 4), got {pose.shape}')


NOTHING_BESIDE = KnownBeside()


@dataclass(frozen=True, kw_only=True, slots=True)
class UsefulPart:
    """What a calibration calls useful of its rig; all else is unknown.

    Attributes:
        region: Left, top, right, bottom of the rectified left image in shares of its sides; None
            for all of it.
        depth_range_m: Nearest and farthest depth; None for any.
    """

    region: tuple[float, float, float, float] | None = None
    depth_range_m: tuple[float, float] | None = None

    def describe(self) -> Iterator[str]:
        """Return what is useful in words, a phrase for each limit; none where all is."""
        if self.depth_range_m:
            near, far = self.depth_range_m
            yield f'{near:g} to {far:g} m'
        if self.region:
            left, top, right, bottom = self.region
            yield f'columns {left:.0%} to {right:.0%}, rows {top:.0%} to {bottom:.0%}'


EVERYTHING = UsefulPart()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoFrame:
    """A synchronized pair; ``left`` is the reference whose stamp and frame the results carry.

    Attributes:
        left: Left image.
        right: Right image.
        beside: What others know about this moment.
        useful: What the calibration calls useful.
    """

    left: MonoFrame
    right: MonoFrame
    beside: KnownBeside = NOTHING_BESIDE
    useful: UsefulPart = EVERYTHING

    @property
    def stamp_ns(self) -> int:
        """Stamp of the left image in nanoseconds."""
        return self.left.stamp_ns


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RgbdFrame:
    """An image with depth.

    Attributes:
        image: Raw or rectified.
        depth: Metric depth of the same view, on the pixels of its own rectified camera, which is
            that of the rectified image where it is registered (``depth_image_proc/register``).
    """

    image: MonoFrame
    depth: DepthResult

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return self.image.stamp_ns


CameraFrame = StereoFrame | RgbdFrame | MonoFrame


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DisparityHint:
    """What is already known of the disparity of a left image, and how far to trust it.

    Attributes:
        disparity: ``(H, W)`` float32 px, NaN where nobody knows.
        trust: ``(H, W)`` float32: 1 where it was measured, less where it was carried over from
            somewhere else, 0 where nobody knows.
    """

    disparity: np.ndarray
    trust: np.ndarray

    def __post_init__(self) -> None:
        if self.disparity.ndim != 2 or self.disparity.shape != self.trust.shape:
            raise ShapeError(
                'disparity and trust of a hint must be (H, W) of one size, got '
                f'{self.disparity.shape} and {self.trust.shape}; pass both for the left image'
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RectifiedStereo:
    """A row-aligned pair; made by ``Rectifier`` or directly, checked either way.

    Attributes:
        left: ``(H, W, 3)`` uint8 RGB, the reference.
        right: ``(H, W, 3)`` uint8 RGB, same size.
        camera: Rectified calibration shared by both, with ``baseline_m > 0``.
        stamp_ns: Stamp of the left image in nanoseconds.
        hint: What is already known of the disparity, for models that take it; None for nothing.
        beside: What others know about this moment; hints are made of it.
        useful: What the calibration calls useful.
    """

    left: np.ndarray
    right: np.ndarray
    camera: StereoCamera
    stamp_ns: int = 0
    hint: DisparityHint | None = None
    beside: KnownBeside = NOTHING_BESIDE
    useful: UsefulPart = EVERYTHING

    def __post_init__(self) -> None:
        check_rgb_image(self.left, what='left image')
        check_rgb_image(self.right, what='right image')
        if self.left.shape != self.right.shape:
            raise ImageError(
                'size_mismatch',
                f'left and right must have one size, got {self.left.shape[1]}x'
                f'{self.left.shape[0]} and {self.right.shape[1]}x{self.right.shape[0]}; '
                'set both cameras to the same resolution',
            )
        self.camera.left.check_image_size(self.left.shape[0], self.left.shape[1])
        if self.hint is not None and self.hint.disparity.shape != self.left.shape[:2]:
            raise ShapeError(
                f"a hint must be of the left image's size {self.left.shape[:2]}, got "
                f'{self.hint.disparity.shape}; make it from the rectified left image'
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MultiViewFrame:
    """A reference view with posed source views.

    Attributes:
        reference: The view whose depth is wanted.
        sources: ``N`` further views.
        reference_from_source: ``(N, 4, 4)`` float64; takes points in metres from each source's
            optical frame into the reference's.
        depth_min_m: Nearest depth of the search, above zero.
        depth_max_m: Farthest depth of the search.
    """

    reference: MonoFrame
    sources: tuple[MonoFrame, ...]
    reference_from_source: np.ndarray
    depth_min_m: float
    depth_max_m: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImagePair:
    """Two images to match; sizes may differ.

    Attributes:
        first: ``(H, W, 3)`` uint8 RGB.
        second: ``(H, W, 3)`` uint8 RGB.
        first_mask: ``(H, W)`` bool, True where matches are wanted, or None for everywhere; any
            other integer mask is read as "not zero".
        second_mask: As ``first_mask``, for the second image.
    """

    first: np.ndarray
    second: np.ndarray
    first_mask: np.ndarray | None = None
    second_mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_rgb_image(self.first, what='first image')
        check_rgb_image(self.second, what='second image')
        for name in ('first', 'second'):
            mask = getattr(self, f'{name}_mask')
            if mask is not None:
                checked = _checked_mask(mask, getattr(self, name), what=f'the {name} mask')
                object.__setattr__(self, f'{name}_mask', checked)


def _checked_mask(mask: np.ndarray, image: np.ndarray, *, what: str) -> np.ndarray:
    """Return a mask as bool.

    Raises:
        ImageError: With reason ``'mask'``, if it is not of the image's size.
    """
    is_whole = mask.dtype == np.bool_ or np.issubdtype(mask.dtype, np.integer)
    if mask.shape != image.shape[:2] or not is_whole:
        raise ImageError(
            'mask',
            f'{what} must be bool of shape {image.shape[:2]} (height, width) as its image, got '
            f'{mask.dtype}{tuple(mask.shape)}; resize it to the image or leave it out',
        )
    return mask != 0


def check_rgb_image(image: np.ndarray, *, what: str) -> None:
    """Require a non-empty ``(H, W, 3)`` uint8 array.

    Raises:
        ImageError: With reason ``'shape'``.
    """
    is_rgb = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    if not is_rgb or image.size == 0:
        raise ImageError(
            'shape',
            f'{what} must be a non-empty uint8 array of shape (H, W, 3), '
            f'got {image.dtype}{tuple(image.shape)}; convert it to RGB first',
        )
