"""Publishers and subscriptions whose quality of service a parameter file may change.

``qos_overrides./TOPIC.publisher.reliability`` and its like are declared as rclpy and rclcpp do
(ROS 2 design, "Configure QoS externally"): read at start, over the node's own parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions

from depth_ros.errors import ParameterError
from depth_ros.ros.node.company import CompanyNode
from depth_ros.ros.node.local_topics import (
    AnyPublisher,
    AnySubscription,
    LocalSubscription,
    LocalTopics,
)

if TYPE_CHECKING:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks

MessageT = TypeVar('MessageT')
EndT = TypeVar('EndT')
POLICIES = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
LARGEST_DEPTH = 1000


def open_publisher(
    node: Node,
    kind: type,
    name: str,
    profile: QoSProfile,
    *,
    events: PublisherEventCallbacks | None = None,
) -> AnyPublisher:
    """Advertise a topic with this quality of service, or what ``qos_overrides`` say.

    In company it serves the nodes of its process too.

    Raises:
        ParameterError: If an override is no quality of service.
    """
    opened = _opened(
        node,
        name,
        lambda: node.create_publisher(
            kind,
            name,
            copy(profile),
            event_callbacks=events,
            qos_overriding_options=_options(),
        ),
    )
    topics = local_topics(node)
    return topics.publisher(opened) if topics else opened


def open_subscription(
    node: Node,
    kind: type[MessageT],
    name: str,
    take: Callable[[MessageT], None],
    profile: QoSProfile,
    *,
    events: SubscriptionEventCallbacks | None = None,
    on_lost: Callable[[int], None] | None = None,
) -> AnySubscription:
    """Subscribe with this quality of service, or what ``qos_overrides`` say.

    What another node of this process publishes is read from there, without DDS.

    Args:
        node: Owner of the subscription.
        kind: Type of the messages.
        name: Name before remapping.
        take: Called with every message.
        profile: Quality of service.
        events: Of DDS.
        on_lost: Called with the number of messages that were not taken in time, in one process.

    Raises:
        ParameterError: If an override is no quality of service.
    """
    topics, topic = local_topics(node), node.resolve_topic_name(name)
    if topics and topics.has_publisher(topic, kind):
        return LocalSubscription(node, topics, topic, take, depth=profile.depth, on_lost=on_lost)
    return _opened(
        node,
        name,
        lambda: node.create_subscription(
            kind,
            name,
            take,
            copy(profile),
            event_callbacks=events,
            qos_overriding_options=_options(),
        ),
    )


def close_subscription(node: Node, subscription: AnySubscription) -> None:
    """Unsubscribe."""
    if isinstance(subscription, LocalSubscription):
        subscription.close()
    else:
        node.destroy_subscription(subscription)


def local_topics(node: Node) -> LocalTopics | None:
    """Return the topics of the node's process; None if it is alone there."""
    return node.local_topics if isinstance(node, CompanyNode) else None


def _opened(node: Node, name: str, make: Callable[[], EndT]) -> EndT:
    try:
        return make()
    except (InvalidQosOverridesError, InvalidParameterTypeException, RuntimeError) as error:
        if 'override' not in str(error):  # rclpy raises RuntimeError for much else
            raise
        topic = node.resolve_topic_name(name)
        raise ParameterError(
            f'a parameter qos_overrides.{topic}... is refused ({error}); history is keep_last or '
            f'keep_all, depth 1..{LARGEST_DEPTH}, reliability reliable or best_effort, durability '
            'volatile or transient_local'
        ) from None


def _options() -> QoSOverridingOptions:
    return QoSOverridingOptions(POLICIES, callback=_checked)


def _checked(profile: QoSProfile) -> SetParametersResult:
    is_possible = isinstance(profile.depth, int) and 1 <= profile.depth <= LARGEST_DEPTH
    return SetParametersResult(
        successful=is_possible, reason='' if is_possible else f'depth is {profile.depth!r}'
    )
