"""A picture of what the training samples look like: left, right, disparity, occlusion."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from depth_ros.postprocess import colorize_disparity
from depth_ros.training.photos import load_photos
from depth_ros.training.samples import Batch, SampleSettings, batches

PAIRS_PER_ROW = 2


def draw_contact_sheet(
    settings: SampleSettings, folders: tuple[Path, ...], picture: Path, *, samples: int = 20
) -> None:
    """Draw ``samples`` samples into a PNG or JPEG, two in a row."""
    stream = batches(settings, load_photos(folders), batch_size=PAIRS_PER_ROW)
    # Neighbours in the stream may share a scene; every fifth batch rarely does.
    rows = [_row(batch, settings) for batch in islice(stream, 0, 5 * samples // 2, 5)]
    cv2.imwrite(str(picture), np.ascontiguousarray(np.vstack(rows)[..., ::-1]))


def _row(batch: Batch, settings: SampleSettings) -> np.ndarray:
    tiles = []
    for index in range(PAIRS_PER_ROW):
        disparity = batch.disparity[index]
        colours = colorize_disparity(disparity, min=0.0, max=0.7 * settings.max_disparity)
        hidden = np.where(batch.is_occluded[index][..., None], np.uint8(40), colours)
        tiles += [batch.left[index], batch.right[index], colours, hidden]
    return np.hstack(tiles).astype(np.uint8)
