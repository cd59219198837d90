"""Errors of a trajectory against the truth, and the same figures from ``evo`` where it is there.

ATE: root mean square distance of positions after the best rigid alignment (Umeyama 1991; Sturm et
al. 2012, eq. 4). RPE: root mean square error of the motion over a fixed number of frames (eq. 2).
``evo`` is under the GPL: it is run as a program and never imported.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.trajectories import Trajectory, write_tum
from depth_ros.geometry.rigid import inverse, rigid, rotation_angle

MIN_POSES = 3
"""An alignment of fewer says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryErrors:
    """How far an estimate is from the truth.

    Attributes:
        num_poses: Poses that both have.
        ate_m: RMSE of positions after alignment; NaN with fewer than three poses.
        drift_m: Distance of the last common pose from the truth, the first ones put together.
        rpe_m: RMSE of the translation of steps between neighbouring poses.
        rpe_deg: RMSE of their rotation.
    """

    num_poses: int
    ate_m: float
    drift_m: float
    rpe_m: float
    rpe_deg: float


def umeyama(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the rigid motion ``(4, 4)`` that takes ``(N, 3)`` points nearest to targets.

    Without scale: metric odometry must get that right by itself (Umeyama 1991, eq. 40 to 42).
    """
    center, target_center = points.mean(axis=0), targets.mean(axis=0)
    u, _, vt = np.linalg.svd((targets - target_center).T @ (points - center))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    return rigid(rotation, target_center - rotation @ center)


def trajectory_errors(
    estimate: Trajectory, truth: Trajectory, *, max_difference_s: float = 0.0
) -> TrajectoryErrors:
    """Compare poses of equal stamps, or with the nearest one within ``max_difference_s``."""
    ours, theirs = matched(estimate, truth, max_difference_s=max_difference_s)
    poses, targets = estimate.poses[ours], truth.poses[theirs]
    if len(poses) < MIN_POSES:
        nan = float('nan')
        return TrajectoryErrors(
            num_poses=len(poses), ate_m=nan, drift_m=nan, rpe_m=nan, rpe_deg=nan
        )
    steps = _step_errors(poses, targets)
    motion = [inverse(values[0]) @ values[-1] for values in (poses, targets)]
    return TrajectoryErrors(
        num_poses=len(poses),
        ate_m=_ate_m(poses[:, :3, 3], targets[:, :3, 3]),
        drift_m=float(np.linalg.norm(motion[0][:3, 3] - motion[1][:3, 3])),
        rpe_m=_rms([float(np.linalg.norm(step[:3, 3])) for step in steps]),
        rpe_deg=_rms([float(np.degrees(rotation_angle(step))) for step in steps]),
    )


def matched(
    estimate: Trajectory, truth: Trajectory, *, max_difference_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices into both of the poses that belong together, each true pose at most once.

    A truth without stamps (KITTI) is matched by number, which needs as many poses.

    Raises:
        InputError: If only one of them has stamps and the numbers of poses differ.
    """
    if _is_numbered(truth) != _is_numbered(estimate):
        if len(truth) != len(estimate):
            raise InputError(
                'trajectory',
                f'the truth has {len(truth)} poses without stamps and the trajectory '
                f'{len(estimate)}; give a truth with stamps (TUM), or one of the same frames',
            )
        return np.arange(len(truth)), np.arange(len(truth))
    after = np.searchsorted(truth.stamps_ns, estimate.stamps_ns).clip(1, len(truth) - 1)
    before = after - 1
    is_later = np.abs(truth.stamps_ns[after] - estimate.stamps_ns) < np.abs(
        truth.stamps_ns[before] - estimate.stamps_ns
    )
    nearest = np.where(is_later, after, before)
    distance = np.abs(truth.stamps_ns[nearest] - estimate.stamps_ns)
    ours = np.flatnonzero(distance <= max_difference_s * 1e9)
    _, first = np.unique(nearest[ours], return_index=True)
    return ours[first], nearest[ours[first]]


def _is_numbered(values: Trajectory) -> bool:
    return bool((values.stamps_ns == np.arange(len(values))).all())


def evo_errors(
    estimate: Trajectory, truth: Trajectory, *, max_difference_s: float = 0.0001
) -> dict[str, float]:
    """Return evo's RMSE for ATE and RPE; empty where evo is not installed.

    Raises:
        subprocess.CalledProcessError: If evo refuses the files.
    """
    is_numbered = _is_numbered(truth) or _is_numbered(estimate)
    if shutil.which('evo_ape') is None or len(estimate) < MIN_POSES or is_numbered:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ('truth.txt', 'estimate.txt')]
        for path, values in zip(files, (truth, estimate), strict=True):
            write_tum(path, values)
        names = [str(path) for path in files]
        limit = ['--t_max_diff', str(max_difference_s)]
        step = ['--delta', '1', '--delta_unit', 'f']
        return {
            'evo_ate_m': _rmse(['evo_ape', 'tum', *names, '--align', *limit]),
            'evo_rpe_m': _rmse(['evo_rpe', 'tum', *names, *step, *limit]),
        }


def _rmse(command: list[str]) -> float:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r'rmse\s+([-+.0-9e]+)', done.stdout)
    if found is None:
        raise ValueError(f'{command[0]} printed no rmse: {done.stdout!r}')
    return float(found.group(1))


def _ate_m(points: np.ndarray, targets: np.ndarray) -> float:
    motion = umeyama(points, targets)
    moved = points @ motion[:3, :3].T + motion[:3, 3]
    return float(np.sqrt(((moved - targets) ** 2).sum(axis=1).mean()))


def _step_errors(poses: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """Return what is between the step taken and the true one, for all neighbours."""
    errors = []
    for index in range(len(poses) - 1):
        taken = inverse(poses[index]) @ poses[index + 1]
        true = inverse(targets[index]) @ targets[index + 1]
        errors.append(inverse(true) @ taken)
    return errors


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
