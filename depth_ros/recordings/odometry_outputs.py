"""What a job writes of odometry, and its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from depth_ros.messages.headers import fill_header
from depth_ros.messages.poses import (
    fill_direction,
    fill_motion,
    fill_odometry,
    fill_turn,
)
from depth_ros.messages.topic_names import check_namespace
from depth_ros.recordings.outcome import OutputChannel, wanted_channels
from depth_ros.recordings.outputs import expect_outputs
from depth_ros.recordings.wire import (
    DIRECTION,
    ODOMETRY,
    ROTATION,
    TRANSFORMS,
    blank,
    blank_transform,
)
from depth_ros.settings import Settings, described
from depth_ros.tasks.odometry.body import BodyPose
from depth_ros.tasks.odometry.values import Direction

POSES, TF, DIRECTIONS, ROTATIONS = range(4)
"""Places of the channels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlacedFrame:
    """Where a frame is.

    Attributes:
        body: Pose in metres, or None.
        direction: Direction and rotation of one camera alone, or None.
    """

    body: BodyPose | None
    direction: Direction | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometryOutputs(Settings):
    """What is written."""

    namespace: str = described('odometry', 'First part of the name of the topic of poses.')
    poses: bool = described(True, 'Pose and velocity with covariances: odometry.')
    tf: bool = described(True, 'The same as transform from odom_frame to the camera, on /tf.')
    direction: bool = described(
        True, 'Of source mono, which has no metres: direction of travel and rotation.'
    )
    odom_frame: str = described('odom', 'Frame of the poses, REP 105.')

    def check_together(self) -> None:
        """Refuse a namespace that is none, and a task that writes nothing."""
        check_namespace(self.namespace)
        expect_outputs(self, ('poses', 'tf', 'direction'))


def odometry_channels(outputs: OdometryOutputs, *, is_metric: bool) -> Mapping[int, OutputChannel]:
    """Return the channels that are asked for; without metres those of the direction."""
    metric = {
        POSES: (outputs.poses, 'odometry', ODOMETRY),
        TF: (outputs.tf, '/tf', TRANSFORMS),
    }
    alone = {
        DIRECTIONS: (outputs.direction, 'direction', DIRECTION),
        ROTATIONS: (outputs.direction, 'rotation', ROTATION),
    }
    return wanted_channels(outputs.namespace, metric if is_metric else alone)


def odometry_messages(
    placed: PlacedFrame, outputs: OdometryOutputs, *, stamp_ns: int, frame_id: str
) -> dict[int, Any]:
    """Return the messages of a frame, by the place of their channel."""
    found: dict[int, Any] = {}
    if placed.body is not None:
        if outputs.poses:
            found[POSES] = _poses(placed.body, outputs.odom_frame, stamp_ns, frame_id)
        if outputs.tf:
            found[TF] = _transforms(placed.body, outputs.odom_frame, stamp_ns, frame_id)
    elif placed.direction is not None and outputs.direction:
        found[DIRECTIONS] = blank(DIRECTION)
        fill_direction(found[DIRECTIONS], placed.direction, stamp_ns=stamp_ns, frame_id=frame_id)
        found[ROTATIONS] = blank(ROTATION)
        fill_turn(found[ROTATIONS], placed.direction, stamp_ns=stamp_ns, frame_id=frame_id)
    return found


def _poses(body: BodyPose, odom_frame: str, stamp_ns: int, frame_id: str) -> Any:
    message = blank(ODOMETRY)
    fill_odometry(message, body, stamp_ns=stamp_ns, odom_frame=odom_frame, child_frame=frame_id)
    return message


def _transforms(body: BodyPose, odom_frame: str, stamp_ns: int, frame_id: str) -> Any:
    transform = blank_transform()
    transform.child_frame_id = frame_id
    fill_header(transform.header, stamp_ns=stamp_ns, frame_id=odom_frame)
    motion = transform.transform
    fill_motion(motion.translation, motion.rotation, body.odom_from_base)
    message = blank(TRANSFORMS)
    message.transforms = [transform]
    return message
