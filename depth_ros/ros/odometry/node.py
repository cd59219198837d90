"""Odometry node: stereo, RGB-D or one camera in, the robot's pose and tracking state out.

This file only joins the parts: ``inputs`` subscribes, ``topics`` publishes,
``task_node`` runs them. See ``docs/odometry.md``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from depth_ros.frames import CameraFrame
from depth_ros.ros.node.company import Company
from depth_ros.ros.node.help import NodeHelp
from depth_ros.ros.node.interfaces import require_interfaces
from depth_ros.ros.node.roles import Inputs, OpenProcessor
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.task_node import Inbox, NodeParts, TaskNode
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.odometry.parameters import OdometryParameters
from depth_ros.tasks.odometry.processor import OdometryProcessor, open_odometry
from depth_ros.tasks.odometry.settings import OdometrySettings
from depth_ros.tasks.odometry.values import OdometryOutput, Reason
from depth_ros.tensors import Progress

if TYPE_CHECKING:
    from depth_ros.ros.odometry.topics import OdometryPublishers

SILENCE_POLL_S = 0.1
MOUNT_POLL_S = 0.02
MONO = (
    'source is mono: direction and rotation only, no metres, so odometry, path and TF stay '
    'silent; set source to stereo or rgbd for those'
)


class OdometryNode(
    TaskNode[OdometryParameters, OdometrySettings, CameraFrame, bool, OdometryOutput]
):
    """Owns the node and its parts; see ``run_node``."""

    def __init__(
        self,
        *,
        open_processor: OpenProcessor[
            CameraFrame, bool, OdometryOutput, OdometrySettings
        ] = open_odometry,
        company: Company | None = None,
    ) -> None:
        """Declare parameters, advertise, and start opening the model.

        Args:
            open_processor: Opens the processor; benchmarks and tests put their own here.
            company: Shared with other nodes of the process; None if it is alone there.

        Raises:
            ParameterError: If a start value is refused.
            DepthRosError: If depth_ros_interfaces is not built.
        """
        require_interfaces()
        lender = company.stereo if company else None

        def open_borrowing(
            settings: OdometrySettings, *, progress: Progress | None = None
        ) -> OdometryProcessor:
            borrows = self._declared.current.keyframe_depth == 'auto'
            return open_odometry(settings, progress=progress, lender=lender if borrows else None)

        super().__init__(
            NodeParts(
                name='odometry_node',
                parameters=OdometryParameters,
                open_processor=open_borrowing if lender else open_processor,
                outputs=_make_outputs,
                inputs=_make_inputs,
                job_noun='frames',
                company=company,
            )
        )
        self.node.create_service(Trigger, '~/reset', self._reset)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(SILENCE_POLL_S, self._watch, clock=steady)
        self.node.create_timer(MOUNT_POLL_S, self._topics.poll, clock=steady)
        if not self._declared.current.settings.is_metric:
            self.node.get_logger().info(MONO)

    @property
    def _topics(self) -> OdometryPublishers:
        return cast('OdometryPublishers', self.outputs)

    @property
    def _processor(self) -> OdometryProcessor | None:
        return cast('OdometryProcessor | None', self._worker.processor)

    def _watch(self) -> None:
        """Publish once that frames stopped: the last pose is outdated."""
        topics, processor = self._topics, self._processor
        silent_s = time.monotonic() - topics.last_output_s
        is_busy = self._worker.num_in_flight > 0
        if processor is None or topics.last is None or is_busy:
            return
        is_told = topics.last.reason is Reason.NO_FRAMES
        if silent_s > self._declared.current.silence_s and not is_told:
            text = f'no usable frame for {silent_s:.1f} s; check the camera topics'
            topics.publish_status(processor.notice_silence(text))

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Forget everything; the next good frame is the new origin."""
        processor = self._processor
        response.success = processor is not None
        if processor is None:
            response.message = 'the model is still being opened; there is nothing to reset'
            return response
        output = processor.reset()
        self._topics.publish_status(output)
        response.message = output.text
        return response


def _make_outputs(
    node: Node, parameters: OdometryParameters, warn: ThrottledWarnings
) -> OdometryPublishers:
    from depth_ros.ros.odometry.topics import OdometryPublishers

    return OdometryPublishers(node, parameters, warn)


def _make_inputs(
    node: Node, parameters: OdometryParameters, inbox: Inbox
) -> Inputs[OdometryParameters]:
    from depth_ros.ros.odometry.inputs import INPUTS

    return INPUTS[parameters.settings.source](node, parameters, inbox)


HELP = NodeHelp(
    summary='stereo, RGB-D or one camera in; pose, path and state out',
    inputs={
        'left/image_raw': 'sensor_msgs/Image',
        'left/camera_info': 'sensor_msgs/CameraInfo',
        'right/image_raw': 'sensor_msgs/Image',
        'right/camera_info': 'sensor_msgs/CameraInfo',
        'image_raw': 'sensor_msgs/Image (source: rgbd or mono)',
        'depth/image': 'sensor_msgs/Image (source: rgbd)',
    },
    outputs={
        'odometry': 'nav_msgs/Odometry',
        'path': 'nav_msgs/Path',
        'odometry/status': 'depth_ros_interfaces/OdometryStatus',
        'direction': 'geometry_msgs/Vector3Stamped (source: mono)',
        'rotation': 'geometry_msgs/QuaternionStamped (source: mono)',
        '/tf': 'odom_frame to base_frame (publish_tf)',
        '~/reset': 'std_srvs/Trigger',
    },
    settings=OdometryParameters.specs,
    example='-p base_frame:=base_link',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node('odometry_node', OdometryNode, args, help=HELP)
