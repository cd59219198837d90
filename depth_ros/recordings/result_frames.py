"""The frames of a result, read back from its bag: what a task wrote of one moment, decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from depth_ros.errors import InputError
from depth_ros.messages.headers import stamp_of
from depth_ros.messages.matches import points_of
from depth_ros.messages.poses import motion_of
from depth_ros.recordings.depth_encodings import decompressed_depth
from depth_ros.recordings.job import TASK_KINDS
from depth_ros.recordings.mcap_file import McapFile
from depth_ros.recordings.part import CHANNELS_OF_A_TASK, FIRST_CHANNEL
from depth_ros.recordings.wire import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    DISPARITY,
    IMAGE,
    MATCHES,
    ODOMETRY,
    POINT_CLOUD,
    POSE,
    parsed,
)

Record = Mapping[str, object]
FrameValue = np.ndarray | Record
"""A map, an image or points as they are; what else there is as a record that JSON can write."""

PIXELS: dict[str, tuple[str, int]] = {
    '32FC1': ('<f4', 1),
    '16UC1': ('<u2', 1),
    'rgb8': ('u1', 3),
}
"""Type and channels of the encodings that jobs write."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ResultFrame:
    """What a task wrote of one input.

    Attributes:
        task: Its name.
        stamp_ns: Stamp of the input.
        log_ns: Its time of recording.
        frame_id: Frame of the input.
        values: Decoded messages by topic, without the slash in front.
        units_m: Metres of one whole unit by topic of depth; 1 where it is in metres.
    """

    task: str
    stamp_ns: int
    log_ns: int
    frame_id: str
    values: dict[str, FrameValue]
    units_m: dict[str, float] = field(default_factory=dict)

    def named(self, ending: str) -> FrameValue | None:
        """Return the value whose topic ends so, e.g. ``depth/image``; None where there is none."""
        found = (value for topic, value in self.values.items() if topic.endswith(ending))
        return next(found, None)


def result_frames(bag: str) -> Iterator[ResultFrame]:
    """Return the frames of a result's bag in its order; copied topics are left out.

    Raises:
        InputError: If the bag is damaged.
    """
    with McapFile(bag) as file:
        tasks = {number: _task_of(number) for number in file.channels}
        ours = {file.channels[number].topic for number, task in tasks.items() if task}
        open_frame: ResultFrame | None = None
        for place in file.chunks:
            if not ours & place.counts.keys():
                continue
            for message in file.messages(place):
                task = tasks[message.channel_id]
                channel = file.channels[message.channel_id]
                kind = file.schemas[channel.schema_id].name
                if not task or kind not in DECODERS:
                    continue
                topic = channel.topic.strip('/')
                if open_frame is None or not _goes_on(open_frame, task, message.log_time, topic):
                    if open_frame is not None:
                        yield open_frame
                    open_frame = _begun(task, message.log_time, parsed(message.data, kind))
                open_frame.values[topic] = DECODERS[kind](parsed(message.data, kind))
                if 'depth_unit_m' in channel.metadata:
                    open_frame.units_m[topic] = float(channel.metadata['depth_unit_m'])
        if open_frame is not None:
            yield open_frame


def frame_counts(bag: str) -> dict[str, int]:
    """Return how many messages each of the job's own topics has, from the bag's index."""
    with McapFile(bag) as file:
        ours = {file.channels[number].topic for number in file.channels if _task_of(number)}
        counts = dict.fromkeys(sorted(ours), 0)
        for place in file.chunks:
            for topic in ours & place.counts.keys():
                counts[topic] += place.counts[topic]
    return {topic.strip('/'): count for topic, count in counts.items()}


def _task_of(channel: int) -> str:
    """Return the task that a channel's number belongs to; empty for copied topics."""
    place = (channel - FIRST_CHANNEL) // CHANNELS_OF_A_TASK
    return next((name for name, kind in TASK_KINDS.items() if kind.place == place), '')


def _goes_on(frame: ResultFrame, task: str, log_ns: int, topic: str) -> bool:
    return (frame.task, frame.log_ns) == (task, log_ns) and topic not in frame.values


def _begun(task: str, log_ns: int, message: Any) -> ResultFrame:
    return ResultFrame(
        task=task,
        stamp_ns=stamp_of(message),
        log_ns=log_ns,
        frame_id=str(message.header.frame_id),
        values={},
    )


def _image(message: Any) -> np.ndarray:
    if message.encoding not in PIXELS:
        raise InputError('encoding', f'a result has an image of {message.encoding!r}')
    dtype, channels = PIXELS[message.encoding]
    pixels = np.frombuffer(message.data, dtype)
    shape = (message.height, message.width, *([channels] if channels > 1 else []))
    return pixels.reshape(shape)


def _camera(message: Any) -> Record:
    return {
        'height': int(message.height),
        'width': int(message.width),
        'distortion_model': str(message.distortion_model),
        **{name: np.asarray(getattr(message, name)).tolist() for name in 'dkrp'},
    }


def _cloud(message: Any) -> np.ndarray:
    """Return ``(N, point_step)`` bytes of points, as the message has them."""
    return np.frombuffer(message.data, np.uint8).reshape(-1, message.point_step)


def _odometry(message: Any) -> Record:
    return _pose_record(message.header.frame_id, message.child_frame_id, message.pose.pose)


def _pose(message: Any) -> Record:
    return _pose_record(message.header.frame_id, '', message.pose)


def _pose_record(frame_id: str, child_frame_id: str, pose: Any) -> Record:
    return {
        'frame_id': str(frame_id),
        'child_frame_id': str(child_frame_id),
        'matrix': motion_of(pose.position, pose.orientation).tolist(),
    }


def _matches(message: Any) -> np.ndarray:
    """Return ``(N, 6)`` float32: x and y in both images, confidence, 1 for an inlier."""
    columns = (
        points_of(message.first_points),
        points_of(message.second_points),
        np.asarray(message.confidences, np.float32)[:, np.newaxis],
        np.asarray(message.inliers, np.float32)[:, np.newaxis],
    )
    return np.hstack(columns)


DECODERS: dict[str, Callable[[Any], FrameValue]] = {
    IMAGE: _image,
    COMPRESSED_IMAGE: lambda message: decompressed_depth(bytes(message.data)),
    DISPARITY: lambda message: _image(message.image),
    CAMERA_INFO: _camera,
    POINT_CLOUD: _cloud,
    ODOMETRY: _odometry,
    POSE: _pose,
    MATCHES: _matches,
}
"""What each type of message becomes; transforms are the poses once more."""
