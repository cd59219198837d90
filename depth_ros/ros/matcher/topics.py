"""Matches out: answers to callers, and the topics of the latest pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image

from depth_ros.pictures.matches import match_picture
from depth_ros.ros.matcher.jobs import Answer, fill_whole_matches
from depth_ros.ros.matcher.parameters import MatcherParameters
from depth_ros.ros.node.publishers import OutputTopic, TopicPublishers, fill_map
from depth_ros.ros.node.roles import Job
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros_interfaces.msg import Matches


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchWanted:
    """What to compute: always all, since every job has a caller or a subscriber."""

    matches: bool = True


class MatcherOutputs:
    """Hands each answer to its job; answers for topic frames are published too."""

    def __init__(self, node: Node, parameters: MatcherParameters, warn: ThrottledWarnings) -> None:
        """Advertise the topics."""
        self._topics: TopicPublishers[Answer, MatcherParameters, MatchWanted] = TopicPublishers(
            node, parameters, warn, OUTPUT_TOPICS
        )

    def set_parameters(self, parameters: MatcherParameters) -> None:
        """Use other parameters from the next output on."""
        self._topics.set_parameters(parameters)

    def publish_alone(self, job: Job[Any]) -> None:
        """Publish nothing: no topic of this node goes without a result."""

    def rates(self) -> Sequence[TopicRate]:
        """Return how the messages of every topic go out."""
        return self._topics.rates()

    def details(self) -> Mapping[str, str]:
        """Add nothing to the diagnostics."""
        return {}

    def wanted(self) -> MatchWanted:
        """Return what to compute: always everything, with or without subscribers."""
        return MatchWanted()

    def has_subscribers(self) -> bool:
        """Whether a topic has subscribers."""
        return self._topics.wanted() is not None

    def publish(self, output: Answer, *, stamp_ns: int, frame_id: str) -> None:
        """Answer the job's caller; publish the matches of topic frames."""
        job = output.question.ticket.job
        if job.is_own:
            self._topics.publish(output, stamp_ns=stamp_ns, frame_id=frame_id)
        job.answer(output)


def _matches(message: Matches, answer: Answer, parameters: MatcherParameters) -> bool:
    fill_whole_matches(message, answer)
    return True


def _picture(message: Image, answer: Answer, parameters: MatcherParameters) -> bool:
    pair, inliers = answer.question.pair, answer.geometry.inliers
    return fill_map(message, match_picture(pair, answer.result, is_inlier=inliers), 'rgb8')


OUTPUT_TOPICS: tuple[OutputTopic[Answer, MatcherParameters, MatchWanted], ...] = (
    OutputTopic(
        name='matches',
        message_type=Matches,
        fill=_matches,
        needs=MatchWanted(),
        meaning='Matches of the newest frame with the one `pair_step` frames before it',
    ),
    OutputTopic(
        name='matches/image',
        message_type=Image,
        fill=_picture,
        needs=MatchWanted(),
        meaning='`rgb8` picture of them for RViz: lines from blue (least confident) to red, '
        'outliers grey',
    ),
)
"""Every output of the node but answers and diagnostics."""
