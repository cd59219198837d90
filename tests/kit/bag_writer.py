"""Write small bags of rendered images with rosbags' own writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.headers import fill_header
from depth_ros.scenes.paths import ScenePath
from tests.kit import message_doubles

STEP_NS = 100_000_000
FIRST_NS = 1_700_000_000_000_000_000
Recorded = tuple[str, SimpleNamespace]
"""Topic and a message double with a ``type`` attribute beside the message's fields."""


def stamp(index: int, *, late_ns: int = 0) -> int:
    return FIRST_NS + index * STEP_NS + late_ns


def raw(image: np.ndarray, *, stamp_ns: int, encoding: str = 'rgb8') -> SimpleNamespace:
    message = message_doubles.image_of(image, encoding)
    return stamped(message, 'sensor_msgs/msg/Image', stamp_ns)


def compressed(image: np.ndarray, *, stamp_ns: int, suffix: str = '.png') -> SimpleNamespace:
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    message = SimpleNamespace(
        header=message_doubles.header(), format=f'rgb8; {suffix[1:]} compressed bgr8', data=data
    )
    return stamped(message, 'sensor_msgs/msg/CompressedImage', stamp_ns)


def info(camera: PinholeCamera, *, stamp_ns: int) -> SimpleNamespace:
    message = message_doubles.camera_info()
    fill_camera_info(message, camera)
    return stamped(message, 'sensor_msgs/msg/CameraInfo', stamp_ns, camera.frame_id)


def rig_messages(path: ScenePath, num_frames: int) -> list[Recorded]:
    """Render the first pairs of a path as ``/left`` and ``/right`` of a rectified rig."""
    recorded = []
    for index in range(num_frames):
        pair, stamp_ns = path.stereo(index), stamp(index)
        for side, image in (('left', pair.left), ('right', pair.right)):
            camera = getattr(path.camera, side)
            recorded += [
                (f'/{side}/camera_info', info(camera, stamp_ns=stamp_ns)),
                (f'/{side}/image_rect', raw(image, stamp_ns=stamp_ns)),
            ]
    return recorded


def write_bag(
    path: Path,
    recorded: Sequence[Recorded],
    *,
    storage: str = 'sqlite3',
    also: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write messages in order, 1 ms apart; ``also`` adds topics without messages."""
    rosbag2 = message_doubles.imported('rosbags.rosbag2')
    store = message_doubles.typestore()
    plugin = {'sqlite3': rosbag2.StoragePlugin.SQLITE3, 'mcap': rosbag2.StoragePlugin.MCAP}
    with rosbag2.Writer(path, version=9, storage_plugin=plugin[storage]) as writer:
        names = {**{topic: message.type for topic, message in recorded}, **dict(also)}
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in names.items()
        }
        for index, (topic, message) in enumerate(recorded):
            data = message_doubles.serialized(message, message.type, store)
            writer.write(connections[topic], FIRST_NS + index * 1_000_000, data)
    return path


def stamped(
    message: SimpleNamespace, kind: str, stamp_ns: int, frame_id: str = 'camera'
) -> SimpleNamespace:
    fill_header(message.header, stamp_ns=stamp_ns, frame_id=frame_id)
    message.type = kind
    return message
