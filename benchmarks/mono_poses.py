"""What mono depth notices of wrong poses: drives with exact poses, made wrong in known ways.

For each fault, over the images of a drive: the share of followed points that the poses explain,
and the share of images that are refused for it (``tasks/mono/pose_watch.py``), the second after a
disagreement included. With ``--depth`` keyframes are computed, too: how far their maps agree, the
share of images refused for either, and how wrong the depth is that is shown all the same.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.mono_refine import DRIVES, Moment, hololens
from depth_ros.errors import InputError
from depth_ros.evaluation.tables import markdown_table
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector, rotation_vector
from depth_ros.scenes.paths import look
from depth_ros.tasks.mono.moving_camera import NUM_WATCHED
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.pose_watch import MAX_SHARE_OF_WIDTH, PoseWatch
from depth_ros.tasks.mono.sights import num_sights, unexplained_px
from depth_ros.tasks.mono.tracked_points import TrackedPoints

RATE_HZ = 10.0
HEADER = ('drive', 'poses', 'explained, least %', 'median %', 'refused %')
DEPTH_HEADER = (
    *('drive', 'poses', 'maps agree, least %', 'median %', 'refused %'),
    *('AbsRel', 'bad-10 %', 'known %'),
)
BAD = 0.10
FAR_M = {'hololens': 6.0}

Poses = Sequence[np.ndarray]
Fault = Callable[[Poses], Iterator[np.ndarray]]


def main() -> None:
    """Run every fault over every drive and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--drive', action='append', choices=(*DRIVES, 'hololens'))
    parser.add_argument('--data', type=Path, help='folder with hololens_mvs')
    parser.add_argument('--fault', action='append', choices=FAULTS)
    parser.add_argument('--depth', action='store_true', help='compute keyframes, too')
    parser.add_argument('--every', type=int, default=1, help='take every n-th image of a drive')
    args = parser.parse_args()
    rows = []
    for name in args.drive or [*DRIVES, *(['hololens'] if args.data else [])]:
        found = hololens(args.data / 'hololens_mvs') if name == 'hololens' else DRIVES[name]()
        moments = list(found)[:: args.every]
        exact = [moment.view.world_from_camera for moment in moments]
        judge = partial(shown_cells, far_m=FAR_M.get(name, 10.0)) if args.depth else watched_cells
        for fault in args.fault or FAULTS:
            rows.append([name, fault, *judge(moments, list(FAULTS[fault](exact)))])
            print(rows[-1], flush=True)
    print(markdown_table(DEPTH_HEADER if args.depth else HEADER, rows))


def watched_cells(moments: Sequence[Moment], poses: Poses) -> list[str]:
    """Return how many points are explained, and the share of images refused for that."""
    explained, refused = watched(moments, poses)
    cells = (np.nanmin(explained), np.nanmedian(explained), np.mean(refused))
    return [f'{100.0 * cell:.0f}' for cell in cells]


def shown_cells(moments: Sequence[Moment], poses: Poses, *, far_m: float) -> list[str]:
    """Return how far maps agree, the share of images refused, and the error of what is shown."""
    agreed, errors, known, refused = [], [], [], 0
    opened = open_mono(refine='multiview', keyframes_max_depth_m=far_m, num_threads=1)
    with opened as mono:
        keyframes = mono.keyframes
        assert keyframes is not None
        for moment, pose in zip(moments, poses, strict=True):
            output = mono.process(moment.view.frame, world_from_camera=pose)
            agreed += [kept.agreed for kept in keyframes.young(moment.view.stamp_ns)[:1]]
            refused += output.refusal is not None and output.refusal[0] == 'pose_mismatch'
            if output.depth is None:
                continue
            both = np.isfinite(output.depth.depth) & np.isfinite(moment.truth)
            truth = moment.truth[both]
            errors.append(np.abs(output.depth.depth[both] - truth) / truth)
            known.append(both.mean())
    error = np.concatenate(errors) if errors else np.array([np.nan])
    least, median = (f(agreed) if agreed else np.nan for f in (np.nanmin, np.nanmedian))
    shares = (least, median, refused / len(moments))
    is_bad = float(np.mean(error > BAD)) if errors else np.nan
    rest = (is_bad, float(np.mean(known)) if known else 0.0)
    return [
        *(f'{100.0 * share:.0f}' for share in shares),
        f'{float(np.mean(error)):.3f}',
        *(f'{100.0 * share:.0f}' for share in rest),
    ]


