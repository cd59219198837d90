"""Samples that are image files: read, rectified where needed, brought to the network's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from depth_ros.camera import PinholeCamera, scaled_camera
from depth_ros.errors import CalibrationError
from depth_ros.files.image import read_rgb
from depth_ros.frames import MonoFrame
from depth_ros.geometry.preprocess import resize_image
from depth_ros.geometry.rectify import MonoRectifier
from depth_ros.training.datasets.triples import Triple

Item = TypeVar('Item')


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameFiles:
    """The files of one sample.

    Attributes:
        target: The image in the middle.
        before: The earlier one.
        after: The later one.
        camera: Of all three; one object for all samples of a camera.
        is_rectified: Whether the images are free of distortion.
        partner: Image of a rectified rig's other camera, of the target's time; None without.
        partner_x_m: As in ``Triple``.
    """

    target: Path
    before: Path
    after: Path
    camera: PinholeCamera
    is_rectified: bool
    partner: Path | None = None
    partner_x_m: float = 0.0

    def read(self, size: tuple[int, int]) -> Triple:
        """Read the sample at ``size`` (height, width).

        Raises:
            ImageError: If a file is absent or damaged.
            CalibrationError: If an image is not of the calibrated size.
        """
        paths = [self.target, self.before, self.after]
        paths += [] if self.partner is None else [self.partner]
        rectifier = _rectifier(self.camera)
        camera = scaled_camera(rectifier.camera, height=size[0], width=size[1])
        return Triple(
            views=np.stack([resize_image(self._rectified(path), size) for path in paths]),
            intrinsics=camera.k,
            partner_x_m=self.partner_x_m,
        )

    def _rectified(self, path: Path) -> np.ndarray:
        image = read_rgb(path)
        try:
            self.camera.check_image_size(*image.shape[:2])
        except CalibrationError as error:
            raise CalibrationError(error.reason, f'{path}: {error}') from None
        frame = MonoFrame(
            image=image, camera=self.camera, stamp_ns=0, is_rectified=self.is_rectified
        )
        return _rectifier(self.camera).rectify_image(frame)


@lru_cache(maxsize=8)
def _rectifier(camera: PinholeCamera) -> MonoRectifier:
    """Build the maps once; cameras are equal only to themselves."""
    return MonoRectifier(camera)


def held_out(
    items: Sequence[Item], *, share: float, gap: int = 10
) -> tuple[list[Item], list[Item]]:
    """Split items in order of time into a first and a last part.

    Args:
        items: Samples of one clip.
        share: Of the clip that is held out, 0..1; at least one sample unless it is 0.
        gap: Samples between the two that are given to neither, being nearly those held out.

    Returns:
        To train on, and to measure on; the first may be empty for a short clip.
    """
    count = max(1, round(share * len(items))) if share > 0.0 and items else 0
    last = len(items) - count
    return list(items[: max(0, last - gap) if count else last]), list(items[last:])
