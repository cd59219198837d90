"""Which camera_info belongs to which images of a node. Imports no ROS."""

from __future__ import annotations

from collections.abc import Sequence

from depth_ros.ros.doctor.snapshot import CAMERA_INFO, IMAGES, NodeCamera

TRANSPORTS = ('/compressedDepth', '/compressed')


def cameras_of(topics: Sequence[tuple[str, str]]) -> tuple[NodeCamera, ...]:
    """Return the cameras of a node, in order.

    Args:
        topics: (topic, type) that it subscribes to, in its own order where that is known: a
            node of ours tells of images, then of their camera_info.

    Returns:
        Every image topic with the camera_info in its namespace, else with the next one behind it.
    """
    infos = [topic for topic, kind in topics if kind == CAMERA_INFO]
    images = [topic for topic, kind in topics if kind in IMAGES]
    beside = {name: _beside(name, infos) for name in images}
    cameras = []
    for name in images:
        info = beside[name] or _behind(name, topics, set(beside.values()))
        cameras.append(NodeCamera(images=name, info=info))
    return tuple(cameras)


def _beside(images: str, infos: Sequence[str]) -> str:
    """Return the camera_info where image_transport has it; empty if it is not there."""
    base = images
    for ending in TRANSPORTS:
        base = base.removesuffix(ending)
    name = f'{base.rpartition("/")[0]}/camera_info'
    return name if name in infos else ''


def _behind(images: str, topics: Sequence[tuple[str, str]], taken: set[str]) -> str:
    """Return the camera_info before the next images that no other images have."""
    names = [topic for topic, _ in topics]
    for topic, kind in topics[names.index(images) + 1 :]:
        if kind in IMAGES:
            return ''
        if kind == CAMERA_INFO and topic not in taken:
            return topic
    return ''
