"""A picture for visual comparison: real pairs without truth, SGBM and networks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from depth_ros.evaluation.stereo import sgbm_matcher
from depth_ros.geometry.postprocess import colorize_disparity
from depth_ros.models.crestereo_tiny.network import CreStereoTiny
from depth_ros.pictures.panels import write_picture
from depth_ros.training.evaluate import network_matcher
from depth_ros.training.gallery_pairs import gallery_pairs

TILE_WIDTH = 320
SGBM_DISPARITIES = 128


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
