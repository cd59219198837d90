"""Depth on the pixels of another camera at the same place: another resolution or focal length."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera, rectified_camera, scaled_camera
from depth_ros.errors import ImageError
from depth_ros.results import DepthResult

MAX_ASPECT_DIFFERENCE = 0.02
"""640x480 beside 1296x968 differ by 0.4 %; 4:3 beside 16:9 is another view."""

MAX_STEP = 0.02
"""Neighbouring depths farther apart than this, relative, are two surfaces: nothing between."""


def depth_camera(
    image_camera: PinholeCamera, *, height: int, width: int, own: PinholeCamera | None = None
) -> PinholeCamera:
    """Return the rectified camera of a depth map beside an image.

    Args:
        image_camera: The image's calibration.
        height: Rows of the depth map.
        width: Its columns.
        own: Calibration of the depth itself; None takes it to show what the image shows.

    Raises:
        CalibrationError: If ``own`` is for another size.
        ImageError: Reason ``'depth_size'``, if nothing says what the depth shows.
    """
    if own is not None:
        own.check_image_size(height, width)
        return rectified_camera(own)
    camera = rectified_camera(image_camera)
    if (camera.height, camera.width) == (height, width):
        return camera
    ratio = (width * camera.height) / (height * camera.width)
    if abs(ratio - 1.0) > MAX_ASPECT_DIFFERENCE:
        raise ImageError(
            'depth_size',
            f'depth is {width}x{height} but the image {camera.width}x{camera.height}, which is no '
            'other resolution of one view; register depth to the image, e.g. with '
            "depth_image_proc/register, or give the depth's own intrinsics",
        )
    return scaled_camera(camera, height=height, width=width)


def depth_seen_by(result: DepthResult, camera: PinholeCamera) -> DepthResult:
    """Return metric depth on the pixels of a rectified camera at the same place.

    Rays of both meet in one point, so Z stays as it is: a pixel is looked up where its ray falls,
    between neighbours of one surface by bilinear interpolation, else in the nearest pixel.

    Args:
        result: Depth of its own rectified camera.
        camera: Rectified camera.

    Returns:
        ``result`` itself where the cameras are the same. NaN where nothing was measured.

    Raises:
        CalibrationError: If the depth's camera is of another size than the depth.
    """
    source = result.camera
    assert source is not None, 'depth that is measured has a camera'
    source.check_image_size(*result.depth.shape)
    if _are_same(source, camera):
        return result
    columns = _places(camera.width, camera.p[0, 0], camera.p[0, 2], source.p[0, 0], source.p[0, 2])
    rows = _places(camera.height, camera.p[1, 1], camera.p[1, 2], source.p[1, 1], source.p[1, 2])
    depth = _looked_up(result.depth, *np.meshgrid(columns, rows))
    return replace(result, depth=depth, camera=camera)


def _are_same(one: PinholeCamera, other: PinholeCamera) -> bool:
    sizes = (one.height, one.width), (other.height, other.width)
    return sizes[0] == sizes[1] and bool(np.allclose(one.p[:, :3], other.p[:, :3], atol=1e-6))


def _places(
    count: int, focal_px: float, center: float, source_focal_px: float, source_center: float
) -> np.ndarray:
    """Return where the rays of each column or row fall in the source, in its pixels."""
    rays = (np.arange(count) - center) / focal_px
    return (rays * source_focal_px + source_center).astype(np.float32)


def _looked_up(depth: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    def look_up(how: int) -> np.ndarray:
        return cv2.remap(
            depth, columns, rows, how, borderMode=cv2.BORDER_CONSTANT, borderValue=float('nan')
        )

    nearest, between = look_up(cv2.INTER_NEAREST), look_up(cv2.INTER_LINEAR)
    with np.errstate(invalid='ignore'):
        is_one_surface = np.abs(between - nearest) <= MAX_STEP * np.abs(nearest)
    return np.where(is_one_surface, between, nearest)
