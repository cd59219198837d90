"""A folder of posed images, replayed as topics through the real multi-view node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import Pose
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_srvs.srv import Trigger

from depth_ros.files.cloud import read_ply
from depth_ros.files.image import read_rgb
from depth_ros.files.posed.layouts import read_posed_folder
from depth_ros.geometry.rigid import quaternion_from_rotation
from tests.kit.live_node import Robot, image, robot, running, set_stamp

FRAME_ID = 'camera_optical_frame'
MAP_S = 60.0
"""Longest time for one depth map."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What the node made of a folder.

    Attributes:
        points: (N, 3) float32 points of its map, metres.
        colors: (N, 3) uint8 RGB.
        num_before_finish: Points there were before ``finish``.
        statistics: Its diagnostics at the end.
    """

    points: np.ndarray
    colors: np.ndarray
    num_before_finish: int
    statistics: dict[str, str]


def replay(folder: Path, place: Path, *options: str) -> Replay:
    """Send every image with its pose, each when the one before is done; then finish and save.

    Args:
        folder: Posed images, a layout that ``depth-ros run multiview`` reads.
        place: Where log, report and map go.
        options: ROS arguments for the node.
    """
    saved = place / 'map.ply'
    settings = (f'map_file:={saved}', 'diagnostics_period_s:=0.1', 'input_reliability:=reliable')
    options = (*options, *(word for setting in settings for word in ('-p', setting)))
    with (
        running(place, *options, module='multiview_node', is_subscribing=False) as node,
        robot(node='multiview_node', cameras=('',), outputs={'fused/points': PointCloud2}) as us,
    ):
        assert us.spin_until(lambda: 'subscribed to' in node.log(), MAP_S), node.log()
        us.advertise('odometry', Odometry, 10)
        us.connect(num_images=2)
        for stamp, view in enumerate(read_posed_folder(folder).views, 1):
            send(us, view.world_from_camera, view.k, read_rgb(view.image), stamp * 10**9)
            assert us.spin_until(lambda stamp=stamp: is_done(us, stamp), MAP_S), us.diagnostics
        before = us.count('fused_points')
        for service in ('multiview_node/finish', 'multiview_node/save_map'):
            answer = call(us, service)
            assert answer.success, answer.message
        us.spin(0.3)
        statistics = dict(us.diagnostics)
        assert node.stop() == 0, node.log()
    points, colors = read_ply(saved)
    return Replay(points=points, colors=colors, num_before_finish=before, statistics=statistics)


def send(us: Robot, pose: np.ndarray, k: np.ndarray, rgb: np.ndarray, stamp_ns: int) -> None:
    """Publish calibration, pose and image of one moment."""
    info = CameraInfo(height=rgb.shape[0], width=rgb.shape[1], k=k.ravel().tolist())
    info.distortion_model, info.header.frame_id = 'plumb_bob', FRAME_ID
    odometry = Odometry(child_frame_id=FRAME_ID)
    odometry.header.frame_id = 'odom'
    fill_pose(odometry.pose.pose, pose)
    messages = {
        'camera_info': info,
        'odometry': odometry,
        'image_raw': image(rgb, 'rgb8', FRAME_ID),
    }
    for topic, message in messages.items():
        set_stamp(message, stamp_ns)
        us.send(topic, message)
        us.spin(0.02)


def fill_pose(pose: Pose, matrix: np.ndarray) -> None:
    """Write a (4, 4) motion into a message."""
    q = quaternion_from_rotation(matrix[:3, :3])
    pose.position.x, pose.position.y, pose.position.z = map(float, matrix[:3, 3])
    pose.orientation.x, pose.orientation.y = float(q[0]), float(q[1])
    pose.orientation.z, pose.orientation.w = float(q[2]), float(q[3])


def is_done(us: Robot, num_images: int) -> bool:
    """Tell whether so many images came and nothing is under way."""
    count = us.count
    accounted = count('keyframes') + count('passed_over') + count('refused_images')
    return accounted >= num_images and count('in_flight') == 0


def call(us: Robot, name: str) -> Any:
    """Call a service of the node and wait for the answer."""
    client = us.node.create_client(Trigger, name)
    assert client.wait_for_service(MAP_S)
    future = client.call_async(Trigger.Request())
    assert us.spin_until(future.done, 2 * MAP_S), f'{name} does not answer'
    us.node.destroy_client(client)
    return future.result()
