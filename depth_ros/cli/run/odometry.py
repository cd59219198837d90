"""``depth-ros run odometry``: a sequence to a trajectory, states and a picture of the path."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from depth_ros.cli.kit.arguments import add_out
from depth_ros.cli.kit.batch import Told, warn
from depth_ros.cli.kit.commands import EXIT_FAILED
from depth_ros.cli.kit.options import add_settings, as_options, given_values, read_settings
from depth_ros.cli.kit.outputs import SUMMARY, Record, expect_own_folder
from depth_ros.cli.kit.progress import open_progress
from depth_ros.cli.kit.tables import counted
from depth_ros.cli.kit.versions import installed_versions
from depth_ros.cli.run.odometry_inputs import (
    FrameSequence,
    add_input_arguments,
    input_settings,
    open_sequence,
)
from depth_ros.errors import InputError
from depth_ros.files.trajectories import Trajectory, trajectory, write_tum
from depth_ros.files.whole_file import write_json
from depth_ros.geometry.rigid import quaternion_from_rotation
from depth_ros.pictures.panels import write_picture
from depth_ros.pictures.trajectories import plot
from depth_ros.tasks.odometry.processor import OdometryProcessor, open_odometry
from depth_ros.tasks.odometry.settings import OdometrySettings
from depth_ros.tasks.odometry.values import OdometryOutput
from depth_ros.tensors import Progress

TRAJECTORY, PICTURE = 'trajectory.txt', 'trajectory.png'
STATES, DIRECTIONS = 'states.csv', 'directions.csv'


@dataclass(slots=True, eq=False)
class Run:
    """Results of the frames.

    Attributes:
        outputs: One for every frame that was processed.
        refused: Frames that could not be used, by reason.
        told: Reports that were printed.
    """

    outputs: list[OdometryOutput] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    told: Told = field(default_factory=Told)

    def refuse(self, reason: str, text: str) -> None:
        """Count and tell a frame that is left out."""
        self.refused[reason] += 1
        self.told.warn(f'left out: {text}')

    def trajectory(self) -> Trajectory:
        """Return every pose of every session, from its origin; a new one is at zero again."""
        stamps, poses = [], []
        origin_ns: int | None = None
        for output in self.outputs:
            if output.pose is None:
                origin_ns = output.stamp_ns if output.is_keyframe else origin_ns
                continue
            if origin_ns is not None:  # the first pose against it confirms the first keyframe
                stamps.append(origin_ns)
                poses.append(np.eye(4))
                origin_ns = None
            stamps.append(output.stamp_ns)
            poses.append(output.pose.world_from_camera)
        return trajectory(stamps, poses)


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros run``."""
    parser = tasks.add_parser(
        'odometry',
        description='Follow the camera through a sequence. FOLDER: images/ and depth/ (RGB-D), '
        'left/ and right/ (stereo, with --calibration) or images alone (rotation and direction '
        f'only). Writes {TRAJECTORY} (TUM format), {PICTURE}, {STATES} and {SUMMARY}.',
    )
    add_input_arguments(parser)
    add_out(parser, Path('odometry_out'))
    add_settings(parser, OdometrySettings, title='odometry', without=('source',))
    parser.set_defaults(run=run_odometry)


def run_odometry(arguments: argparse.Namespace) -> int:
    """Run a sequence; return the exit code: 2 if not one pose or direction came out."""
    expect_own_folder(arguments.out, 'odometry')
    given_values(OdometrySettings, arguments)  # check arguments before files are read
    run = Run()
    sequence = open_sequence(input_settings(arguments), run.refuse)
    decided = {'source': sequence.source.value}
    settings = read_settings(OdometrySettings, arguments, decided)
    for note in sequence.notes:
        warn(note)
    with open_progress() as progress:
        processor = open_odometry(settings, progress=progress)
        is_interrupted = False
        try:
            _run_frames(sequence, processor, run, progress)
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            processor.close()
    record = _summary(run, settings, processor.describe())
    _write(arguments.out, run, record, is_metric=settings.is_metric)
    _tell(record, run, arguments)
    _tell_gaps(run, settings.tracking.max_gap_s)
    if is_interrupted:
        raise KeyboardInterrupt
    return EXIT_FAILED if not record['placed'] else 0


def _run_frames(
    sequence: FrameSequence, processor: OdometryProcessor, run: Run, progress: Progress
) -> None:
    """Track every frame; a bad one is reported and counted, unless all would fail.

    A bag that is damaged gives the frames before the damage.
    """
    try:
        for index, frame in enumerate(sequence.frames()):
            progress('tracking', index / max(1, sequence.count))
            try:
                run.outputs.append(processor.process(frame))
            except InputError as error:
                if not run.outputs and index >= 2:
                    raise
                run.refuse(error.reason, str(error))
    except InputError as error:
        if not run.outputs:
            raise
        run.refuse(error.reason, str(error))


