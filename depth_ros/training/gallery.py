"""A picture for visual comparison: real pairs without truth, SGBM and networks side by side.

Pairs are rectified, or EuRoC's, which are rectified here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from depth_ros.errors import CalibrationError, InputError
from depth_ros.evaluation.stereo import sgbm_matcher
from depth_ros.files.given_file import given_text
from depth_ros.files.image import read_rgb
from depth_ros.files.yaml_text import parse_yaml
from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.models.crestereo_tiny.network import CreStereoTiny
from depth_ros.pictures.panels import write_picture
from depth_ros.training.evaluate import network_matcher

TILE_WIDTH = 320
SGBM_DISPARITIES = 128
CAMERAS = ('cam0', 'cam1')


def draw_gallery(
    folders: Sequence[Path],
    networks: Mapping[str, CreStereoTiny],
    sizes: Sequence[tuple[int, int] | None],
    picture: Path,
) -> None:
    """Draw one row per pair: left image, SGBM, then every network at every size.

    Args:
        folders: Folders of pairs; see ``gallery_pairs``.
        networks: By name.
        sizes: (height, width) each, None for the pair's own.
        picture: File to write.

    Raises:
        InputError: If a folder has no pair, reason ``'missing'``.
    """
    pairs = [pair for folder in folders for pair in gallery_pairs(folder)]
    matchers = [sgbm_matcher(SGBM_DISPARITIES, is_filled=False)]
    matchers += [network_matcher(network, size) for network in networks.values() for size in sizes]
    rows = []
    for pair in pairs:
        maps = [match(pair.left, pair.right) for match in matchers]
        top = float(np.nanpercentile(maps[0], 99.5)) * 1.1
        tiles = [pair.left, *(colorize_disparity(found, min=0.0, max=top) for found in maps)]
        rows.append(np.hstack([_tile(tile) for tile in tiles]))
    write_picture(picture, np.vstack(rows))


def _tile(image: np.ndarray) -> np.ndarray:
    height = round(image.shape[0] * TILE_WIDTH / image.shape[1])
    return np.asarray(cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GalleryPair:
    """A rectified pair without truth.

    Attributes:
        name: For the picture.
        left: (H, W, 3) uint8 RGB.
        right: The same size.
    """

    name: str
    left: np.ndarray
    right: np.ndarray


def gallery_pairs(folder: Path) -> list[GalleryPair]:
    """Read every pair of a folder: ``NAME_left.png``, or ``left.png``, or EuRoC's ``mav0``.

    Raises:
        InputError: If there is none, reason ``'missing'``.
    """
    pairs = [*_rectified(folder), *_euroc(folder / 'mav0')]
    if not pairs:
        raise InputError(
            'missing',
            f'{folder} has no *left.png with its *right.png, and no mav0/cam0; pass --data with '
            'the folder above one that has',
        )
    return pairs


def _rectified(folder: Path) -> Iterator[GalleryPair]:
    for left in sorted(folder.glob('*left.png')):
        right = left.with_name(left.name.replace('left.png', 'right.png'))
        name = left.stem.removesuffix('left').strip('_') or folder.name
        yield GalleryPair(name=name, left=read_rgb(left), right=read_rgb(right))


def _euroc(folder: Path) -> Iterator[GalleryPair]:
    """Return the first pair of an EuRoC recording (ASL format), rectified by its calibration."""
    lefts = sorted((folder / 'cam0' / 'data').glob('*.png'))
    if not lefts:
        return
    images = [read_rgb(folder / camera / 'data' / lefts[0].name) for camera in CAMERAS]
    maps = _rectifying_maps(folder, size=(images[0].shape[1], images[0].shape[0]))
    left, right = (
        cv2.remap(image, columns, rows, cv2.INTER_LINEAR)
        for image, (columns, rows) in zip(images, maps, strict=True)
    )
    yield GalleryPair(name=folder.parent.name, left=left, right=right)


def _rectifying_maps(
    folder: Path, *, size: tuple[int, int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Compute both cameras' maps by OpenCV's stereoRectify without black borders."""
    sensors = [_sensor(folder / camera / 'sensor.yaml') for camera in CAMERAS]
    (k0, d0, body_from_0), (k1, d1, body_from_1) = sensors
    second_from_first = np.linalg.inv(body_from_1) @ body_from_0
    rotation, translation = second_from_first[:3, :3].copy(), second_from_first[:3, 3:].copy()
    r0, r1, p0, p1, *_ = cv2.stereoRectify(k0, d0, k1, d1, size, rotation, translation, alpha=0)
    return [
        cv2.initUndistortRectifyMap(k0, d0, r0, p0, size, cv2.CV_32FC1),
        cv2.initUndistortRectifyMap(k1, d1, r1, p1, size, cv2.CV_32FC1),
    ]


def _sensor(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read K (3, 3), D (4,) and body-from-camera (4, 4) of an EuRoC sensor file."""
    try:
        text = given_text(path).replace('%YAML:1.0', '', 1)
        record = cast(dict, parse_yaml(text))
        fx, fy, cx, cy = map(float, record['intrinsics'])
        d = np.array(record['distortion_coefficients'], np.float64)
        pose = np.array(record['T_BS']['data'], np.float64).reshape(4, 4)
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise CalibrationError(
            'calibration_file', f'{path} is no EuRoC sensor file ({error}); restore it'
        ) from error
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]), d, pose
