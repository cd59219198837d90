"""Chooses which views become keyframes, and the best sources of a reference.

Sources are scored as in MVSNet (Yao et al. 2018, arXiv 1804.02505, section 4.1): every point
that both views see adds a weight that is largest where its two rays meet at five degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from depth_ros.geometry.posed_view import PlacedView, PlacedViewT
from depth_ros.geometry.projection import grid_rays, project
from depth_ros.geometry.rigid import inverse, rotation_angle
from depth_ros.tasks.multiview.settings import ViewPolicy

BEST_ANGLE_DEG, BELOW_DEG, ABOVE_DEG = 5.0, 1.0, 10.0
"""Angle of the best score, and the two widths of the bell around it (Yao et al.)."""
MIN_SCORE = 1e-4
"""Below it are angles under 0.7 degrees, which are too small for depth."""
MIN_SHARE = 0.1
"""A source that sees a smaller share of the points is not used."""
_GRID = 12


def is_new_view(
    pose: np.ndarray, last: np.ndarray | None, policy: ViewPolicy, *, depth_m: float
) -> bool:
    """Return whether a view becomes a keyframe after the last one; both are ``(4, 4)`` poses."""
    if last is None:
        return True
    baseline = float(np.linalg.norm(pose[:3, 3] - last[:3, 3]))
    turn = rotation_angle(pose[:3, :3].T @ last[:3, :3])
    return baseline >= policy.min_baseline_ratio * depth_m or turn >= policy.min_angle_rad


def angle_score(angles_rad: np.ndarray) -> np.ndarray:
    """Weigh angles between two rays, 0..1; 1 at five degrees."""
    away = np.degrees(angles_rad) - BEST_ANGLE_DEG
    width = np.where(away <= 0.0, BELOW_DEG, ABOVE_DEG)
    return np.asarray(np.exp(-0.5 * (away / width) ** 2))


def view_score(reference: PlacedView, source: PlacedView, points: np.ndarray) -> float:
    """Score a source for a reference: mean weight of the points, 0..1.

    Args:
        reference: View whose depth is wanted.
        source: Candidate.
        points: ``(N, 3)`` in the world, metres, seen by the reference.
    """
    if len(points) == 0:
        return 0.0
    rays = [points - view.center_m for view in (reference, source)]
    lengths = [np.linalg.norm(ray, axis=1) for ray in rays]
    cosine = np.einsum('ij,ij->i', *rays) / np.maximum(lengths[0] * lengths[1], 1e-12)
    weights = angle_score(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return float((weights * sees(source, points)).mean())


def sees(view: PlacedView, points: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` bool: world points ``(N, 3)`` in front of a view and inside its image."""
    camera = view.camera
    pose = inverse(view.world_from_camera)
    pixels, _ = project(camera, points @ pose[:3, :3].T + pose[:3, 3])
    end = np.array([camera.width, camera.height]) - 0.5
    with np.errstate(invalid='ignore'):
        return np.asarray(((pixels >= -0.5) & (pixels < end)).all(axis=1))


def choose_sources(
    reference: PlacedView, candidates: Sequence[PlacedViewT], points: np.ndarray, *, count: int
) -> list[PlacedViewT]:
    """Return the best ``count`` candidates, best first.

    Those that see next to nothing of the points, or from the same place, are left out: one of
    them would spoil the rest.
    """
    seeing = [view for view in candidates if len(points) and sees(view, points).mean() > MIN_SHARE]
    scores = [view_score(reference, view, points) for view in seeing]
    order = sorted(range(len(seeing)), key=lambda index: -scores[index])
    return [seeing[index] for index in order[:count] if scores[index] > MIN_SCORE]


def sample_points(view: PlacedView, depth_range_m: tuple[float, float]) -> np.ndarray:
    """Return ``(N, 3)`` world points of a grid of pixels at three depths of the range.

    They stand for the scene while nothing is known of it; the depths are even in inverse depth.
    """
    near, far = depth_range_m
    depths = 1.0 / np.linspace(1.0 / near, 1.0 / far, 5)[1:4]
    rays = grid_rays(view.camera, _GRID)
    points = np.concatenate([rays * depth for depth in depths])
    return points @ view.world_from_camera[:3, :3].T + view.center_m


def typical_depth(depth_range_m: tuple[float, float]) -> float:
    """Return the middle of a depth range in inverse depth, metres."""
    near, far = depth_range_m
    return 2.0 / (1.0 / near + 1.0 / far) if math.isfinite(far) else 2.0 * near
