"""Frames of a camera and requests of callers in, jobs out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from rclpy.node import Node

from depth_ros.camera import PinholeCamera, rectified_camera
from depth_ros.errors import DepthRosError, InputError
from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.matcher.jobs import MatchJob, Request, Response, ServiceJob, TopicJob, refusal
from depth_ros.ros.matcher.messages import MatchStatus, check_limits, request_camera, status_of
from depth_ros.ros.matcher.parameters import MEGABYTE, MatcherParameters
from depth_ros.ros.matcher.views import MatchView
from depth_ros.ros.node.camera_input import CameraInput, ImageMessage
from depth_ros.ros.node.cameras import Cameras
from depth_ros.ros.node.patient_service import PatientService
from depth_ros.ros.node.roles import InputCounts, InputTopic
from depth_ros.ros.node.task_node import Inbox
from depth_ros.streams.fair_queue import FairQueue
from depth_ros.streams.recent_frames import RecentFrames
from depth_ros_interfaces.srv import MatchImages

SERVICE = 'match_images'
NOT_READY = 'the matcher is still being opened; ask again in a few seconds'


class MatcherInputs:
    """Keeps recent frames, offers the service, and pairs frames for the topic.

    The service is offered from the start, so that callers learn that it is not ready yet.
    """

    def __init__(
        self,
        node: Node,
        parameters: MatcherParameters,
        inbox: Inbox[MatchJob],
        *,
        queue: FairQueue[MatchJob],
        has_subscribers: Callable[[], bool],
    ) -> None:
        """Offer the service; nothing is subscribed to before ``start``.

        Args:
            node: The node.
            parameters: Start values.
            inbox: Takes jobs.
            queue: Where they wait; its limits are parameters.
            has_subscribers: Whether the topic of matches has subscribers.
        """
        self._node = node
        self._inbox = inbox
        self._queue = queue
        self._has_subscribers = has_subscribers
        self._recent: RecentFrames[MatchView] = RecentFrames(max_frames=1, max_bytes=1)
        self._num_requests = 0
        self._answers: Counter[str] = Counter()
        self._is_ready = False
        self.input = ''
        self._camera = CameraInput(node, parameters, on_image=self._on_image, warn=inbox.warn)
        self._cameras = Cameras([self._camera], inbox.warn)
        self.set_parameters(parameters)
        self._service = PatientService(node, MatchImages, SERVICE, self._on_request)

    def start(self) -> bool:
        """Accept requests, and subscribe once the topic is known."""
        self._is_ready = True
        self.input = self._cameras.choose(self._parameters.input)
        if not self.input:
            return False
        ready = f'ready for requests on {self._node.resolve_service_name(SERVICE)}'
        if self.input != 'none':
            self._cameras.subscribe(self.input)
            ready = f'{ready}; {self._cameras.describe()}'
        self._node.get_logger().info(ready)
        return True

    def set_parameters(self, parameters: MatcherParameters) -> None:
        """Take over what can change while running."""
        self._parameters = parameters
        self._recent.set_limits(
            max_frames=max(parameters.recent_frames, parameters.pair_step + 1),
            max_bytes=parameters.recent_megabytes * MEGABYTE,
        )
        self._queue.set_limits(
            capacity=parameters.queue_size, max_bytes=parameters.queue_megabytes * MEGABYTE
        )

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return self._cameras.topics()

    def missing(self) -> list[tuple[str, str]]:
        """Return what is missing of the topic; requests that bring their images need none."""
        if self.input == 'none':
            return []
        # A calibration is optional: matches do not need it.
        return [entry for entry in self._cameras.missing() if entry[0] != 'no_camera_info']

    def counts(self) -> InputCounts:
        """Return the counters; ``requests == answers`` while no request is pending."""
        totals = {
            'requests': self._num_requests,
            'answers': sum(self._answers.values()),
            'received': self._camera.num_received,
            'lost': self._camera.num_lost,
            'recent_frames': len(self._recent),
        }
        return InputCounts(totals=totals, by_reason={'answered': dict(self._answers)})

    def close(self) -> None:
        """Send the answers that are ready; the queue has refused what waited."""
        self._service.flush()

    def _on_image(self, message: ImageMessage) -> None:
        stamp = stamp_ns(message.header.stamp)
        if not stamp:
            text = f'an image on {self._camera.image_topic} has no stamp; set it in the driver'
            self._inbox.refuse(InputError('zero_stamp', text))
            return
        view = self._recent_view(message, stamp)
        self._recent.add(stamp, view, num_bytes=view.num_bytes)
        earlier = self._recent.before_newest(self._parameters.pair_step)
        # Equal or falling stamps: a bag that restarted, or a driver that repeats stamps.
        if earlier and earlier.stamp_ns < stamp and self._has_subscribers():
            self._inbox.put(TopicJob(views=(earlier, view)))

    def _recent_view(self, message: ImageMessage, stamp: int) -> MatchView:
        try:
            camera = self._camera.info.camera()
        except InputError as error:
            return self._match_view(message, stamp, None, no_camera=error, is_recent=True)
        if self._cameras.is_rectified:
            camera = rectified_camera(camera)
        return self._match_view(message, stamp, camera, is_recent=True)

    def _on_request(self, request: Request, send: Callable[[Response], None]) -> None:
        """Queue a request, or answer at once why it is refused."""
        self._num_requests += 1

        def answer(response: Response) -> None:
            self._answers[MatchStatus(response.status).name.lower()] += 1
            send(response)

        if not (self._is_ready and self._inbox.is_active):
            answer(refusal(MatchStatus.NOT_READY, NOT_READY))
            return
        try:
            check_limits(request)
            job = self._job(request, answer)
        except DepthRosError as error:
            if isinstance(error, InputError):
                self._inbox.refuse(error)
            answer(refusal(status_of(error), str(error)))
            return
        self._inbox.put(job)

    def _job(self, request: Request, send: Callable[[Response], None]) -> ServiceJob:
        views = (self._view(request, 'first'), self._view(request, 'second'))
        limit_s = self._parameters.max_wait_s
        return ServiceJob(
            request=request,
            views=views,
            max_wait_s=min(limit_s, request.max_wait_s or limit_s),
            send=send,
            count=self._inbox.refuse,
        )

    def _view(self, request: Request, which: str) -> MatchView:
        """Return an image that was sent, or the frame that was named."""
        image = getattr(request, f'{which}_image')
        info = getattr(request, f'{which}_camera_info')
        camera = request_camera(info, what=f'{which} camera_info')
        if len(image.data) or image.width or image.height:
            stamp = stamp_ns(image.header.stamp)
            view = self._match_view(image, stamp, camera)
            view.check_size(what=f'{which} image')
            return view
        stamp = stamp_ns(getattr(request, f'{which}_stamp'))
        if not stamp:
            raise InputError(
                'request',
                f'the request has neither a {which} image nor a {which}_stamp; send one of them',
            )
        frame = self._recent.at(stamp)
        if camera is None:
            return frame
        return self._match_view(frame.message, stamp, camera, is_recent=True)

    def _match_view(
        self,
        message: ImageMessage,
        stamp: int,
        camera: PinholeCamera | None,
        *,
        no_camera: DepthRosError | None = None,
        is_recent: bool = False,
    ) -> MatchView:
        return MatchView(
            message=message,
            stamp_ns=stamp,
            camera=camera,
            no_camera=no_camera,
            is_recent=is_recent,
            low_bits=self._parameters.low_bits,
        )
