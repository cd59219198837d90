"""Checks of a multi-view frame before inference: views, poses, calibration, range.

Every refusal is an ``InputError`` whose ``reason`` a node can count.
"""

from __future__ import annotations

import numpy as np

from depth_ros.errors import InputError
from depth_ros.frames import MultiViewFrame
from depth_ros.geometry.posed_view import check_pose
from depth_ros.geometry.projection import grid_rays, project
from depth_ros.tasks.multiview.view_selection import typical_depth

MIN_BASELINE_RATIO = 1e-4
"""Smallest baseline over the nearest depth: below it, parallax is far under a pixel."""

_GRID = 16


def check_frame(frame: MultiViewFrame, *, min_overlap: float = 0.1) -> None:
    """Require a frame that multi-view stereo can work on.

    Args:
        frame: Reference and sources.
        min_overlap: Smallest share of the reference that each source must see; see
            ``view_overlaps``.

    Raises:
        CalibrationError: Reason ``'calibration_size'``: an image of another size.
        InputError: Reasons ``'views'`` (no source), ``'pose_shape'``, ``'pose_values'`` (NaN or
            Inf), ``'pose_rotation'`` (no rigid motion), ``'depth_range'`` (zero, negative or
            reversed), ``'baseline'`` (identical poses) or ``'overlap'`` (looking apart).
    """
    _check_views(frame)
    _check_depth_range(frame.depth_min_m, frame.depth_max_m)
    for view in (frame.reference, *frame.sources):
        view.camera.check_image_size(view.image.shape[0], view.image.shape[1])
    _check_poses(frame)
    _check_baselines(frame)
    _check_overlaps(frame, min_overlap)


def view_overlaps(frame: MultiViewFrame) -> np.ndarray:
    """Measure how much of the reference each source sees.

    Takes a grid of reference pixels at the nearest, farthest and (in inverse depth) middle
    depth of the search, and counts those in front of the source and inside its image.

    Returns:
        ``(N,)`` float64, 0..1: the largest share over the three depths.
    """
    rays = grid_rays(frame.reference.camera, _GRID)
    near, far = frame.depth_min_m, frame.depth_max_m
    depths = (near, typical_depth((near, far)), far)
    shares = [_seen_shares(frame, rays * depth) for depth in depths]
    return np.asarray(np.max(shares, axis=0))


def baselines_m(frame: MultiViewFrame) -> np.ndarray:
    """Return the ``(N,)`` distances of the sources' centres from the reference's, metres."""
    return np.asarray(np.linalg.norm(frame.reference_from_source[:, :3, 3], axis=1))


def _names(frame: MultiViewFrame) -> list[str]:
    return ['the reference', *(f'source {index}' for index in range(len(frame.sources)))]


def _check_views(frame: MultiViewFrame) -> None:
    num_sources = len(frame.sources)
    if num_sources == 0:
        raise InputError(
            'views',
            'multi-view depth needs the reference and at least one source view, got the '
            'reference alone; wait for another keyframe, or use a monocular model',
        )
    shape = np.shape(frame.reference_from_source)
    if shape != (num_sources, 4, 4):
        raise InputError(
            'pose_shape',
            f'reference_from_source must have shape ({num_sources}, 4, 4), one pose for each '
            f'source, got {shape}; give every view a pose',
        )


def _check_depth_range(near: float, far: float) -> None:
    if not (0.0 < near < far and np.isfinite(far)):
        raise InputError(
            'depth_range',
            f'the depth range must be 0 < depth_min_m < depth_max_m, got {near!r} to {far!r} m; '
            'set both to the nearest and farthest depth of the scene',
        )


def _check_poses(frame: MultiViewFrame) -> None:
    for index, pose in enumerate(frame.reference_from_source):
        check_pose(pose, what=f'the pose of source {index}')


def _check_baselines(frame: MultiViewFrame) -> None:
    baselines = baselines_m(frame)
    index = int(baselines.argmin())
    if not baselines[index] > MIN_BASELINE_RATIO * frame.depth_min_m:
        raise InputError(
            'baseline',
            f'source {index} has the same position as the reference (baseline '
            f'{baselines[index]:.2g} m), which gives no depth; move the camera between views',
        )


def _check_overlaps(frame: MultiViewFrame, min_overlap: float) -> None:
    overlaps = view_overlaps(frame)
    index = int(overlaps.argmin())
    if overlaps[index] < min_overlap:
        raise InputError(
            'overlap',
            f'source {index} sees {overlaps[index]:.0%} of the reference between '
            f'{frame.depth_min_m:g} and {frame.depth_max_m:g} m, needed are {min_overlap:.0%}: '
            'the views look apart; check the direction of the pose, or choose nearer views',
        )


def _seen_shares(frame: MultiViewFrame, points: np.ndarray) -> list[float]:
    """Return for every source the share of reference points (n, 3) that it sees."""
    shares = []
    for view, pose in zip(frame.sources, frame.reference_from_source, strict=True):
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        pixels, _ = project(view.camera, local, min_depth_m=0.0)
        with np.errstate(invalid='ignore'):
            is_inside = (pixels >= 0) & (pixels < (view.camera.width, view.camera.height))
        shares.append(float(is_inside.all(axis=1).mean()))
    return shares
