"""Ask a matcher node from another node or a script.

``ask`` waits for the answer in any thread: it uses a private node and executor, so the caller's
node need not be spinning. In a callback it would block the caller's executor; use ``ask_async``
there, whose future that executor completes.

Two VGA images are 1.8 MB a request. The default transports of Fast DDS deliver them, but delivery
is faster, and more reliable beside image topics, with this package's ``config/fastdds.xml``
named by FASTDDS_DEFAULT_PROFILES_FILE (Fast DDS 2: FASTRTPS_DEFAULT_PROFILES_FILE) in *both*
processes; ``depth_ros.ros.fastdds.choose_profile`` says whether shared memory has room for it.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass

import numpy as np
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image

from depth_ros.camera import PinholeCamera
from depth_ros.errors import EngineError
from depth_ros.frames import check_rgb_image
from depth_ros.messages.camera_info import fill_camera_info
from depth_ros.messages.images import fill_image
from depth_ros.messages.matches import points_of
from depth_ros.results import MatchResult
from depth_ros.ros.matcher.messages import MatchStatus, check_pixels
from depth_ros.ros.node.interfaces import require_interfaces
from depth_ros.ros.node.patient_service import QUEUE_DEPTH
from depth_ros.ros.node.qos import profile
from depth_ros_interfaces.msg import TwoViewGeometry
from depth_ros_interfaces.srv import MatchImages

SERVICE = 'match_images'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SideToMatch:
    """One of the two images.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB, or None to name a frame of the matcher's topic.
        stamp_ns: Stamp of that frame, or of the image.
        mask: ``(H, W)`` bool, True where matches may lie; None: everywhere.
        camera: Calibration (K and D); None leaves it to the matcher, which knows its topic's.
    """

    image: np.ndarray | None = None
    stamp_ns: int = 0
    mask: np.ndarray | None = None
    camera: PinholeCamera | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchOptions:
    """What is wanted; see ``srv/MatchImages.srv``."""

    max_matches: int = 0
    min_confidence: float = -1.0
    max_wait_s: float = 0.0
    fundamental: bool = False
    essential: bool = False
    homography: bool = False
    pose: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchReply:
    """The reply to a request.

    Attributes:
        status: OK, or why there is no result.
        text: The same in words; empty with OK.
        result: Matches, most confident first.
        inliers: ``(N,)`` bool.
        geometry: The message, with what was asked for.
    """

    status: MatchStatus
    text: str
    result: MatchResult
    inliers: np.ndarray
    geometry: TwoViewGeometry


class MatchClient:
    """One caller of a matcher: one request at a time, refused here where it cannot succeed."""

    def __init__(self, node: Node, *, service: str = SERVICE, caller: str = '') -> None:
        """Make the client.

        Args:
            node: Who asks.
            service: Name of the service.
            caller: Name under which the matcher serves this client in turn; by default a new one.

        Raises:
            EngineError: If depth_ros_interfaces is not built.
        """
        require_interfaces()
        self.caller = caller or f'{node.get_fully_qualified_name()}#{uuid.uuid4().hex[:12]}'
        self._node = node
        self._client = _client_of(node, service)
        self._waiting = _WaitingNode(node, node.resolve_service_name(service))

    def wait(self, timeout_s: float) -> bool:
        """Wait until a matcher offers the service."""
        return bool(self._client.wait_for_service(timeout_sec=timeout_s))

    def request(
        self, first: SideToMatch, second: SideToMatch, options: MatchOptions | None = None
    ) -> MatchImages.Request:
        """Make the request's message.

        Raises:
            ImageError: If an image is no RGB image, or larger than the service takes.
        """
        options = options or MatchOptions()
        request = MatchImages.Request(caller=self.caller)
        for which, side in (('first', first), ('second', second)):
            _fill_side(request, which, side)
        request.max_matches = options.max_matches
        request.min_confidence = options.min_confidence
        request.max_wait_s = options.max_wait_s
        request.fundamental, request.essential = options.fundamental, options.essential
        request.homography, request.pose = options.homography, options.pose
        return request

    def ask_async(self, request: MatchImages.Request) -> Future:
        """Send a request; the future's result goes through ``reply_of``.

        Call ``forget`` with the future if you stop waiting for it.
        """
        return self._client.call_async(request)

    def forget(self, future: Future) -> None:
        """Stop waiting for an answer, and free what is kept for it."""
        self._client.remove_pending_request(future)
        future.cancel()

    def ask(
        self,
        first: SideToMatch,
        second: SideToMatch,
        options: MatchOptions | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> MatchReply:
        """Send a request and wait for the reply, at first also for discovery; any thread.

        Raises:
            ImageError: If an image is no RGB image, or larger than the service takes.
            EngineError: If the service is not offered, or no answer comes in time.
        """
        return reply_of(self._waiting.call(self.request(first, second, options), timeout_s))

    def close(self) -> None:
        """Destroy the client."""
        self._waiting.close()
        self._node.destroy_client(self._client)


class _WaitingNode:
    """A private node, client and executor; one call at a time."""

    def __init__(self, asker: Node, service: str) -> None:
        """Create nothing yet: callers that only use callbacks need no second node.

        Args:
            asker: Whose context and namespace it takes.
            service: Absolute name, remapped already.
        """
        self._asker = asker
        self._service = service
        self._lock = threading.Lock()
        self._executor: SingleThreadedExecutor | None = None
        self._client: Client | None = None
        self._node: Node | None = None

    def call(self, request: MatchImages.Request, timeout_s: float) -> MatchImages.Response:
        """Return the response.

        Raises:
            EngineError: If there is no service, or no answer in time.
        """
        with self._lock:
            end = time.monotonic() + timeout_s
            client, executor = self._opened()
            if not client.wait_for_service(timeout_sec=timeout_s):
                raise EngineError(
                    f'nobody offers {self._service} within {timeout_s:g} s; start matcher_node, '
                    'or give its namespace in service'
                )
            future = client.call_async(request)
            executor.spin_until_future_complete(future, max(0.0, end - time.monotonic()))
            if not future.done():
                client.remove_pending_request(future)
                raise EngineError(
                    f'{self._service} did not answer within {timeout_s:g} s; check that '
                    'matcher_node runs and has time (its diagnostics say), or raise timeout_s'
                )
            return future.result()

    def close(self) -> None:
        """Destroy what was made."""
        with self._lock:
            if self._executor is not None and self._node is not None:
                self._executor.shutdown()
                self._node.destroy_node()
            self._executor = self._client = self._node = None

    def _opened(self) -> tuple[Client, SingleThreadedExecutor]:
        if self._client is None or self._executor is None:
            self._node = Node(
                f'{self._asker.get_name()}_asks_{uuid.uuid4().hex[:8]}',
                namespace=self._asker.get_namespace(),
                context=self._asker.context,
                use_global_arguments=False,
                enable_rosout=False,
                start_parameter_services=False,
            )
            self._client = _client_of(self._node, self._service)
            self._executor = SingleThreadedExecutor(context=self._asker.context)
            self._executor.add_node(self._node)
        return self._client, self._executor


def _client_of(node: Node, service: str) -> Client:
    return node.create_client(MatchImages, service, qos_profile=profile('reliable', QUEUE_DEPTH))


def reply_of(response: MatchImages.Response) -> MatchReply:
    """Read a response."""
    matches = response.matches
    return MatchReply(
        status=MatchStatus(response.status),
        text=response.text,
        result=MatchResult(
            points_first=points_of(matches.first_points),
            points_second=points_of(matches.second_points),
            confidence=np.array(matches.confidences, np.float32),
        ),
        inliers=np.array(matches.inliers, np.bool_),
        geometry=response.geometry,
    )


def _fill_side(request: MatchImages.Request, which: str, side: SideToMatch) -> None:
    seconds, nanoseconds = divmod(side.stamp_ns, 1_000_000_000)
    stamp = getattr(request, f'{which}_stamp')
    stamp.sec, stamp.nanosec = seconds, nanoseconds
    if side.image is not None:
        check_rgb_image(side.image, what=f'{which} image')
        check_pixels(*side.image.shape[:2], what=f'{which} image')
        image: Image = getattr(request, f'{which}_image')
        fill_image(image, side.image, 'rgb8')
        image.header.stamp = stamp
    if side.mask is not None:
        mask = side.mask.astype(np.uint8) * np.uint8(255)
        fill_image(getattr(request, f'{which}_mask'), mask, 'mono8')
    if side.camera is not None:
        info: CameraInfo = getattr(request, f'{which}_camera_info')
        fill_camera_info(info, side.camera)
        info.header.frame_id = side.camera.frame_id
