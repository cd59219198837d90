"""A rig whose cameras see colours unlike each other, filmed in rendered rooms with known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.scenes.layered.composition import SceneSize, draw_scene
from depth_ros.scenes.layered.render import render
from depth_ros.scenes.layered.textures import texture_pool

HEIGHT, WIDTH = 64, 160
LEFT_TINT, RIGHT_TINT = (0.1, 0.4, 1.0), (1.0, 0.4, 0.1)
CALIBRATION = f"""cam0=[150 0 80; 0 150 32; 0 0 1]
cam1=[150 0 80; 0 150 32; 0 0 1]
doffs=0
baseline=120
width={WIDTH}
height={HEIGHT}
ndisp=64
"""


@dataclass(frozen=True)
class TruePair:
    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray


def film(count: int, *, seed: int = 0) -> list[TruePair]:
    """One camera lost its reds, the other its blues; both are noisy."""
    rng = np.random.default_rng(seed)
    pool = texture_pool(rng, [], 16)
    size = SceneSize(
        height=HEIGHT,
        width=WIDTH,
        max_disparity=28.0,
        textures=16,
        bare=0.0,
        min_contrast=0.5,
        crowding=(1.0, 0.0, 0.0),
    )
    return [shot(rng, render(draw_scene(rng, size), pool, height=HEIGHT, width=WIDTH))
            for _ in range(count)]  # fmt: skip


def shot(rng: np.random.Generator, views: tuple) -> TruePair:
    images = []
    for view, tint in zip(views, (LEFT_TINT, RIGHT_TINT), strict=True):
        image = view.image.numpy() * np.array(tint, np.float32)
        noise = 3.0 * rng.standard_normal(image.shape)
        images.append(np.clip(image + noise, 0.0, 255.0).astype(np.uint8))
    return TruePair(left=images[0], right=images[1], disparity=views[0].disparity.numpy())


def write_folder(folder: Path, pairs: list[TruePair]) -> Path:
    for side in ('left', 'right'):
        (folder / side).mkdir(parents=True)
        for index, pair in enumerate(pairs):
            image = np.ascontiguousarray(getattr(pair, side)[..., ::-1])
            cv2.imwrite(str(folder / side / f'{index:04d}.png'), image)
    (folder / 'calib.txt').write_text(CALIBRATION)
    return folder


def shuffled(pairs: list[TruePair]) -> list[TruePair]:
    """Left and right of different moments."""
    return [TruePair(left=a.left, right=b.right, disparity=a.disparity)
            for a, b in zip(pairs, pairs[5:] + pairs[:5], strict=True)]  # fmt: skip
