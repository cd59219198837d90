"""Ground truth of the driving sample rig: depth, poses, and TF if tf2_msgs is installed."""

from __future__ import annotations

from collections import deque

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from depth_ros.messages.images import fill_image
from depth_ros.messages.poses import fill_motion
from depth_ros.ros.demo.drive import Drive
from depth_ros.ros.demo.rig_mounts import BASE_FRAME
from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.transforms import TransformSender, transform_message

ODOM_FRAME = 'odom'


class TruthPublishers:
    """Publishes depth, odometry and path below ``ground_truth/`` with the images' stamps."""

    def __init__(self, node: Node, drive: Drive, camera_frame: str, qos: QoSProfile) -> None:
        """Advertise."""
        self._drive = drive
        self._camera_frame = camera_frame
        self._depth = open_publisher(node, Image, 'ground_truth/depth', qos)
        self._odometry = open_publisher(node, Odometry, 'ground_truth/odometry', qos)
        self._path_publisher = open_publisher(node, Path, 'ground_truth/path', qos)
        self._path: deque[PoseStamped] = deque(maxlen=len(drive))
        self._transforms = TransformSender(node)

    def publish(self, index: int, stamp: Time) -> None:
        """Publish the truth of one frame."""
        odometry = Odometry(child_frame_id=BASE_FRAME)
        odometry.header.stamp, odometry.header.frame_id = stamp, ODOM_FRAME
        pose = odometry.pose.pose
        fill_motion(pose.position, pose.orientation, self._drive.odom_from_base[index])
        self._odometry.publish(odometry)
        self._path.append(PoseStamped(header=odometry.header, pose=pose))
        self._path_publisher.publish(Path(header=odometry.header, poses=list(self._path)))
        self._transforms.send(transform_message(odometry))
        if self._depth.get_subscription_count():
            message = Image()
            fill_image(message, self._drive.depth[index], '32FC1')
            message.header.stamp, message.header.frame_id = stamp, self._camera_frame
            self._depth.publish(message)