def _summary(run: Run, settings: OdometrySettings, description: str) -> Record:
    outputs = run.outputs
    path = run.trajectory()
    on_path = set(path.stamps_ns.tolist())
    placed = [output for output in outputs if output.direction or output.stamp_ns in on_path]
    states = Counter(output.state.value for output in outputs)
    origins = {output.stamp_ns for output in placed if output.is_keyframe and not output.pose}
    troubled = [output for output in outputs if output.stamp_ns not in origins]
    reasons = Counter(output.reason.value for output in troubled if output.reason.value)
    residuals = [output.counts.residual_px for output in placed]
    finite = [value for value in residuals if np.isfinite(value)]
    return {
        'task': 'odometry',
        'ran': description,
        'source': settings.source.value,
        'model': settings.model,
        'is_metric': settings.is_metric,
        'frames': len(outputs),
        'refused': dict(run.refused),
        'placed': len(placed),
        'states': dict(states),
        'reasons': dict(reasons),
        'keyframes': sum(output.is_keyframe for output in outputs),
        'times_lost': _times_lost(outputs),
        'origins': len({output.session for output in outputs}),
        'length_m': round(path.length_m, 4) if settings.is_metric else None,
        'median_residual_px': round(float(np.median(finite)), 4) if finite else None,
        'versions': installed_versions(),
    }


def _times_lost(outputs: list[OdometryOutput]) -> int:
    last = {output.session: output.num_lost for output in outputs}
    return sum(last.values())


def _write(folder: Path, run: Run, record: Record, *, is_metric: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    _write_states(folder / STATES, run.outputs)
    if is_metric:
        path = run.trajectory()
        write_tum(folder / TRAJECTORY, path)
        write_picture(folder / PICTURE, plot({str(record['model']): path.poses}))
    else:
        _write_directions(folder / DIRECTIONS, run.outputs)
    write_json(folder / SUMMARY, record)


def _clear(folder: Path) -> None:
    """Remove what a former run wrote, which may have been of another kind."""
    if (folder / SUMMARY).is_file():
        for name in (SUMMARY, TRAJECTORY, PICTURE, STATES, DIRECTIONS):
            (folder / name).unlink(missing_ok=True)


def _write_states(path: Path, outputs: list[OdometryOutput]) -> None:
    with path.open('w', encoding='utf-8', newline='') as lines:
        table = csv.writer(lines)
        table.writerow(
            (
                'stamp_ns',
                'state',
                'reason',
                'num_matches',
                'num_inliers',
                'residual_px',
                'is_keyframe',
                'sigma_m',
                'text',
            )
        )
        for output in outputs:
            counts = output.counts
            sigma = output.pose and np.sqrt(np.trace(output.pose.covariance[:3, :3]))
            table.writerow(
                (
                    output.stamp_ns,
                    output.state.value,
                    output.reason.value,
                    counts.num_matches,
                    counts.num_inliers,
                    f'{counts.residual_px:.3f}',
                    int(output.is_keyframe),
                    '' if sigma is None else f'{sigma:.5f}',
                    output.text,
                )
            )


def _write_directions(path: Path, outputs: list[OdometryOutput]) -> None:
    """Write rotation and direction of each frame since its reference frame."""
    with path.open('w', encoding='utf-8', newline='') as lines:
        table = csv.writer(lines)
        table.writerow(
            ('stamp_ns', 'reference_stamp_ns', 'dx', 'dy', 'dz', 'qx', 'qy', 'qz', 'qw')
        )
        for output in outputs:
            if output.direction is None:
                continue
            direction = output.direction
            numbers = [
                *direction.translation,
                *quaternion_from_rotation(direction.reference_from_camera),
            ]
            table.writerow(
                (output.stamp_ns, direction.reference_stamp_ns, *(f'{n:.9g}' for n in numbers))
            )


def _tell(record: Record, run: Run, arguments: argparse.Namespace) -> None:
    run.told.repeats()
    print(record['ran'])
    if record['is_metric']:
        print(
            f'{record["placed"]} of {record["frames"]} frames placed, path {record["length_m"]} '
            f'm, {record["keyframes"]} keyframes, lost {record["times_lost"]} times'
        )
    else:
        print(
            f'{record["placed"]} of {record["frames"]} frames with rotation and direction; one '
            'camera gives no metres and so no trajectory'
        )
    reasons = record['reasons']
    assert isinstance(reasons, dict)
    for reason, count in reasons.items():
        text = next(output.text for output in run.outputs if output.reason.value == reason)
        print(f'  {reason}: {counted(count, "frame")}, first: {as_options(text, arguments)}')
    name = TRAJECTORY if record['is_metric'] else DIRECTIONS
    print(f'files are in {arguments.out}: {name}, {STATES}, {SUMMARY}')


def _tell_gaps(run: Run, max_gap_s: float) -> None:
    """Say where frames are too far apart to be followed."""
    steps_s = np.diff([output.stamp_ns for output in run.outputs]) / 1e9
    late_s = steps_s[steps_s > max_gap_s]
    if late_s.size:
        print(
            f'  {counted(late_s.size, "frame")} came more than {max_gap_s:g} s after the one '
            f'before, up to {late_s.max():.2f} s, and tracking was lost there; if that is meant, '
            'raise --max-gap-s'
        )
