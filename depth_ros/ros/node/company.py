"""What the nodes of one process share, and a node that may share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rclpy.lifecycle import LifecycleNode

from depth_ros.errors import ParameterError
from depth_ros.ros.node.local_topics import LocalTopics
from depth_ros.ros.node.speaker import SPEAKER
from depth_ros.ros.node.words import BEGIN, refused_by_ros
from depth_ros.tasks.stereo.shared import StereoLender


@dataclass(frozen=True, kw_only=True, slots=True)
class Company:
    """Shared by the nodes of one process.

    Attributes:
        topics: Hands messages over.
        stereo: Lends the stereo node's processor; None where nobody would borrow it.
        words: Words for ROS that concern one node, by its usual name.
    """

    topics: LocalTopics = field(default_factory=LocalTopics)
    stereo: StereoLender | None = None
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)


class CompanyNode(LifecycleNode):
    """A managed node, alone or in company.

    Attributes:
        local_topics: Those of its process; None if it is alone there.
    """

    def __init__(self, name: str, company: Company | None, **options: bool) -> None:
        """Make the node; the options are rclpy's.

        Raises:
            ParameterError: If ROS cannot read the words that concern it.
        """
        self.local_topics = company.topics if company else None
        words = company.words.get(name) if company else None
        try:
            super().__init__(name, cli_args=[BEGIN, *words] if words else None, **options)
        except RuntimeError as error:
            raise ParameterError(f'{name}: {refused_by_ros(error)}') from error
        SPEAKER.set(self.get_logger())
