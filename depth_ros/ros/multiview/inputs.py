"""Images and poses in; a job whenever a keyframe has enough sources."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.geometry.rigid import inverse
from depth_ros.messages.clouds import decode_cloud
from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.multiview.job import MultiviewJob, SearchPlace
from depth_ros.ros.multiview.parameters import MultiviewParameters
from depth_ros.ros.multiview.pending_view import PendingView
from depth_ros.ros.node.camera_input import ImageMessage
from depth_ros.ros.node.image_inputs import ImageInputs
from depth_ros.ros.node.poses import PoseSource, open_poses
from depth_ros.ros.node.qos import input_profile
from depth_ros.ros.node.roles import InputCounts, InputTopic
from depth_ros.ros.node.task_node import Inbox
from depth_ros.ros.node.watched_topic import WatchedTopic
from depth_ros.tasks.multiview.keyframes import DepthRange, KeyframeWindow, ViewSet
from depth_ros.tasks.multiview.reconstruction import MARGIN, PERCENTILES
from depth_ros.tasks.multiview.view_selection import sees

RANGE_POINTS = 'range/points'
MAX_WAITING = 30
MIN_RANGE_POINTS = 20
RANGE_FRAME = (
    'range/points is in frame {!r}, so it cannot say where depth is: give it in the frame of the '
    'camera, {!r}, or in that of the poses'
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaitingImage:
    """An image whose pose has not come yet."""

    message: ImageMessage
    camera: PinholeCamera
    stamp: int

    @property
    def frame_id(self) -> str:
        """Frame of the camera: the image's, or else its camera_info's."""
        return self.message.header.frame_id or self.camera.frame_id


class MultiviewInputs(ImageInputs[MultiviewParameters]):
    """Subscribes to a camera and its poses, and chooses keyframes.

    Every image is a keyframe, or passed over, or refused, or waits for its pose.
    """

    def __init__(
        self, node: Node, parameters: MultiviewParameters, inbox: Inbox[MultiviewJob]
    ) -> None:
        """Prepare; nothing is subscribed to before ``start``."""
        self.num_passed_over = 0
        self.num_refused = 0
        super().__init__(node, parameters, inbox)
        self._window: KeyframeWindow[PendingView] = KeyframeWindow(parameters.settings.keyframes)
        self._waiting: deque[WaitingImage] = deque()
        self._poses: PoseSource | None = None
        self._range: RangeCloud | None = None

    def _start_beside(self) -> str:
        self._poses = open_poses(self._node, self._parameters, self._inbox.warn)
        self._follow_range()
        return f', poses: {self._parameters.pose_source}'

    def set_parameters(self, parameters: MultiviewParameters) -> None:
        """Take over what can change while running."""
        self._parameters = parameters
        self._window.settings = parameters.settings.keyframes
        if self.input:
            self._follow_range()

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [
            *super().topics(),
            *(self._poses.topics() if self._poses else []),
            *([self._range.topic] if self._range else []),
        ]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""
        return [*super().missing(), *(self._poses.missing() if self._poses else [])]

    def counts(self) -> InputCounts:
        """Return the statistics: ``received`` is the sum of the four that follow it."""
        return InputCounts(
            totals={
                'received': self.camera.num_received,
                'keyframes': self._window.num_keyframes,
                'passed_over': self.num_passed_over,
                'refused_images': self.num_refused,
                'waiting': len(self._waiting),
                'lost': self.camera.num_lost,
                'received_poses': self._poses.num_received if self._poses else 0,
                'received_range': self._range.topic.num_received if self._range else 0,
            }
        )

    def reset(self) -> None:
        """Forget keyframes and waiting images."""
        self._window.reset()
        self.num_passed_over += len(self._waiting)
        self._waiting.clear()

    def finish(self) -> list[MultiviewJob]:
        """Return the jobs of the keyframes that still wait for later ones."""
        sets = self._window.flush(depth_range_m=self._parameters.depth_range_m)
        return [self._keyframe_job(found) for found in sets]

    def poll(self) -> None:
        """Look again for poses of waiting images; poses come after the images as a rule."""
        while self._waiting:
            image = self._waiting[0]
            try:
                pose = self._pose_of(image)
                if pose is None:
                    return
                self._waiting.popleft()
                self._use(image, pose)
            except InputError as error:
                if self._waiting and self._waiting[0] is image:
                    self._waiting.popleft()
                self._refuse(error)

    def _refuse(self, error: InputError) -> None:
        self.num_refused += 1
        self._inbox.refuse(error)

    def _on_image(self, message: ImageMessage) -> None:
        try:
            camera = self.camera.info.camera()
        except InputError as error:
            self._refuse(error)
            return
        stamp = stamp_ns(message.header.stamp)
        self._waiting.append(WaitingImage(message=message, camera=camera, stamp=stamp))
        self.poll()

    def _pose_of(self, image: WaitingImage) -> np.ndarray | None:
        """Return the pose of an image; None while it may come.

        Raises:
            InputError: If it will not come.
        """
        assert self._poses is not None
        pose = self._poses.at(image.stamp, image.frame_id)
        if pose is not None:
            return pose
        waited_s = (self._waiting[-1].stamp - image.stamp) / 1e9
        if abs(waited_s) <= self._parameters.max_pose_wait_s and len(self._waiting) <= MAX_WAITING:
            return None
        known = self._poses.why_not(image.frame_id)
        if known is not None:
            raise known
        raise InputError(
            'no_pose',
            f'no pose came for an image within {waited_s:.2f} s; check that odometry and images '
            'have stamps of one clock, or raise max_pose_wait_s',
        )

    def _use(self, image: WaitingImage, pose: np.ndarray) -> None:
        range_m = self._parameters.depth_range_m
        if not self._window.is_wanted(pose, stamp_ns=image.stamp, depth_range_m=range_m):
            self.num_passed_over += 1
            return
        view = PendingView(
            image.message,
            image.camera,
            world_from_camera=pose,
            stamp_ns=image.stamp,
            name=image.frame_id,
            is_rectified=self._cameras.is_rectified,
            low_bits=self._parameters.low_bits,
        )
        found = self._window.keep(view, depth_range_m=range_m)
        if found is not None:
            self._inbox.put(self._keyframe_job(found))

    def _keyframe_job(self, views: ViewSet[PendingView]) -> MultiviewJob:
        parameters = self._parameters
        assert self._poses is not None
        place = SearchPlace(
            limits_m=parameters.depth_range_m,
            seen_m=self._seen_range(views.reference),
            follow=parameters.depth_source == 'previous',
            world_frame=self._poses.world_frame,
        )
        return MultiviewJob(
            views=views, place=place, min_sources=self._window.settings.min_sources
        )

    def _seen_range(self, view: PendingView) -> DepthRange | None:
        if self._range is None or self._parameters.depth_source != 'cloud':
            return None
        assert self._poses is not None
        return self._range.seen(view, world_frame=self._poses.world_frame)

    def _follow_range(self) -> None:
        """Subscribe to the cloud once ``depth.source`` needs it."""
        if self._parameters.depth_source == 'cloud' and self._range is None:
            self._range = RangeCloud(self._node, self._parameters, self._inbox)


class RangeCloud:
    """The last cloud of another sensor, to know where depth is."""

    def __init__(
        self, node: Node, parameters: MultiviewParameters, inbox: Inbox[MultiviewJob]
    ) -> None:
        """Subscribe."""
        self._inbox = inbox
        self._points = np.empty((0, 3))
        self._frame_id = ''
        self.topic = WatchedTopic(
            node,
            PointCloud2,
            RANGE_POINTS,
            self._on_cloud,
            profile=input_profile(parameters),
            warn=inbox.warn,
        )

    def seen(self, view: PendingView, *, world_frame: str) -> DepthRange | None:
        """Return the depths of the points in view, with a margin; None if there are too few.

        The points must be in the camera's own frame or in the frame of the poses.
        """
        points = self._points
        if self._frame_id == view.name:
            pose = view.world_from_camera
            points = points @ pose[:3, :3].T + pose[:3, 3]
        elif len(points) and self._frame_id != world_frame:
            self._inbox.warn('range_frame', RANGE_FRAME.format(self._frame_id, view.name))
            return None
        points = points[sees(view, points)] if len(points) else points
        if len(points) < MIN_RANGE_POINTS:
            return None
        camera = inverse(view.world_from_camera)
        depth = points @ camera[2, :3] + camera[2, 3]
        low, high = np.percentile(depth, PERCENTILES)
        return float(low) / (1.0 + MARGIN), float(high) * (1.0 + MARGIN)

    def _on_cloud(self, message: PointCloud2) -> None:
        try:
            cloud = decode_cloud(message)[..., :3].reshape(-1, 3).astype(np.float64)
        except InputError as error:
            self._inbox.warn(error.reason, str(error))
            return
        self._points = cloud[np.isfinite(cloud).all(axis=1)]
        self._frame_id = message.header.frame_id
