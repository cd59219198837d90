"""Mono node: one camera in, relative and, where its scale is known, metric depth out.

This file only joins the parts: ``inputs`` subscribes, ``topics`` is the table of outputs,
``task_node`` runs them. See ``docs/mono.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from depth_ros.ros.mono.inputs import MonoInputs
from depth_ros.ros.mono.job import MonoInput, ReferencedProcessor
from depth_ros.ros.mono.parameters import MonoParameters
from depth_ros.ros.mono.topics import (
    METRIC,
    OUTPUT_TOPICS,
    is_metric,
    may_be_metric,
    refine_values,
    scale_values,
)
from depth_ros.ros.node.company import Company
from depth_ros.ros.node.help import NodeHelp, kinds_of
from depth_ros.ros.node.navigation import NAVIGATION_TOPICS, NavigationPublishers
from depth_ros.ros.node.publishers import TopicPublishers, joined
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.task_node import NodeParts, TaskNode
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode
from depth_ros.tasks.mono.values import MonoOutput, MonoWanted
from depth_ros.tensors import Progress

NO_SCALE = (
    'scale.mode is none: depth is relative and goes to relative_depth/image only, unless poses '
    'come with the images (refine); for metres on depth/image and points without them set '
    'scale.mode to fixed, training_rig, camera_height, reference_depth or motion (docs/mono.md)'
)
POSE_POLL_S = 0.02
open_live = partial(open_mono, is_live=True)
OpenMono = Callable[..., MonoProcessor]


class MonoPublishers(TopicPublishers[MonoOutput, MonoParameters, MonoWanted]):
    """Publishes, and warns why metric depth is missing while its topics have subscribers."""

    def __init__(self, node: Node, parameters: MonoParameters, warn: ThrottledWarnings) -> None:
        """Advertise every topic."""
        super().__init__(node, parameters, warn, OUTPUT_TOPICS)
        self._navigation = NavigationPublishers(node, parameters, warn)
        self.last: MonoOutput | None = None
        self._warn = warn
        self._log = node.get_logger()
        self._tell_mode()

    def set_parameters(self, parameters: MonoParameters) -> None:
        """Use other parameters from the next output on."""
        is_told = is_metric(parameters) or not is_metric(self.parameters)
        super().set_parameters(parameters)
        self._navigation.set_parameters(parameters)
        if not is_told:
            self._tell_mode()

    def publish(self, output: MonoOutput, *, stamp_ns: int, frame_id: str) -> None:
        """Publish on every topic that has subscribers."""
        self.last = output
        scaled = output.scaled
        has_refined = output.refined is not None
        if scaled and scaled.reason and is_metric(self.parameters) and not has_refined:
            self._warn(scaled.slug, scaled.reason)
        if output.refusal is not None:
            self._warn(*output.refusal)
        super().publish(output, stamp_ns=stamp_ns, frame_id=frame_id)
        rgb = output.frame.image
        self._navigation.publish(output.depth, rgb, stamp_ns=stamp_ns, frame_id=frame_id)

    def rates(self) -> Sequence[TopicRate]:
        """Return how the messages of every topic go out."""
        return (*super().rates(), *self._navigation.rates())

    def wanted(self) -> MonoWanted | None:
        """Return which outputs have subscribers; None if there are none."""
        own = super().wanted()
        if not (may_be_metric(self.parameters) and self._navigation.is_wanted()):
            return own
        return joined([own or METRIC, METRIC])

    def details(self) -> dict[str, str]:
        """Return the last scale, how depth was refined, and what is left out, for diagnostics."""
        scaled = self.last.scaled if self.last else None
        return {
            **scale_values(self.parameters.settings.scale.mode, scaled),
            **refine_values(self.last),
            **self._navigation.details(),
        }

    def without_depth(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) where the last image had no depth of any kind."""
        last = self.last
        if last is None or last.refusal is None or last.depth is not None:
            return []
        is_relative = last.has_network and self.parameters.settings.refine is RefineMode.AUTO
        return [] if is_relative else [last.refusal]

    def _tell_mode(self) -> None:
        if not is_metric(self.parameters):
            self._log.info(NO_SCALE)


class MonoNode(TaskNode[MonoParameters, MonoSettings, MonoInput, MonoWanted, MonoOutput]):
    """Owns the node and its parts; see ``run_node``."""

    inputs: MonoInputs
    outputs: MonoPublishers

    def __init__(
        self, *, open_processor: OpenMono = open_live, company: Company | None = None
    ) -> None:
        """Declare parameters, advertise, and start opening the engine.

        Args:
            open_processor: Opens the processor; benchmarks and tests put their own here.
            company: Shared with other nodes of the process; None if it is alone there.

        Raises:
            ParameterError: If a start value is refused.
        """

        def open_referenced(
            settings: MonoSettings, *, progress: Progress | None = None
        ) -> ReferencedProcessor:
            return ReferencedProcessor(open_processor(settings, progress=progress))

        super().__init__(
            NodeParts(
                name='mono_node',
                parameters=MonoParameters,
                open_processor=open_referenced,
                outputs=MonoPublishers,
                inputs=MonoInputs,
                job_noun='images',
                company=company,
            )
        )
        self.inputs.without_depth = self.outputs.without_depth
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(POSE_POLL_S, self._look_for_poses, clock=steady)

    def _look_for_poses(self) -> None:
        self.inputs.poll()


HELP = NodeHelp(
    summary='one camera in; relative depth out, and metres from its motion or a known scale',
    inputs={
        'image_raw': 'sensor_msgs/Image',
        'camera_info': 'sensor_msgs/CameraInfo',
        'odometry': 'nav_msgs/Odometry (where there is one)',
        'pose': 'geometry_msgs/PoseStamped (pose_source: pose)',
    },
    outputs=kinds_of((*OUTPUT_TOPICS, *NAVIGATION_TOPICS)),
    settings=MonoParameters.specs,
    example='-r odometry:=/odom',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node('mono_node', MonoNode, args, help=HELP)
