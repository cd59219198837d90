"""A fused cloud against the measured depth of the views it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.files.maps import read_depth
from depth_ros.files.posed.poses import read_pose_folder
from depth_ros.geometry.projection import project
from depth_ros.geometry.rigid import inverse

CELL_PX = 4
"""Edge of the cells in which a cloud is looked at: truth and network are no finer."""
CONFIDENT = 0.8
HIDDEN_RATIO = 1.05
"""Points farther than the nearest of their cell by this are hidden behind it."""


@dataclass(frozen=True, kw_only=True)
class TruthView:
    """Measured depth of one view.

    Attributes:
        name: Name of the view.
        depth: (H, W) metres, NaN unknown.
        camera: Its camera, no distortion.
        world_from_camera: (4, 4).
    """

    name: str
    depth: np.ndarray
    camera: PinholeCamera
    world_from_camera: np.ndarray


@dataclass(frozen=True, kw_only=True)
class CloudFigures:
    """A cloud against measured depth, over all views together.

    Attributes:
        mean_error: Mean |depth - truth| / truth of the points that are visible in a view and
            have a truth there.
        median_error: Median of the same.
        coverage: Share of the truth pixels of raw confidence >= ``CONFIDENT`` in whose cell a
            visible point lies.
        num_compared: Pairs of point and view that were compared.
        num_points: Points of the cloud.
    """

    mean_error: float
    median_error: float
    coverage: float
    num_compared: int
    num_points: int


def truth_views(folder: Path) -> list[TruthView]:
    """Read the views of ``data/hololens_mvs`` with their measured depth."""
    views = []
    for file in read_pose_folder(folder).views:
        depth = read_depth(folder / 'depth' / f'{file.name}.png')
        posed = file.view(np.zeros((*depth.shape, 3), np.uint8), stamp_ns=0)
        views.append(
            TruthView(
                name=file.name,
                depth=depth,
                camera=posed.frame.camera,
                world_from_camera=posed.world_from_camera,
            )
        )
    return views


def cloud_figures(
    points: np.ndarray, views: Sequence[TruthView], confidences: Sequence[np.ndarray]
) -> CloudFigures:
    """Compare world points ``(N, 3)`` with every view; confidences are ``(H, W)``, one a view."""
    errors, num_covered, num_sure = [], 0, 0
    for view, confidence in zip(views, confidences, strict=True):
        pose = inverse(view.world_from_camera)
        pixels, depth = project(view.camera, points @ pose[:3, :3].T + pose[:3, 3])
        height, width = view.depth.shape
        at = np.rint(np.where(np.isfinite(pixels), pixels, -1.0)).astype(int)
        inside = ((at >= 0) & (at < (width, height))).all(axis=1)
        (column, row), depth = at[inside].T, depth[inside]
        nearest = np.full((-(-height // CELL_PX), -(-width // CELL_PX)), np.inf)
        np.minimum.at(nearest, (row // CELL_PX, column // CELL_PX), depth)
        is_visible = depth <= HIDDEN_RATIO * nearest[row // CELL_PX, column // CELL_PX]
        truth = view.depth[row, column]
        error = np.abs(depth - truth)[is_visible] / truth[is_visible]
        errors.append(error[np.isfinite(error)])
        is_sure = np.isfinite(view.depth) & (confidence >= CONFIDENT)
        is_covered = np.isfinite(nearest).repeat(CELL_PX, 0).repeat(CELL_PX, 1)[:height, :width]
        num_covered += int((is_sure & is_covered).sum())
        num_sure += int(is_sure.sum())
    every = np.concatenate(errors)
    return CloudFigures(
        mean_error=float(every.mean()) if every.size else float('nan'),
        median_error=float(np.median(every)) if every.size else float('nan'),
        coverage=num_covered / num_sure if num_sure else float('nan'),
        num_compared=int(every.size),
        num_points=len(points),
    )
