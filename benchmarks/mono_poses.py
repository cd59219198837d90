"""What mono depth notices of wrong poses: drives with exact poses, made wrong in known ways.

For each fault, over the images of a drive: the share of followed points that the poses explain,
and the share of images that are refused (``tasks/mono/pose_watch.py``), the second after a
disagreement included.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.mono_refine import DRIVES, Moment, hololens
from depth_ros.errors import InputError
from depth_ros.evaluation.tables import markdown_table
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector, rotation_vector
from depth_ros.tasks.mono.moving_camera import NUM_WATCHED
from depth_ros.tasks.mono.pose_watch import MAX_SHARE_OF_WIDTH, PoseWatch
from depth_ros.tasks.mono.sights import num_sights, unexplained_px
from depth_ros.tasks.mono.tracked_points import TrackedPoints

RATE_HZ = 10.0
HEADER = ('drive', 'poses', 'explained, least %', 'median %', 'refused %')

Poses = Sequence[np.ndarray]
Fault = Callable[[Poses], Iterator[np.ndarray]]


def main() -> None:
    """Run every fault over every drive and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--drive', action='append', choices=(*DRIVES, 'hololens'))
    parser.add_argument('--data', type=Path, help='folder with hololens_mvs')
    args = parser.parse_args()
    rows = []
    for name in args.drive or [*DRIVES, *(['hololens'] if args.data else [])]:
        found = hololens(args.data / 'hololens_mvs') if name == 'hololens' else DRIVES[name]()
        moments = list(found)
        exact = [moment.view.world_from_camera for moment in moments]
        for fault, make in FAULTS.items():
            explained, refused = watched(moments, list(make(exact)))
            cells = (np.nanmin(explained), np.nanmedian(explained), np.mean(refused))
            rows.append([name, fault, *(f'{100.0 * cell:.0f}' for cell in cells)])
    print(markdown_table(HEADER, rows))


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
    'one image late': late(1),
    'mount turned by 3 deg': mounted(3.0),
    'mount turned by 10 deg': mounted(10.0),
    'heading drifts 1 deg/s': drifting(1.0),
    'a jump of 10 cm': jumping(0.1),
    'ways 20 % too long and too short in turn': slipping(0.2),
    'ways 50 % too long and too short in turn': slipping(0.5),
    'turns 3 % too far': turning_too_far(0.03),
    'turns 20 % too far': turning_too_far(0.2),
}


if __name__ == '__main__':
    main()
