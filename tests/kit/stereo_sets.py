"""Rectified pairs with measured truth from the shared data, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.camera import StereoCamera, ideal_camera, stereo_camera
from depth_ros.frames import RectifiedStereo


@dataclass(frozen=True, kw_only=True)
class StereoSet:
    """A pair, its disparity (NaN unknown) and how many disparities a matcher has to search."""

    frame: RectifiedStereo
    truth: np.ndarray
    num_disparities: int


def read_rgb(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f'{path} is missing or no image')
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def some_rig(height: int, width: int) -> StereoCamera:
    """A rig for sets that come without calibration."""
    numbers = {'fx': 500.0, 'fy': 500.0, 'cx': width / 2, 'cy': height / 2}
    size = {'height': height, 'width': width}
    return stereo_camera(
        ideal_camera(**numbers, **size), ideal_camera(**numbers, **size, tx=-50.0)
    )


def motorcycle(data: Path) -> StereoSet:
    """Middlebury 2014 at a quarter of its size, 741x500; doffs is cx_right - cx_left."""
    folder = data / 'middlebury_motorcycle'
    left, right = (read_rgb(folder / f'motorcycle_{side}.png') for side in ('left', 'right'))
    fx, baseline_m = 994.978, 0.193001
    numbers = {'fx': fx, 'fy': fx, 'cy': 254.877, 'height': 500, 'width': 741}
    camera = stereo_camera(
        ideal_camera(cx=311.193, **numbers),
        ideal_camera(cx=311.193 + 31.086, tx=-fx * baseline_m, **numbers),
    )
    truth = np.load(folder / 'motorcycle_disp.npz')['arr_0']
    return StereoSet(
        frame=RectifiedStereo(left=left, right=right, camera=camera, stamp_ns=11),
        truth=np.where(np.isfinite(truth), truth, np.nan),
        num_disparities=64,
    )


def half_aloe(data: Path) -> StereoSet:
    """Middlebury 2006 Aloe at half size, 641x555; every second pixel of the truth, halved."""
    folder = data / 'opencv_aloe'
    pair = [read_rgb(folder / name) for name in ('aloeL.jpg', 'aloeR.jpg')]
    height, width = pair[0].shape[0] // 2, pair[0].shape[1] // 2
    left, right = (cv2.resize(i, (width, height), interpolation=cv2.INTER_AREA) for i in pair)
    truth = cv2.imread(str(folder / 'aloeGT.png'), cv2.IMREAD_GRAYSCALE)
    if truth is None:
        raise FileNotFoundError(f'{folder}/aloeGT.png is missing')
    halved = truth[: 2 * height : 2, : 2 * width : 2] / 2.0
    return StereoSet(
        frame=RectifiedStereo(left=left, right=right, camera=some_rig(height, width)),
        truth=np.where(halved > 0, halved, np.nan),
        num_disparities=112,
    )


STEREO_SETS: dict[str, Callable[[Path], StereoSet]] = {
    'motorcycle': motorcycle,
    'half_aloe': half_aloe,
}


def plain_sgbm(frame: RectifiedStereo, num_disparities: int) -> np.ndarray:
    """OpenCV as one would call it by hand: 3-way, 5x5, its own speckle filter."""
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
        numDisparities=num_disparities,
        blockSize=5,
        P1=8 * 25,
        P2=32 * 25,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (frame.left, frame.right)]
    disparity = matcher.compute(*grey).astype(np.float32) / 16
    return np.where(disparity < 0, np.float32(np.nan), disparity)
