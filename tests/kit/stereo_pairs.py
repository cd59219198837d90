"""A pair of known disparity, and a folder of files as the judged stereo sets have them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from depth_ros.evaluation.stereo_pairs import EvaluationPair
from depth_ros.pictures.panels import write_picture


def textured_pair(shift: int, height: int = 96, width: int = 160) -> EvaluationPair:
    rng = np.random.default_rng(4)
    scene = cv2.GaussianBlur(
        rng.integers(0, 256, (height, width + shift, 3)).astype(np.uint8), (3, 3), 0.8
    )
    return EvaluationPair(
        name='shifted',
        left=np.ascontiguousarray(scene[:, :width]),
        right=np.ascontiguousarray(scene[:, shift:]),
        truth=np.full((height, width), float(shift), np.float32),
        num_disparities=32,
    )


def write_motorcycle(data: Path, pair: EvaluationPair) -> None:
    """Write a pair where Motorcycle is looked for; what is unknown is infinite there."""
    folder = data / 'middlebury_motorcycle'
    folder.mkdir(parents=True)
    write_picture(folder / 'motorcycle_left.png', pair.left)
    write_picture(folder / 'motorcycle_right.png', pair.right)
    truth = np.where(np.isfinite(pair.truth), pair.truth, np.inf)
    np.savez(folder / 'motorcycle_disp.npz', truth)
