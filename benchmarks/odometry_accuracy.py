"""Accuracy of odometry: rendered sequences with exact truth and real ones, per model.

Run from the repository root: ``python benchmarks/odometry_accuracy.py``. The real sequences need
the shared data (``DEPTH_ROS_SHARED``). Prints a Markdown table and writes raw JSON. Where the
program ``evo_ape`` is installed (``pip install evo``) its figures stand beside ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from timing import markdown_table, show_progress, write_report

from depth_ros.cli.run.odometry_inputs import OdometryInputSettings, open_sequence
from depth_ros.engines.choice import EngineChoice
from depth_ros.errors import DepthRosError
from depth_ros.evaluation.trajectories import evo_errors, trajectory_errors
from depth_ros.files.trajectories import Trajectory, trajectory
from depth_ros.frames import CameraFrame, MonoFrame, RgbdFrame, StereoFrame
from depth_ros.geometry.rigid import rigid, rotation_from_quaternion
from depth_ros.scenes.paths import PATHS, ScenePath, scene_path
from depth_ros.tasks.odometry.processor import open_odometry
from depth_ros.tasks.odometry.settings import OdometrySettings, Source, TrackingSettings
from depth_ros.tasks.odometry.values import OdometryOutput, OdometryState

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.kit.shared_data import shared_root

REAL = ('hololens_mvs', 'iclnuim_rgbd')
STUDENT = 'loftr_coarse'
HEADER = (
    'sequence',
    'depth',
    'model',
    'ATE mm',
    'RPE mm',
    'RPE deg',
    'drift %',
    'no pose %',
    'lost %',
    'recovery s',
    'evo ATE mm',
    'evo RPE mm',
)
COARSE_PX = 6.0
"""Matches of the coarse student lie on a grid of 8 pixels."""

EVERYTHING_GOES = TrackingSettings(max_speed_m_s=100.0, max_turn_rad_s=100.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Course:
    """A sequence with its truth.

    Attributes:
        name: Name in the table.
        source: Where depth comes from.
        frames: Gives the frames in order.
        truth: A pose for each frame.
        tracking: Thresholds; those of hand-picked frames far apart let every speed pass.
    """

    name: str
    source: Source
    frames: Callable[[], Iterator[CameraFrame]]
    truth: Trajectory
    tracking: TrackingSettings = TrackingSettings()


def rendered(name: str, source: Source, options: argparse.Namespace) -> Course:
    """Render a path; exact depth for RGB-D, pairs for the stereo matcher."""
    path = scene_path(name, num_frames=options.num_frames)
    noise = np.random.default_rng(0)

    def frames() -> Iterator[CameraFrame]:
        for index in range(len(path)):
            yield rendered_frame(path, index, source, noise=noise, sigma=options.noise)

    stamps = [path.stamp_ns(index) for index in range(len(path))]
    return Course(
        name=name, source=source, frames=frames, truth=trajectory(stamps, path.world_from_camera)
    )


def rendered_frame(
    path: ScenePath, index: int, source: Source, *, noise: np.random.Generator, sigma: float
) -> CameraFrame:
    """Render one frame, with camera noise of ``sigma`` grey levels."""

    def seen(image: np.ndarray, *, is_right: bool = False) -> MonoFrame:
        noisy = image + noise.normal(0.0, sigma, image.shape) if sigma else image
        return MonoFrame(
            image=np.clip(np.rint(noisy), 0, 255).astype(np.uint8),
            camera=path.camera.right if is_right else path.camera.left,
            stamp_ns=path.stamp_ns(index),
            is_rectified=True,
        )

    if source is Source.STEREO:
        pair = path.stereo(index)
        return StereoFrame(left=seen(pair.left), right=seen(pair.right, is_right=True))
    view = path.view(index)
    return RgbdFrame(image=seen(view.image), depth=path.depth(index, view))


def recorded(name: str) -> Course:
    """Read a real sequence of the shared data."""
    folder = shared_root() / 'data' / name
    is_iclnuim = name == 'iclnuim_rgbd'
    settings = OdometryInputSettings(
        path=folder,
        source=Source.RGBD,
        calibration=(),
        intrinsics=(481.2, 480.0, 319.5, 239.5) if is_iclnuim else None,
        is_rectified=None,
        is_scaled=False,
        depth_unit_m=1.0 / 5000.0 if is_iclnuim else 0.001,
        rate_hz=10.0,
    )
    sequence = open_sequence(settings, lambda reason, text: None)
    poses = iclnuim_poses(folder) if is_iclnuim else hololens_poses(folder)
    stamps = [frame.stamp_ns for frame in sequence.frames()]
    return Course(
        name=name,
        source=Source.RGBD,
        frames=sequence.frames,
        truth=trajectory(stamps, poses),
        tracking=EVERYTHING_GOES,
    )


def hololens_poses(folder: Path) -> list[np.ndarray]:
    rows = np.loadtxt(folder / 'poses.txt').reshape(-1, 4, 4)
    table = (folder / 'frame_rows.csv').read_text(encoding='utf-8').split()[1:]
    return [rows[int(line.split(',')[1])] for line in table]


def iclnuim_poses(folder: Path) -> list[np.ndarray]:
    """Mirror the y axis, which points up in these files: images are read with fy above 0."""
    mirror = np.diag([1.0, -1.0, 1.0, 1.0])
    rows = np.loadtxt(folder / 'pose.txt')
    return [mirror @ rigid(rotation_from_quaternion(row[3:]), row[:3]) @ mirror for row in rows]


def courses(options: argparse.Namespace) -> Iterator[Course]:
    for name in options.sequences:
        if name in PATHS:
            yield rendered(name, Source.RGBD, options)
            if options.stereo:
                yield rendered(name, Source.STEREO, options)
        elif (shared_root() / 'data' / name).is_dir():
            yield recorded(name)
        else:
            print(f'{name} is left out: no such shared data (DEPTH_ROS_SHARED)')


def settings_of(model: str, course: Course, options: argparse.Namespace) -> OdometrySettings:
    weights = options.weights if model in ('loftr', STUDENT) else ''
    tracking = course.tracking
    if model == STUDENT:
        tracking = replace(tracking, ransac_px=COARSE_PX, max_residual_px=COARSE_PX)
    return OdometrySettings(
        model=model,
        engine=EngineChoice(weights=weights, num_threads=1),
        source=course.source,
        tracking=tracking,
    )


def run(course: Course, settings: OdometrySettings) -> list[OdometryOutput]:
    processor = open_odometry(settings)
    outputs = []
    try:
        for index, frame in enumerate(course.frames(), start=1):
            outputs.append(processor.process(frame))
            show_progress(index / len(course.truth))
    finally:
        processor.close()
    return outputs


def longest_recovery_s(outputs: Sequence[OdometryOutput]) -> float:
    """Give the longest time between two poses that were not neighbours; NaN if none came back."""
    recovery, last_ns, is_gap = 0.0, 0, False
    for output in outputs:
        if output.pose is None:
            is_gap = last_ns > 0
        else:
            if is_gap:
                recovery = max(recovery, (output.stamp_ns - last_ns) / 1e9)
            last_ns, is_gap = output.stamp_ns, False
    return float('nan') if is_gap else recovery


def judged(course: Course, model: str, outputs: Sequence[OdometryOutput]) -> dict[str, object]:
    placed = [output for output in outputs if output.pose is not None]
    estimate = trajectory(
        [output.stamp_ns for output in placed],
        [output.pose.world_from_camera for output in placed if output.pose],
    )
    errors = trajectory_errors(estimate, course.truth)
    num_lost = sum(output.state is OdometryState.LOST for output in outputs)
    return {
        'sequence': course.name,
        'depth': 'exact or measured' if course.source is Source.RGBD else 'sgbm',
        'model': model,
        'frames': len(outputs),
        'length_m': course.truth.length_m,
        **asdict(errors),
        # The first frame never has a pose.
        'no_pose': 1.0 - len(placed) / max(1, len(outputs) - 1),
        'lost': num_lost / len(outputs),
        'recovery_s': longest_recovery_s(outputs),
        'keyframes': sum(output.is_keyframe for output in outputs),
        **evo_errors(estimate, course.truth),
    }


def row_of(record: dict[str, object]) -> list[str]:
    def number(name: str, factor: float = 1.0, digits: int = 1) -> str:
        value = record.get(name)
        return '-' if not isinstance(value, float) else f'{factor * value:.{digits}f}'

    drift = float(record['drift_m']) / float(record['length_m'])  # type: ignore[arg-type]
    return [
        str(record['sequence']),
        str(record['depth']),
        str(record['model']),
        number('ate_m', 1e3),
        number('rpe_m', 1e3),
        number('rpe_deg', digits=3),
        f'{100 * drift:.2f}',
        number('no_pose', 100),
        number('lost', 100),
        number('recovery_s'),
        number('evo_ate_m', 1e3),
        number('evo_rpe_m', 1e3),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--models', nargs='+', default=['sift', 'orb'])
    parser.add_argument('--sequences', nargs='+', default=[*PATHS, *REAL])
    parser.add_argument('--num-frames', type=int, default=0, help='of rendered ones, 0: their own')
    parser.add_argument('--noise', type=float, default=2.0, help='camera noise, grey levels')
    parser.add_argument('--stereo', action='store_true', help='also with depth by sgbm')
    parser.add_argument(
        '--weights',
        default='',
        help=f'of loftr or {STUDENT}',
    )
    options = parser.parse_args()
    records = []
    for course in courses(options):
        for model in options.models:
            try:
                outputs = run(course, settings_of(model, course, options))
            except DepthRosError as error:
                print(f'{course.name} by {model} is left out: {error}')
                continue
            records.append(judged(course, model, outputs))
    print(markdown_table(HEADER, [row_of(record) for record in records]))
    print('\nno pose: share of frames without one; recovery: longest time between two poses.')
    write_report('odometry_accuracy', {'opencv': cv2.__version__, 'results': records})


if __name__ == '__main__':
    main()
