"""Multi-view node: one moving camera and its poses in; depth of keyframes and one cloud out.

This file only joins the parts: ``inputs`` chooses keyframes, ``topics`` is the table of outputs,
``task_node`` runs them. See ``docs/multiview.md``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2, PointField
from std_srvs.srv import Trigger

from depth_ros.errors import DepthRosError
from depth_ros.files.given_path import given_path
from depth_ros.geometry.depth import flat_cloud
from depth_ros.messages.clouds import fill_point_cloud
from depth_ros.messages.headers import fill_header
from depth_ros.ros.multiview.inputs import MultiviewInputs
from depth_ros.ros.multiview.job import (
    FusingProcessor,
    KeyframeOutput,
    KeyframeWanted,
    MultiviewInput,
    MultiviewJob,
    SharedCloud,
)
from depth_ros.ros.multiview.parameters import MultiviewParameters
from depth_ros.ros.multiview.topics import OUTPUT_TOPICS
from depth_ros.ros.node.company import Company
from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.help import NodeHelp, kinds_of
from depth_ros.ros.node.patient_service import PatientService
from depth_ros.ros.node.publishers import TopicPublishers
from depth_ros.ros.node.qos import output_profile, publisher_events
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.task_node import NodeParts, TaskNode
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.tasks.multiview.processor import MultiViewProcessor, open_multiview
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tensors import Progress

FUSED = 'fused/points'
POSE_POLL_S = 0.02
OpenMultiview = Callable[..., MultiViewProcessor]
CLOUD = KeyframeWanted(depth=True, cloud=True)


class MultiviewPublishers(TopicPublishers[KeyframeOutput, MultiviewParameters, KeyframeWanted]):
    """Publishes the depth of each reference and, at intervals, the fused cloud."""

    def __init__(
        self,
        node: Node,
        parameters: MultiviewParameters,
        warn: ThrottledWarnings,
        cloud: SharedCloud,
    ) -> None:
        """Advertise every topic."""
        super().__init__(node, parameters, warn, OUTPUT_TOPICS)
        self._cloud = cloud
        self._last_s = -float('inf')
        self._fused = open_publisher(
            node,
            PointCloud2,
            FUSED,
            output_profile(parameters),
            events=publisher_events(node.resolve_topic_name(FUSED), warn),
        )

    def set_parameters(self, parameters: MultiviewParameters) -> None:
        """Use other parameters from the next output on."""
        super().set_parameters(parameters)
        self._cloud.set_settings(parameters.settings.fusion)

    def wanted(self) -> KeyframeWanted | None:
        """Return which outputs have subscribers; a cloud to be kept counts as one."""
        if self._fused.get_subscription_count() or self.parameters.keep_map:
            return CLOUD
        return super().wanted()

    def publish(self, output: KeyframeOutput, *, stamp_ns: int, frame_id: str) -> None:
        """Publish on every topic that has subscribers."""
        super().publish(output, stamp_ns=stamp_ns, frame_id=frame_id)
        now = time.monotonic()
        is_due = now - self._last_s >= self.parameters.map_period_s
        if not (is_due and self._fused.get_subscription_count()):
            return
        points, colors = self._cloud.contents()
        if len(points) == 0:
            return
        self._last_s = now
        message = PointCloud2()
        fill_point_cloud(message, flat_cloud(points, colors), PointField)
        fill_header(message.header, stamp_ns=stamp_ns, frame_id=output.world_frame)
        self._fused.publish(message)

    def details(self) -> dict[str, str]:
        """Return the statistics of the cloud."""
        return self._cloud.counts()


class Finishing:
    """A pending request to compute the waiting keyframes."""

    def __init__(self, *, jobs: deque[MultiviewJob], send: Callable[[object], None]) -> None:
        """Take the jobs and what sends the response."""
        self.jobs = jobs
        self._send = send
        self._count = len(jobs)

    def answer(self) -> None:
        """Send the response."""
        text = f'{self._count} keyframes no longer wait for later ones'
        self._send(Trigger.Response(success=True, message=text))


class MultiviewNode(
    TaskNode[
        MultiviewParameters, MultiViewSettings, MultiviewInput, KeyframeWanted, KeyframeOutput
    ]
):
    """Owns the node and its parts; see ``run_node``."""

    inputs: MultiviewInputs

    def __init__(
        self, *, open_processor: OpenMultiview = open_multiview, company: Company | None = None
    ) -> None:
        """Declare parameters, advertise, and start opening the engine.

        Args:
            open_processor: Opens the processor; benchmarks and tests put their own here.
            company: Shared with other nodes of the process; None if it is alone there.

        Raises:
            ParameterError: If a start value is refused.
        """
        clouds: list[SharedCloud] = []

        def make_outputs(
            node: Node, parameters: MultiviewParameters, warn: ThrottledWarnings
        ) -> MultiviewPublishers:
            clouds.append(SharedCloud(parameters.settings.fusion))
            return MultiviewPublishers(node, parameters, warn, clouds[0])

        def open_fusing(
            settings: MultiViewSettings, *, progress: Progress | None = None
        ) -> FusingProcessor:
            return FusingProcessor(open_processor(settings, progress=progress), clouds[0])

        super().__init__(
            NodeParts(
                name='multiview_node',
                parameters=MultiviewParameters,
                open_processor=open_fusing,
                outputs=make_outputs,
                inputs=MultiviewInputs,
                job_noun='references',
                company=company,
            )
        )
        self.cloud = clouds[0]
        self.node.create_service(Trigger, '~/save_map', self._on_save_map)
        self.node.create_service(Trigger, '~/reset', self._on_reset)
        PatientService(self.node, Trigger, '~/finish', self._on_finish)
        self._finishing: deque[Finishing] = deque()
        self._was_idle = False
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(POSE_POLL_S, self._poll_inputs, clock=steady)

    def _poll_inputs(self) -> None:
        """Look for poses; go on with ``finish`` when nothing is in work, seen so twice."""
        self.inputs.poll()
        is_idle = self._worker.num_in_flight == 0
        if self._finishing and is_idle and self._was_idle:
            is_idle = False
            if self._finishing[0].jobs:
                self.put(self._finishing[0].jobs.popleft())
            else:
                self._finishing.popleft().answer()
        self._was_idle = is_idle

    def _on_save_map(self, request: Trigger.Request, response: Trigger.Response) -> object:
        text = self.outputs.parameters.map_file  # type: ignore[attr-defined]
        try:
            path = given_path(text, what="parameter 'map_file'")
            count = self.cloud.save(path)
        except DepthRosError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, f'{count} points written to {path.resolve()}'
        return response

    def _on_finish(self, request: object, send: Callable[[object], None]) -> None:
        """Compute what still waits for later keyframes, one after the other; then answer."""
        self._finishing.append(Finishing(jobs=deque(self.inputs.finish()), send=send))

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> object:
        count = self.cloud.reset()
        self.inputs.reset()
        response.success, response.message = True, f'{count} points and all keyframes forgotten'
        return response


HELP = NodeHelp(
    summary='one moving camera and its poses in; depth of keyframes and one cloud out',
    inputs={
        'image_raw': 'sensor_msgs/Image',
        'camera_info': 'sensor_msgs/CameraInfo',
        'odometry': 'nav_msgs/Odometry',
        'pose': 'geometry_msgs/PoseStamped (pose_source: pose)',
    },
    outputs={
        **kinds_of(OUTPUT_TOPICS),
        'fused/points': 'sensor_msgs/PointCloud2',
        '~/save_map, ~/finish, ~/reset': 'std_srvs/Trigger',
    },
    settings=MultiviewParameters.specs,
    example='-r odometry:=/odom',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node('multiview_node', MultiviewNode, args, help=HELP)
