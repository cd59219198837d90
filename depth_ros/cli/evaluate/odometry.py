"""``depth-ros evaluate odometry TRAJECTORY TRUTH``: how far a trajectory is from the truth."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from depth_ros.cli.evaluate.report import add_json_argument, known_only, say
from depth_ros.errors import InputError
from depth_ros.evaluation.trajectories import (
    MIN_POSES,
    TrajectoryErrors,
    evo_errors,
    trajectory_errors,
)
from depth_ros.files.trajectories import read_trajectory
from depth_ros.files.whole_file import write_json


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros evaluate``."""
    parser = tasks.add_parser(
        'odometry',
        description='Measure a trajectory against the truth: ATE after rigid alignment, RPE from '
        'pose to pose, without scaling; and the same by evo where that program is installed.',
    )
    parser.add_argument('trajectory', type=Path, metavar='TRAJECTORY', help='TUM, EuRoC or KITTI')
    parser.add_argument('truth', type=Path, metavar='TRUTH', help='TUM, EuRoC or KITTI')
    parser.add_argument(
        '--max-difference-s',
        type=float,
        default=0.01,
        metavar='S',
        help='stamps up to this far apart belong together (default 0.01)',
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; return the exit status.

    Raises:
        InputError: If a file cannot be read, or hardly any stamps agree.
    """
    estimate, truth = read_trajectory(args.trajectory), read_trajectory(args.truth)
    if min(len(estimate), len(truth)) < MIN_POSES:
        raise InputError(
            'trajectory',
            f'it takes {MIN_POSES} poses of each at least, got {len(estimate)} and {len(truth)}; '
            'give longer trajectories',
        )
    errors = trajectory_errors(estimate, truth, max_difference_s=args.max_difference_s)
    if errors.num_poses < MIN_POSES:
        raise InputError(
            'trajectory',
            f'{errors.num_poses} of {len(estimate)} poses have a true pose within '
            f'{args.max_difference_s:g} s; the stamps must be of one clock, or raise '
            '--max-difference-s',
        )
    print('\n'.join(_lines(errors, num_estimated=len(estimate), length_m=truth.length_m)))
    by_evo = evo_errors(estimate, truth, max_difference_s=args.max_difference_s)
    for name, value in by_evo.items():
        print(f'{name:<22}{value:.4f} m')
    if not by_evo:
        say('evo is not installed, so its figures are left out; type: pip install evo')
    if args.json:
        figures = {**asdict(errors), **by_evo}
        write_json(args.json, {name: known_only(value) for name, value in figures.items()})
    return 0


def _lines(errors: TrajectoryErrors, *, num_estimated: int, length_m: float) -> list[str]:
    share = 100.0 * errors.drift_m / length_m if length_m else float('nan')
    return [
        f'{"poses compared":<22}{errors.num_poses} of {num_estimated}',
        f'{"ATE":<22}{errors.ate_m:.4f} m',
        f'{"RPE":<22}{errors.rpe_m:.4f} m, {errors.rpe_deg:.3f} deg',
        f'{"drift at the end":<22}{errors.drift_m:.4f} m, {share:.2f} % of {length_m:.2f} m',
    ]
