"""What a job writes of every frame: each topic as one line of a table."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from depth_ros.camera import PinholeCamera, rectified_camera
from depth_ros.geometry.depth import organised_cloud
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.clouds import fill_point_cloud
from depth_ros.messages.disparity import fill_disparity
from depth_ros.messages.headers import fill_header
from depth_ros.messages.images import fill_image
from depth_ros.messages.poses import fill_motion
from depth_ros.messages.topic_names import check_namespace
from depth_ros.recordings.depth_encodings import FORMAT, compressed_depth, whole_units
from depth_ros.recordings.depth_frame import DepthFrame
from depth_ros.recordings.wire import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    DISPARITY,
    HEADER,
    IMAGE,
    POINT_CLOUD,
    POSE,
    blank,
    point_field,
)
from depth_ros.settings import SettingError, Settings, described

FLOAT, UNITS, COMPRESSED = '32FC1', '16UC1', 'compressedDepth'


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthOutputs(Settings):
    """What is written, and how."""

    namespace: str = described('depth', 'First part of the names of the topics.')
    depth: bool = described(True, 'Depth in metres, where it is known: depth/image.')
    depth_encoding: str = described(
        FLOAT,
        '32FC1: metres, exact. 16UC1: whole units. compressedDepth: the same as PNG.',
        choices=(FLOAT, UNITS, COMPRESSED),
    )
    depth_unit_m: float = described(
        0.001,
        'Unit of 16UC1 and compressedDepth; other programs expect 0.001.',
        unit='m',
        minimum=1e-6,
        maximum=1.0,
    )
    camera_info: bool = described(True, 'Calibration of the rectified image.')
    points: bool = described(False, 'Cloud of points in metres, with colours.')
    points_stride: int = described(
        4, 'Every n-th pixel and row becomes a point.', minimum=1, maximum=1000
    )
    image: bool = described(False, 'The rectified image itself.')

    def check_together(self) -> None:
        """Refuse a namespace that is none, and a task that writes nothing."""
        check_namespace(self.namespace)
        expect_outputs(self, [output.switch for output in FRAME_OUTPUTS])


FLICKER_EVERY = (
    'How much depth changes beside the motion of the camera is measured in every n-th frame, for '
    'the report; 0 measures none.'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PairOutputs(DepthOutputs):
    """What is written of a pair."""

    namespace: str = described('stereo', 'First part of the names of the topics.')
    disparity: bool = described(False, 'Disparity in pixels of the rectified image.')
    confidence: bool = described(
        False,
        'How sure every pixel is, 0..1; doubles the time where neither the model tells its '
        'error nor SGBM gives hints.',
    )
    sigma: bool = described(False, 'Standard deviation of depth in metres.')
    row_error_every: int = described(
        30,
        'The error of the rows is measured in every n-th pair, for the report; 0 measures none.',
        minimum=0,
        maximum=1_000_000,
    )
    flicker_every: int = described(30, FLICKER_EVERY, minimum=0, maximum=1_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class MonoOutputs(DepthOutputs):
    """What is written of one image."""

    namespace: str = described('mono', 'First part of the names of the topics.')
    relative_depth: bool = described(
        False, 'Depth up to an unknown factor, as the network gives it.'
    )
    flicker_every: int = described(30, FLICKER_EVERY, minimum=0, maximum=1_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class RefinedOutputs(DepthOutputs):
    """What is written of one image of a moving camera."""

    namespace: str = described('mono_refined', 'First part of the names of the topics.')
    sigma: bool = described(False, 'Standard deviation of depth in metres.')
    pose: bool = described(False, 'Pose of the camera in the frame of the poses: pose.')


@dataclass(frozen=True, kw_only=True, slots=True)
class PosedOutputs(DepthOutputs):
    """What is written of a keyframe."""

    namespace: str = described('multiview', 'First part of the names of the topics.')
    confidence: bool = described(False, 'Photometric confidence, 0..1.')
    pose: bool = described(True, 'Pose of the camera in the frame of the poses: pose.')


def expect_outputs(outputs: Settings, switches: Iterable[str]) -> None:
    """Require that at least one output is switched on.

    Args:
        outputs: What a task writes.
        switches: Fields that ask for an output; those it does not have are left out.

    Raises:
        SettingError: Naming all of them.
    """
    known = [name for name in dict.fromkeys(switches) if hasattr(outputs, name)]
    if not any(getattr(outputs, name) for name in known):
        words = ', '.join(f'{{{name}}}' for name in known)
        raise SettingError(f'a task must write something; set one of these to true: {words}')


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameOutput:
    """One line of the table.

    Attributes:
        switch: Setting that asks for it.
        topic: Name below the namespace, for each encoding of depth that has one.
        kind: Message type.
        make: Makes the message, headers excepted; None where the frame does not have it.
        encodings: Encodings of depth that it is for; empty for all.
    """

    switch: str
    topic: str
    kind: str
    make: Callable[[DepthFrame, DepthOutputs], Any]
    encodings: tuple[str, ...] = ()

    def is_wanted(self, outputs: DepthOutputs) -> bool:
        """Whether a job asks for it."""
        if self.encodings and outputs.depth_encoding not in self.encodings:
            return False
        return bool(getattr(outputs, self.switch, False))


def channels_of(outputs: DepthOutputs) -> Mapping[int, FrameOutput]:
    """Return what a job asks for, by its place in the table."""
    return {
        place: output for place, output in enumerate(FRAME_OUTPUTS) if output.is_wanted(outputs)
    }


def messages_of(frame: DepthFrame, outputs: DepthOutputs) -> dict[int, Any]:
    """Return the messages of a frame, by the place of their output in the table."""
    found = {}
    for place, output in channels_of(outputs).items():
        message = output.make(frame, outputs)
        if message is None:
            continue
        if output.kind == POSE:
            found[place] = message
            continue
        headers = [message.header]
        if output.kind == DISPARITY:
            headers.append(message.image.header)
        for header in headers:
            fill_header(header, stamp_ns=frame.stamp_ns, frame_id=frame.frame_id)
        found[place] = message
    return found


def _image(values: np.ndarray | None, encoding: str) -> Any:
    if values is None:
        return None
    message = blank(IMAGE)
    fill_image(message, values, encoding)
    return message


def _depth(frame: DepthFrame, outputs: DepthOutputs) -> Any:
    return _image(frame.depth, FLOAT)


def _depth_units(frame: DepthFrame, outputs: DepthOutputs) -> Any:
    if frame.depth is None:
        return None
    return _image(whole_units(frame.depth, outputs.depth_unit_m), UNITS)


def _compressed_depth(frame: DepthFrame, outputs: DepthOutputs) -> Any:
    if frame.depth is None:
        return None
    message = blank(COMPRESSED_IMAGE)
    message.format = FORMAT
    data = compressed_depth(whole_units(frame.depth, outputs.depth_unit_m))
    message.data = array('B', data)
    return message


def _camera_info(frame: DepthFrame, outputs: DepthOutputs) -> Any:
    message = copy(_rectified_info(frame.camera))
    message.header = blank(HEADER)
    return message


@lru_cache(maxsize=4)
def _rectified_info(camera: PinholeCamera) -> Any:
    """Return a camera_info without its header: hundreds of frames have one calibration."""
    message = blank(CAMERA_INFO)
    fill_camera_info(message, rectified_camera(camera))
    return message


def _disparity(frame: DepthFrame, outputs: DepthOutputs) -> Any:
    if frame.disparity is None:
        return None
    message = blank(DISPARITY)
    fill_disparity(message, frame.disparity)
    return message


def _points(frame: DepthFrame, outputs: DepthOutputs) -> Any:
    if frame.depth is None:
        return None
    cloud = organised_cloud(frame.depth, frame.image, frame.camera, stride=outputs.points_stride)
    message = blank(POINT_CLOUD)
    fill_point_cloud(message, cloud, point_field)
    return message


def _pose(frame: DepthFrame, outputs: DepthOutputs) -> Any:
    """Return the pose in the frame of the world, header included."""
    if frame.place is None:
        return None
    message = blank(POSE)
    fill_header(message.header, stamp_ns=frame.stamp_ns, frame_id=frame.place.frame)
    pose = message.pose
    fill_motion(pose.position, pose.orientation, frame.place.world_from_camera)
    return message


FRAME_OUTPUTS: tuple[FrameOutput, ...] = (
    FrameOutput(switch='depth', topic='depth/image', kind=IMAGE, make=_depth, encodings=(FLOAT,)),
    FrameOutput(
        switch='depth', topic='depth/image', kind=IMAGE, make=_depth_units, encodings=(UNITS,)
    ),
    FrameOutput(
        switch='depth',
        topic='depth/image/compressedDepth',
        kind=COMPRESSED_IMAGE,
        make=_compressed_depth,
        encodings=(COMPRESSED,),
    ),
    FrameOutput(
        switch='camera_info', topic='depth/camera_info', kind=CAMERA_INFO, make=_camera_info
    ),
    FrameOutput(switch='disparity', topic='disparity', kind=DISPARITY, make=_disparity),
    FrameOutput(
        switch='confidence',
        topic='confidence',
        kind=IMAGE,
        make=lambda frame, outputs: _image(frame.confidence, FLOAT),
    ),
    FrameOutput(
        switch='sigma',
        topic='depth/sigma',
        kind=IMAGE,
        make=lambda frame, outputs: _image(frame.sigma, FLOAT),
    ),
    FrameOutput(switch='points', topic='points', kind=POINT_CLOUD, make=_points),
    FrameOutput(
        switch='image',
        topic='rectified/image',
        kind=IMAGE,
        make=lambda frame, outputs: _image(np.ascontiguousarray(frame.image), 'rgb8'),
    ),
    FrameOutput(
        switch='relative_depth',
        topic='relative_depth/image',
        kind=IMAGE,
        make=lambda frame, outputs: _image(frame.relative, FLOAT),
    ),
    FrameOutput(switch='pose', topic='pose', kind=POSE, make=_pose),
)
"""Everything that is written of a frame; a place in this table is part of the files' numbers."""
