"""Matcher node: a service that matches two images, and matches of the latest pair of frames.

This file only joins the parts; see ``docs/matching.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rclpy.node import Node

from depth_ros.ros.matcher.parameters import MatcherParameters
from depth_ros.ros.node.company import Company
from depth_ros.ros.node.help import NodeHelp
from depth_ros.ros.node.interfaces import require_interfaces
from depth_ros.ros.node.roles import OpenProcessor
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.task_node import Inbox, NodeParts, TaskNode
from depth_ros.streams.fair_queue import FairQueue
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.matching.settings import MatchSettings

if TYPE_CHECKING:
    from depth_ros.ros.matcher.jobs import Answer, MatchJob, Question
    from depth_ros.ros.matcher.topics import MatchWanted


class MatcherNode(
    TaskNode['MatcherParameters', 'MatchSettings', 'Question', 'MatchWanted', 'Answer']
):
    """Owns the node and its parts; see ``run_node``."""

    def __init__(
        self,
        *,
        open_processor: OpenProcessor[Question, MatchWanted, Answer, MatchSettings] = open_matcher,
        company: Company | None = None,
    ) -> None:
        """Declare parameters, offer service and topics, and start opening the matcher.

        Args:
            open_processor: Opens the processor; benchmarks and tests put their own here.
            company: Shared with other nodes of the process; None if it is alone there.

        Raises:
            ParameterError: If a start value is refused.
            DepthRosError: If depth_ros_interfaces is not built.
        """
        require_interfaces()
        from depth_ros.ros.matcher.inputs import MatcherInputs
        from depth_ros.ros.matcher.jobs import refuse
        from depth_ros.ros.matcher.topics import MatcherOutputs

        queue: FairQueue[MatchJob] = FairQueue(capacity=1, max_bytes=0, on_refused=refuse)

        def make_inputs(
            node: Node, parameters: MatcherParameters, inbox: Inbox[MatchJob]
        ) -> MatcherInputs:
            assert isinstance(self.outputs, MatcherOutputs)
            return MatcherInputs(
                node, parameters, inbox, queue=queue, has_subscribers=self.outputs.has_subscribers
            )

        super().__init__(
            NodeParts(
                name='matcher_node',
                parameters=MatcherParameters,
                open_processor=open_processor,
                outputs=MatcherOutputs,
                inputs=make_inputs,
                job_noun='requests or pairs',
                queue=lambda: queue,
                on_failed=lambda job, error: job.fail(error),
                company=company,
            )
        )


HELP = NodeHelp(
    summary='two images in; point pairs and their geometry out, as a service and a topic',
    inputs={
        'image_raw': 'sensor_msgs/Image',
        'camera_info': 'sensor_msgs/CameraInfo',
    },
    outputs={
        'match_images': 'depth_ros_interfaces/srv/MatchImages',
        'matches': 'depth_ros_interfaces/Matches',
        'matches/image': 'sensor_msgs/Image',
    },
    settings=MatcherParameters.specs,
    example='-p model:=loftr_tiny',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node('matcher_node', MatcherNode, args, help=HELP)
