"""Posed views with measured or exact depth, for tests and benchmarks."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from stereo_sets import read_rgb

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.scenes import SCENES, render

CROP = (352, 512)
"""(height, width) of the HoloLens crops; the images are 540x360."""

STANDARD_SPLIT = ('00071', ('00069', '00070', '00072', '00073'))
"""Reference and sources that the set's own notes recommend."""


@dataclass(frozen=True, kw_only=True)
class MultiViewSet:
    """Posed views and the depth of the reference, metres, NaN unknown."""

    frame: MultiViewFrame
    truth: np.ndarray


def hololens(
    folder: Path,
    *,
    reference: str = STANDARD_SPLIT[0],
    sources: Sequence[str] = STANDARD_SPLIT[1],
    crop: str = 'center',
    depth_range_m: tuple[float, float] = (1.0, 4.8),
) -> MultiViewSet:
    """Read some of the HoloLens frames.

    Args:
        folder: ``data/hololens_mvs``.
        reference: Stem of the reference's file.
        sources: Stems of the sources' files.
        crop: ``'center'`` (K shifted by the offset), ``'top_left'`` (the crop behind the figures
            in the set's notes) or ``''`` for the whole images.
        depth_range_m: Nearest and farthest depth of the search.
    """
    height, width = CROP if crop else (360, 540)
    top, left = ((360 - height) // 2, (540 - width) // 2) if crop == 'center' else (0, 0)
    window = (slice(top, top + height), slice(left, left + width))
    k = np.loadtxt(folder / 'K.txt')
    camera = ideal_camera(
        fx=k[0, 0], fy=k[1, 1], cx=k[0, 2] - left, cy=k[1, 2] - top, height=height, width=width
    )
    with (folder / 'frame_rows.csv').open(encoding='utf-8') as file:
        rows = {row['file'][:-4]: int(row['pose_row']) for row in csv.DictReader(file)}
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 4, 4)
    views = [
        _view(read_rgb(folder / 'images' / f'{name}.png')[window], camera)
        for name in (reference, *sources)
    ]
    return MultiViewSet(
        frame=MultiViewFrame(
            reference=views[0],
            sources=tuple(views[1:]),
            reference_from_source=relative_poses(
                poses[rows[reference]], [poses[rows[name]] for name in sources]
            ),
            depth_min_m=depth_range_m[0],
            depth_max_m=depth_range_m[1],
        ),
        truth=read_depth(folder / 'depth' / f'{reference}.png')[window],
    )


def rendered(
    scene: str,
    *,
    size: tuple[int, int] = (352, 512),
    num_sources: int = 4,
    step_m: float = 0.3,
    depth_range_m: tuple[float, float] = (1.0, 6.0),
) -> MultiViewSet:
    """Render a scene of ``depth_ros.scenes``: sources left, right, above and below.

    Args:
        scene: Name in ``SCENES``.
        size: (height, width).
        num_sources: How many, in that order.
        step_m: Distance of the sources from the reference.
        depth_range_m: Nearest and farthest depth of the search.
    """
    height, width = size
    camera = ideal_camera(
        fx=0.9 * width,
        fy=0.9 * width,
        cx=(width - 1) / 2,
        cy=(height - 1) / 2,
        height=height,
        width=width,
    )
    sides = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)]
    views, poses = [], []
    for x, y in sides[: 1 + num_sources]:
        pose = np.eye(4)
        pose[:3, 3] = (step_m * x, step_m * y, 0.0)
        poses.append(pose)
        views.append(render(SCENES[scene](), camera, world_from_camera=pose, supersample=2))
    truth = views[0].depth.astype(np.float64)
    return MultiViewSet(
        frame=MultiViewFrame(
            reference=_view(views[0].image, camera),
            sources=tuple(_view(view.image, camera) for view in views[1:]),
            reference_from_source=relative_poses(poses[0], poses[1:]),
            depth_min_m=depth_range_m[0],
            depth_max_m=depth_range_m[1],
        ),
        truth=np.where(np.isfinite(truth), truth, np.nan),
    )


def relative_poses(
    world_from_reference: np.ndarray, world_from_sources: Sequence[np.ndarray]
) -> np.ndarray:
    """Give ``(N, 4, 4)`` reference from source."""
    from_world = np.linalg.inv(world_from_reference)
    return np.stack([from_world @ pose for pose in world_from_sources])


@dataclass(frozen=True, kw_only=True)
class DepthErrors:
    """Errors of a depth map at a quarter of its size, taken by nearest neighbour.

    Attributes:
        abs_rel: Mean of |depth - truth| / truth.
        within_25: Share wrong by less than a factor of 1.25.
        share: Share of the pixels with truth that were compared.
    """

    abs_rel: float
    within_25: float
    share: float


def depth_errors(
    depth: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None
) -> DepthErrors:
    """Compare every fourth pixel of every fourth row, where the network's own pixels lie.

    Args:
        depth: (H, W); not finite where unknown.
        truth: (H, W); NaN where unknown.
        mask: (H, W) bool, where to look; None for everywhere.
    """
    depth, truth = depth[::4, ::4].astype(np.float64), truth[::4, ::4]
    has_truth = np.isfinite(truth)
    compared = has_truth & np.isfinite(depth)
    if mask is not None:
        compared &= mask[::4, ::4]
    if not compared.any():
        return DepthErrors(abs_rel=float('nan'), within_25=float('nan'), share=0.0)
    ratio = depth[compared] / truth[compared]
    return DepthErrors(
        abs_rel=float(np.abs(ratio - 1.0).mean()),
        within_25=float((np.maximum(ratio, 1.0 / ratio) < 1.25).mean()),
        share=float(compared.sum() / has_truth.sum()),
    )


def _view(image: np.ndarray, camera: PinholeCamera) -> MonoFrame:
    return MonoFrame(
        image=np.ascontiguousarray(image), camera=camera, stamp_ns=7, is_rectified=True
    )


def read_depth(path: Path) -> np.ndarray:
    """Read millimetres, 0 unknown, as metres, NaN unknown."""
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float64) / 1000.0
    return np.where(depth > 0, depth, np.nan)
