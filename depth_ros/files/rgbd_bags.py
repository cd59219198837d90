"""Images with metric depth out of recorded bags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError, InputError
from depth_ros.files.bag_reader import messages_of, open_bag
from depth_ros.files.bag_topics import CameraTopics, DepthTopics, printable, rgbd_topics
from depth_ros.files.bags import (
    QUEUE_SIZE,
    BagFrames,
    Report,
    bag_topics,
    decoded_frame,
    first_calibration,
    next_calibration,
    seen_before,
    then,
)
from depth_ros.frames import RgbdFrame
from depth_ros.geometry.resample import depth_camera
from depth_ros.messages.depth import MILLIMETRES, decode_any_depth
from depth_ros.messages.headers import stamp_of
from depth_ros.messages.images import AnyImageMessage
from depth_ros.results import DepthResult, DepthScale
from depth_ros.streams.synchronize import Pair, Side, StereoSynchronizer

MAX_STAMP_DIFFERENCE_S = 0.02
"""Colour and depth of one sensor are often a few milliseconds apart."""


@dataclass(frozen=True, slots=True, eq=False)
class _Received:
    """A message with the calibration of its topic at that moment."""

    message: object
    camera: PinholeCamera | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    camera: CameraTopics
    depth: DepthTopics
    unit_m: float
    max_difference_ns: int


def read_rgbd_bag(
    path: Path | str,
    *,
    image_topic: str = '',
    info_topic: str = '',
    depth_topic: str = '',
    depth_unit_m: float = MILLIMETRES,
    max_stamp_difference_s: float = MAX_STAMP_DIFFERENCE_S,
    report: Report | None = None,
) -> BagFrames[RgbdFrame]:
    """Read images with the depth of the same moment.

    Args:
        path: Bag folder, or one storage file.
        image_topic: Images; empty takes the only topic that is not of depth.
        info_topic: Their calibration; empty takes the one beside the images.
        depth_topic: ``Image`` (16UC1, mono16, 32FC1) or ``compressedDepth``; empty takes the
            only one. A camera_info beside it says what it shows, else the images' does.
        depth_unit_m: Metres of one step of 16-bit depth.
        max_stamp_difference_s: Largest difference of the stamps of image and depth.
        report: Called for every image that is left out.

    Raises:
        InputError: If the bag cannot be read or the topics are not clear; lists its topics.
        CalibrationError: If it has no calibration, or none that can be used.
        DepthRosError: If the library is missing.
    """
    path = Path(path)
    camera, depth = rgbd_topics(
        bag_topics(path), image_topic=image_topic, info_topic=info_topic, depth_topic=depth_topic
    )
    plan = _Plan(
        camera=camera,
        depth=depth,
        unit_m=depth_unit_m,
        max_difference_ns=round(max_stamp_difference_s * 1e9),
    )
    return BagFrames(path, [camera], lambda bag: _frames(bag, plan), report)


def _frames(bag: BagFrames[RgbdFrame], plan: _Plan) -> Iterator[RgbdFrame]:
    pairing = StereoSynchronizer[_Received](
        plan.max_difference_ns,
        QUEUE_SIZE,
        report=lambda reason, text: bag.refuse(reason, f'image (left) and depth (right): {text}'),
    )
    seen: set[int] = set()
    for pair in then(_pairs(bag, plan, pairing), pairing.drain):
        fault = seen_before(pair.left_stamp_ns, seen)
        if fault is not None:
            bag.refuse(*fault)
            continue
        try:
            yield _decoded(pair, plan)
        except InputError as error:
            bag.refuse(error.reason, str(error))
    for _ in range(pairing.counts(Side.LEFT).waiting):
        bag.refuse('no_depth', 'the bag ends without depth for its last images')


def _pairs(
    bag: BagFrames[RgbdFrame], plan: _Plan, pairing: StereoSynchronizer[_Received]
) -> Iterator[Pair[_Received]]:
    """Pair the messages of both topics; depth is the right side."""
    image, depth, info, own_info = (
        plan.camera.image.name,
        plan.depth.image.name,
        plan.camera.info,
        plan.depth.info,
    )
    sides = {image: Side.LEFT, depth: Side.RIGHT}
    infos = {image: info, depth: own_info}
    with open_bag(bag.path) as reader:
        cameras = {
            topic.name: first_calibration(reader, CameraTopics(image=topic, info=topic), bag.path)
            for topic in infos.values()
            if topic is not None
        }
        for topic, message in messages_of(reader, [*sides, *cameras], bag.path):
            try:
                if topic in cameras:
                    cameras[topic] = next_calibration(message, cameras[topic], topic)
                    continue
            except InputError as error:
                bag.refuse(error.reason, f'{printable(topic)}: {error}')
                continue
            beside = infos[topic]
            camera = cameras[beside.name] if beside is not None else None
            stamp = stamp_of(message)
            yield from pairing.add(sides[topic], stamp, _Received(message, camera))


def _decoded(pair: Pair[_Received], plan: _Plan) -> RgbdFrame:
    """Decode a pair.

    Raises:
        InputError: Naming the topic.
    """
    assert pair.left.camera is not None, 'images have a calibration'
    frame = decoded_frame(pair.left.message, plan.camera, pair.left.camera)
    try:
        depth = decode_any_depth(cast(AnyImageMessage, pair.right.message), unit_m=plan.unit_m)
    except ImageError as error:
        name = printable(plan.depth.image.name)
        raise ImageError(f'depth_{error.reason}', f'{name}: {error}') from error
    height, width = depth.shape
    result = DepthResult(
        depth=depth,
        camera=depth_camera(frame.camera, height=height, width=width, own=pair.right.camera),
        stamp_ns=pair.right_stamp_ns,
        scale=DepthScale.METRIC,
    )
    return RgbdFrame(image=frame, depth=result)