def watched(moments: Sequence[Moment], poses: Poses) -> tuple[list[float], list[bool]]:
    """Return the share of points explained in each image, NaN without any, and what is refused."""
    tracked, watch = TrackedPoints(NUM_WATCHED), PoseWatch()
    explained, refused = [], []
    for moment, pose in zip(moments, poses, strict=True):
        frame = moment.view.frame
        tracked.see(frame, pose)
        sights = tracked.sights
        is_followed = num_sights(sights) > 1
        apart = unexplained_px(sights, frame.camera)[is_followed]
        explained.append(float(np.mean(apart <= MAX_SHARE_OF_WIDTH * frame.camera.width)))
        if watch.disagrees(sights, frame.camera, frame.stamp_ns):
            tracked = TrackedPoints(NUM_WATCHED)
            tracked.see(frame, pose)
        try:
            watch.expect_agreement(frame.stamp_ns)
            refused.append(False)
        except InputError:
            refused.append(True)
    return explained, refused


def of_another_drive(poses: Poses) -> Iterator[np.ndarray]:
    """The poses are those of a camera that drives ahead and turns left."""
    return (look((0.0, 0.0, 0.06 * index), yaw_rad=-0.02 * index) for index in range(len(poses)))


def shuffled(poses: Poses) -> Iterator[np.ndarray]:
    """Stamps are mixed up."""
    return (poses[index] for index in np.random.default_rng(0).permutation(len(poses)))


def scaled(factor: float) -> Fault:
    """Every way is wrong by the same factor."""
    return lambda poses: (rigid(pose[:3, :3], factor * pose[:3, 3]) for pose in poses)


def late(images: int) -> Fault:
    """Each image has the pose of one before."""
    return lambda poses: (poses[max(0, index - images)] for index in range(len(poses)))


def mounted(yaw_deg: float) -> Fault:
    """The camera's mount is turned."""
    turn = rigid(rotation_from_vector(np.array((0.0, math.radians(yaw_deg), 0.0))), np.zeros(3))
    return lambda poses: (pose @ turn for pose in poses)


def drifting(deg_s: float) -> Fault:
    """The heading drifts."""

    def make(poses: Poses) -> Iterator[np.ndarray]:
        for index, pose in enumerate(poses):
            angle = math.radians(deg_s) * index / RATE_HZ
            yield rigid(rotation_from_vector(np.array((0.0, angle, 0.0))), np.zeros(3)) @ pose

    return make


def jumping(way_m: float) -> Fault:
    """The position jumps once, in the middle."""
    shift = rigid(np.eye(3), np.array((way_m, 0.0, 0.0)))
    return lambda poses: (
        pose if 2 * index < len(poses) else shift @ pose for index, pose in enumerate(poses)
    )


def stepped(
    change: Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> Fault:
    """Each motion, a rotation vector and a way, is changed, and all are joined again."""

    def make(poses: Poses) -> Iterator[np.ndarray]:
        pose = poses[0]
        yield pose
        for index in range(1, len(poses)):
            motion = inverse(poses[index - 1]) @ poses[index]
            turn, way = change(index, rotation_vector(motion[:3, :3]), motion[:3, 3])
            pose = pose @ rigid(rotation_from_vector(turn), way)
            yield pose

    return make


def slipping(amount: float) -> Fault:
    """Ways are too long and too short in turn, for half a second each."""
    half_s = RATE_HZ / 2.0
    return stepped(
        lambda index, turn, way: (turn, way * (1.0 + amount * (-1.0) ** (index // half_s)))
    )


def turning_too_far(share: float) -> Fault:
    """The gyroscope's scale is wrong."""
    return stepped(lambda index, turn, way: ((1.0 + share) * turn, way))


FAULTS: dict[str, Fault] = {
    'exact': lambda poses: iter(poses),
    'ways twice as long': scaled(2.0),
    'ways half as long': scaled(0.5),
    'backwards': scaled(-1.0),
    'standing': lambda poses: (poses[0] for _ in poses),
    'of another drive': of_another_drive,
    'shuffled': shuffled,
    'one image late': late(1),
    'mount turned by 3 deg': mounted(3.0),
    'mount turned by 10 deg': mounted(10.0),
    'mount turned by 20 deg': mounted(20.0),
    'heading drifts 1 deg/s': drifting(1.0),
    'a jump of 10 cm': jumping(0.1),
    'ways 20 % too long and too short in turn': slipping(0.2),
    'ways 50 % too long and too short in turn': slipping(0.5),
    'turns 3 % too far': turning_too_far(0.03),
    'turns 20 % too far': turning_too_far(0.2),
}


if __name__ == '__main__':
    main()
