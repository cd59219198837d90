"""What a node says of itself on ``/diagnostics``: its own state, then every topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from depth_ros.errors import DepthRosError
from depth_ros.ros.node.diagnostics import (
    DIAGNOSTICS,
    WARNING_DETAILS,
    NodeReport,
    diagnostic_array,
    faults_since,
    state_name,
    status_from,
)
from depth_ros.ros.node.endpoints import open_publisher
from depth_ros.ros.node.qos import diagnostics_profile
from depth_ros.ros.node.roles import InputTopic
from depth_ros.ros.node.statistics import StatisticsSnapshot
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros.ros.node.topic_status import input_status, output_status

SAME_NAME = 'duplicate_name'


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """How a node is at one moment.

    Attributes:
        report: Its counters.
        failure: Why it cannot go on, or None.
        degradation: Why it does not run as asked for; empty if it does.
        phase: What is being prepared; empty if nothing is.
        missing: (reason, sentence) for every topic without messages.
        inputs: What is subscribed to.
        outputs: What is published.
    """

    report: NodeReport
    failure: DepthRosError | None
    degradation: str
    phase: str
    missing: Sequence[tuple[str, str]]
    inputs: Sequence[InputTopic]
    outputs: Sequence[TopicRate]

    @property
    def is_error(self) -> bool:
        """Whether nothing comes out until somebody does something: it failed, a camera is dead."""
        return self.failure is not None or any(topic.is_dead for topic in self.inputs)


class Health:
    """Publishes the diagnostics of a node."""

    def __init__(self, node: Node, warn: ThrottledWarnings, *, job_noun: str) -> None:
        """Advertise.

        Args:
            node: The node.
            warn: Throttled warnings.
            job_noun: What a job is called in words, plural: ``'pairs'``.
        """
        self._node = node
        self._warn = warn
        self._job_noun = job_noun
        self._last_books: StatisticsSnapshot | None = None
        self._publisher = open_publisher(node, DiagnosticArray, DIAGNOSTICS, diagnostics_profile())

    def tell(self, condition: Condition) -> None:
        """Publish, and warn of topics without messages and of a node of the same name."""
        for reason, text in condition.missing:
            self._warn(reason, text)
        name = self._node.get_fully_qualified_name()
        self._tell_namesakes(name)
        statuses = [self._state(name, condition)]
        label = name.removeprefix('/')
        statuses += [
            input_status(
                label,
                topic.rate.snapshot(),
                timeout_s=topic.timeout_s,
                is_needed=topic.is_needed,
            )
            for topic in condition.inputs
        ]
        statuses += [
            output_status(label, rate.snapshot())
            for rate in condition.outputs
            if rate.num_messages
        ]
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(diagnostic_array(statuses, stamp))

    def _state(self, name: str, condition: Condition) -> DiagnosticStatus:
        report, failure = condition.report, condition.failure
        faults = faults_since(self._last_books, report.statistics)
        self._last_books = report.statistics
        words = [str(failure)] if failure is not None else []
        words += [condition.degradation] if condition.degradation else []
        words += [f'preparing: {condition.phase}'] if condition.phase and failure is None else []
        words += [text for _, text in condition.missing]
        words += [report.details[key] for key in WARNING_DETAILS if key in report.details]
        words += [
            f'{count} {self._job_noun} dropped: {reason}' for reason, count in faults.items()
        ]
        level = DiagnosticStatus.WARN if words else DiagnosticStatus.OK
        level = DiagnosticStatus.ERROR if condition.is_error else level
        message = '; '.join(words) or f'{report.statistics.rate_hz:.1f} Hz'
        return status_from(state_name(name), level, message, report.key_values())

    def _tell_namesakes(self, name: str) -> None:
        own = (self._node.get_name(), self._node.get_namespace())
        count = self._node.get_node_names_and_namespaces().count(own)
        if count > 1:
            self._warn(
                SAME_NAME,
                f'{count} nodes are called {name}: parameters and services reach either of them; '
                'give one of them another name (-r __node:=NAME) or namespace (-r __ns:=/NAME)',
            )
