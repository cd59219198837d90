"""What the settings and the pair say that the left image does not show."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_ros.errors import ImageError, InputError, ParameterError
from depth_ros.files.image import read_lit
from depth_ros.frames import RectifiedStereo, UsefulPart
from depth_ros.geometry.content import border_mask
from depth_ros.geometry.shown import fitted_mask, nearer_than_useful, useful_disparity
from depth_ros.tasks.stereo.settings import StereoSettings


class Shown:
    """Makes unknown what the left image does not show; the mask's file is read once."""

    def __init__(self, settings: StereoSettings) -> None:
        """Read the mask.

        Raises:
            ParameterError: If its file cannot be read.
        """
        self._mask = None if not settings.mask else read_mask(settings.mask)
        self._useful = settings.useful
        self._has_limits = settings.calibrated_limits
        self._has_borders = settings.unknown_black_borders

    def expect_fitting(self, frame_size: tuple[int, int] | None) -> None:
        """Refuse a mask of another shape than the rectified left image.

        Args:
            frame_size: ``(height, width)`` of the images; None where none came yet.

        Raises:
            ParameterError: Naming both sizes.
        """
        if self._mask is None or frame_size is None:
            return
        try:
            fitted_mask(self._mask, frame_size)
        except ImageError as error:
            raise ParameterError(str(error)) from error

    def unmasked(
        self, disparity: np.ndarray, pair: RectifiedStereo, covered: np.ndarray | None
    ) -> np.ndarray:
        """Return a map with NaN where masks and borders say that nothing is shown.

        Args:
            disparity: ``(H, W)`` float32 px, NaN unknown.
            pair: What it was made of.
            covered: ``(H, W)`` bool, where rectifying found something; None where it did not
                rectify, and black borders are looked for.

        Raises:
            ImageError: If the mask is of another shape than the image.
        """
        shape = (pair.left.shape[0], pair.left.shape[1])
        masks = [
            covered,
            None if self._mask is None else fitted_mask(self._mask, shape),
        ]
        if covered is None and self._has_borders:
            masks.append(border_mask(pair.left))
        for mask in masks:
            if mask is not None:
                disparity = np.where(mask, disparity, np.float32(np.nan))
        return disparity

    def useful(self, disparity: np.ndarray, pair: RectifiedStereo) -> np.ndarray:
        """Return a map with NaN outside of the region and the depths that are called useful."""
        for useful in self._limits(pair):
            disparity = useful_disparity(disparity, pair.camera, useful)
        return disparity

    def nearer(self, disparity: np.ndarray, pair: RectifiedStereo) -> np.ndarray | None:
        """Return where ``useful`` leaves out what is nearer, ``(H, W)`` bool.

        None where the useful depth has no near end.
        """
        limits = [useful for useful in self._limits(pair) if useful.depth_range_m is not None]
        if not limits:
            return None
        found = [nearer_than_useful(disparity, pair.camera, useful) for useful in limits]
        return np.asarray(np.logical_or.reduce(found))

    def _limits(self, pair: RectifiedStereo) -> list[UsefulPart]:
        """Return what the settings call useful and, unless told not to, the calibration."""
        return [self._useful, pair.useful] if self._has_limits else [self._useful]


def read_mask(path: str) -> np.ndarray:
    """Read a mask, ``(h, w)`` bool, False where it is black or its alpha is 0; 8 or 16 bits.

    Raises:
        ParameterError: If it is no image.
    """
    try:
        return read_lit(Path(path))
    except InputError as error:
        raise ParameterError(
            f'mask must be an image of the rectified left image, black where nothing is shown: '
            f'{error}'
        ) from error
