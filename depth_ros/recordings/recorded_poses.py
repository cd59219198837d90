"""Poses of a camera in a stretch of a recording."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from depth_ros.errors import InputError
from depth_ros.geometry.mounting import base_from_camera
from depth_ros.messages.poses import motion_of
from depth_ros.recordings.pairing import StampedMessage, is_near
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import PosedTopicNames
from depth_ros.recordings.wire import ODOMETRY, POSE, parsed
from depth_ros.streams.pose_track import PoseTrack

POSE_KINDS = (ODOMETRY, POSE)


class RecordedPoses:
    """Poses by stamp, interpolated between two; each is decided by those recorded near it."""

    def __init__(self, stretch: Stretch, given: PosedTopicNames, *, task: str) -> None:
        """Take the poses of a stretch.

        Args:
            stretch: Where they are, with ``given.poses`` among its topics of poses.
            given: Topics of the task.
            task: Its name, for what to set.
        """
        self._task = task
        self._stretch = stretch
        self._given = given
        self._mount = base_from_camera(given.base_from_camera)
        self._kind = stretch.recording.kind_of(given.poses)
        self._poses: Sequence[StampedMessage] = sorted(
            stretch.images[given.poses], key=lambda pose: (pose.stamp_ns, pose.position)
        )
        self._stamps = [pose.stamp_ns for pose in self._poses]

    def at(self, image: StampedMessage) -> tuple[np.ndarray, str]:
        """Return ``(4, 4)`` world from camera at an image, and the frame of the world.

        Raises:
            InputError: Reason ``'no_pose'``, ``'no_extrinsic'`` or that of a pose that cannot be
                used.
        """
        track = PoseTrack(max_gap_ns=round(1e9 * self._given.max_pose_gap_s))
        world_frame = ''
        for pose in self._around(image):
            message = parsed(self._stretch.data_of(pose), self._kind)
            world_frame = message.header.frame_id
            place = message.pose.pose if self._kind == ODOMETRY else message.pose
            self._expect_mount(message, image.frame_id)
            track.add(pose.stamp_ns, motion_of(place.position, place.orientation))
        found = track.at(image.stamp_ns)
        if found is None:
            raise InputError(
                'no_pose',
                f'no pose at or after the image was recorded near it on {self._given.poses}; '
                'raise segments.overlap_s if poses come late',
            )
        return (found if self._mount is None else found @ self._mount), world_frame

    def _around(self, image: StampedMessage) -> list[StampedMessage]:
        """Return the last pose before an image and the first at or after it, recorded near it."""
        overlap_ns = self._stretch.overlap_ns

        def nearest(poses: Sequence[StampedMessage]) -> StampedMessage | None:
            return next((pose for pose in poses if is_near(pose, image, overlap_ns)), None)

        place = bisect_left(self._stamps, image.stamp_ns)
        before, after = nearest(self._poses[:place][::-1]), nearest(self._poses[place:])
        return [pose for pose in (before, after) if pose is not None]

    def _expect_mount(self, message: Any, camera_frame: str) -> None:
        base = message.child_frame_id if self._kind == ODOMETRY else ''
        if self._mount is None and base not in ('', camera_frame):
            raise InputError(
                'no_extrinsic',
                f'the poses are of {base!r} and the images of {camera_frame!r}; say how the '
                f'camera sits: set base_from_camera in tasks.{self._task}.input to x y z qx qy '
                'qz qw',
            )
