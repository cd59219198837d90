"""Stereo node: camera topics in, disparity, depth and point cloud out; see ``docs/topics.md``.

This file only joins the parts: ``inputs`` pairs images, ``topics`` is the table of outputs,
``task_node`` runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from depth_ros.frames import StereoFrame
from depth_ros.ros.node.company import Company
from depth_ros.ros.node.help import NodeHelp, kinds_of
from depth_ros.ros.node.navigation import NAVIGATION_TOPICS
from depth_ros.ros.node.roles import OpenProcessor
from depth_ros.ros.node.runner import run_node
from depth_ros.ros.node.task_node import NodeParts, TaskNode
from depth_ros.ros.stereo.inputs import HintedInputs
from depth_ros.ros.stereo.parameters import StereoParameters
from depth_ros.ros.stereo.publishers import StereoPublishers
from depth_ros.ros.stereo.topics import OUTPUT_TOPICS
from depth_ros.tasks.networks import steps_to_choose
from depth_ros.tasks.stereo.processor import StereoOutput, Wanted, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Task

OPEN_LIVE = partial(open_stereo, is_live=True)
"""The first pairs of a running rig speak for the others."""


class StereoNode(TaskNode[StereoParameters, StereoSettings, StereoFrame, Wanted, StereoOutput]):
    """Owns the node and its parts; see ``run_node``."""

    def __init__(
        self,
        *,
        open_processor: OpenProcessor[
            StereoFrame, Wanted, StereoOutput, StereoSettings
        ] = OPEN_LIVE,
        company: Company | None = None,
    ) -> None:
        """Declare parameters, advertise, and start opening the engine.

        Args:
            open_processor: Opens the processor; benchmarks and tests put their own here.
            company: Shared with other nodes of the process; None if it is alone there.

        Raises:
            ParameterError: If a start value is refused.
        """
        if company and company.stereo:
            open_processor = company.stereo.open
        super().__init__(
            NodeParts(
                name='stereo_node',
                parameters=StereoParameters,
                open_processor=open_processor,
                outputs=StereoPublishers,
                inputs=HintedInputs,
                steps=partial(steps_to_choose, task=Task.STEREO),
                job_noun='pairs',
                company=company,
            )
        )


HELP = NodeHelp(
    summary='two cameras in; disparity, depth and point cloud out',
    inputs={
        'left/image_raw': 'sensor_msgs/Image',
        'left/camera_info': 'sensor_msgs/CameraInfo',
        'right/image_raw': 'sensor_msgs/Image',
        'right/camera_info': 'sensor_msgs/CameraInfo',
    },
    outputs=kinds_of((*OUTPUT_TOPICS, *NAVIGATION_TOPICS)),
    settings=StereoParameters.specs,
    example='-r left/image_raw:=/my_camera/left/image_raw -p model:=sgbm',
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run_node('stereo_node', StereoNode, args, help=HELP)
