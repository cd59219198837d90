"""Poses by stamp, and the pose between two: images and odometry have stamps of their own."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from depth_ros.errors import InputError
from depth_ros.geometry.posed_view import check_pose
from depth_ros.geometry.rigid import quaternion_from_rotation, rigid, rotation_from_quaternion


class PoseTrack:
    """The last poses in order of their stamps; used by one thread."""

    def __init__(self, *, max_gap_ns: int, size: int = 1000) -> None:
        """Start empty.

        Args:
            max_gap_ns: Largest time between two poses that is interpolated.
            size: Poses that are kept.
        """
        self.max_gap_ns = max_gap_ns
        self._size = size
        self._stamps: list[int] = []
        self._poses: list[np.ndarray] = []

    def __len__(self) -> int:
        """Number of poses kept."""
        return len(self._stamps)

    def add(self, stamp_ns: int, pose: np.ndarray) -> None:
        """Keep a pose ``(4, 4)``; one that is older than the last empties the track first.

        Raises:
            InputError: If it is not finite or not rigid.
        """
        check_pose(pose, what='a pose')
        if self._stamps and stamp_ns <= self._stamps[-1]:
            if stamp_ns == self._stamps[-1]:
                self._poses[-1] = pose
                return
            self._stamps.clear()
            self._poses.clear()
        self._stamps.append(stamp_ns)
        self._poses.append(pose)
        del self._stamps[: -self._size], self._poses[: -self._size]

    def at(self, stamp_ns: int) -> np.ndarray | None:
        """Return the pose at a stamp; None if poses may still come for it.

        Raises:
            InputError: Reason ``'no_pose'``: all poses are later, or too far apart around it.
        """
        index = bisect_left(self._stamps, stamp_ns)
        if index == len(self._stamps):
            return None
        if self._stamps[index] == stamp_ns:
            return self._poses[index]
        if index == 0:
            late_s = (self._stamps[0] - stamp_ns) / 1e9
            raise InputError(
                'no_pose',
                f'the first pose is {late_s:.3f} s later than the image; start the odometry '
                'before the camera, or check its stamps',
            )
        before, after = self._stamps[index - 1], self._stamps[index]
        if after - before > self.max_gap_ns:
            raise InputError(
                'no_pose',
                f'the poses around the image are {(after - before) / 1e9:.3f} s apart, more than '
                f'{self.max_gap_ns / 1e9:.3f} s; publish poses faster, or raise max_pose_gap_s',
            )
        share = (stamp_ns - before) / (after - before)
        return between(self._poses[index - 1], self._poses[index], share)

    def expected_at(self, stamp_ns: int) -> np.ndarray | None:
        """Return the pose at a stamp as far as it can be told now; None if it cannot.

        After the last pose it goes on as from the last but one to the last, for ``max_gap_ns`` at
        most: a pose that is measured by the image itself comes after the image.
        """
        last = len(self) - 1
        is_after = last >= 0 and stamp_ns > self._stamps[last]
        if is_after and stamp_ns - self._stamps[last] > self.max_gap_ns:
            return None
        if is_after and last > 0:
            first, second = self._stamps[last - 1], self._stamps[last]
            if second - first <= self.max_gap_ns:
                share = (stamp_ns - first) / (second - first)
                return between(self._poses[last - 1], self._poses[last], share)
        if is_after:
            return self._poses[last]
        try:
            return self.at(stamp_ns)
        except InputError:
            return None


def between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Interpolate two ``(4, 4)`` poses: positions along the line, rotations along the arc.

    The arc is Shoemake's slerp (1985). ``share`` 0 gives the first, 1 the second, more goes on.
    """
    a, b = (quaternion_from_rotation(pose[:3, :3]) for pose in (first, second))
    cosine = float(a @ b)
    if cosine < 0.0:
        b, cosine = -b, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        mixed = (1.0 - share) * a + share * b
    else:
        mixed = np.sin((1.0 - share) * angle) * a + np.sin(share * angle) * b
    position = (1.0 - share) * first[:3, 3] + share * second[:3, 3]
    return rigid(rotation_from_quaternion(mixed), position)
