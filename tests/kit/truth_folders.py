"""Rendered scenes written as the judged sets of real frames have them, with exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.pictures.panels import write_picture
from depth_ros.scenes.solids import View, render, room

STEP_M = 0.12


def write_hololens(
    data: Path, *, names: Sequence[str], size: tuple[int, int] = (120, 180), step_m: float = STEP_M
) -> list[View]:
    """Write ``hololens_mvs``: a camera that steps to the right through the room.

    One row of poses more than there are images, so that the table of rows is needed.
    """
    folder, (height, width) = data / 'hololens_mvs', size
    fx = 0.9 * width
    cx, cy = (width - 1) / 2, (height - 1) / 2
    camera = ideal_camera(fx=fx, fy=fx, cx=cx, cy=cy, height=height, width=width)
    poses = [np.eye(4) for _ in range(len(names) + 1)]
    for index, pose in enumerate(poses):
        pose[0, 3] = step_m * (index - 1)
    views = [render(room(), camera, world_from_camera=pose) for pose in poses[1:]]
    for part in ('images', 'depth'):
        (folder / part).mkdir(parents=True)
    for name, view in zip(names, views, strict=True):
        write_picture(folder / 'images' / f'{name}.png', view.image)
        write_depth(folder / 'depth' / f'{name}.png', view.depth, unit_m=0.001)
    np.savetxt(folder / 'K.txt', camera.k)
    np.savetxt(folder / 'poses.txt', np.stack(poses).reshape(-1, 16))
    rows = [f'{name}.png,{index + 1}' for index, name in enumerate(names)]
    (folder / 'frame_rows.csv').write_text('\n'.join(['file,pose_row', *rows]) + '\n')
    return views


def write_iclnuim(data: Path, *, count: int) -> list[View]:
    """Write ``iclnuim_rgbd``: small images of the room; no pose is needed."""
    folder = data / 'iclnuim_rgbd'
    camera = ideal_camera(fx=100.0, fy=100.0, cx=79.5, cy=59.5, height=120, width=160)
    views = []
    for part in ('color', 'depth'):
        (folder / part).mkdir(parents=True)
    for index in range(count):
        pose = np.eye(4)
        pose[0, 3] = 0.2 * index
        view = render(room(), camera, world_from_camera=pose)
        write_picture(folder / 'color' / f'{index + 1}.png', view.image)
        write_depth(folder / 'depth' / f'{index + 1}.png', view.depth, unit_m=1 / 5000)
        views.append(view)
    return views


def write_depth(path: Path, depth: np.ndarray, *, unit_m: float) -> None:
    """Write depth as uint16, 0 where it is not known."""
    steps = np.where(np.isfinite(depth), np.rint(depth / unit_m), 0)
    assert steps.max() < 2**16
    cv2.imwrite(str(path), steps.astype(np.uint16))
