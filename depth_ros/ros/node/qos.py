"""QoS profiles from parameters, and words for what DDS says about them.

REP 2003: sensor data is subscribed to as best effort, keep last, volatile, which matches every
publisher; outputs are offered as reliable, which matches every subscriber.
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble has them under this name
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

from depth_ros.ros.node.parameters import NodeParameters

Report = Callable[[str, str], None]

RELIABILITY: dict[str, ReliabilityPolicy] = {
    'reliable': ReliabilityPolicy.RELIABLE,
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
}
INCOMPATIBLE = 'incompatible_qos'
CAMERA_INFO_DEPTH = 5
DIAGNOSTICS_DEPTH = 10
LARGEST_LOSS = 100_000
"""More than any camera sends between two reports of DDS."""


def profile(reliability: str, depth: int) -> QoSProfile:
    """Return a keep-last, volatile profile."""
    return QoSProfile(
        reliability=RELIABILITY[reliability],
        durability=DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
    )


def input_profile(parameters: NodeParameters) -> QoSProfile:
    """Return the profile of image subscriptions."""
    return profile(parameters.input_reliability, parameters.input_depth)


def camera_info_profile(parameters: NodeParameters) -> QoSProfile:
    """Return the profile of camera_info subscriptions."""
    return profile(parameters.input_reliability, CAMERA_INFO_DEPTH)


def output_profile(parameters: NodeParameters) -> QoSProfile:
    """Return the profile of every output but diagnostics."""
    return profile(parameters.output_reliability, parameters.output_depth)


def diagnostics_profile() -> QoSProfile:
    """Return the profile of diagnostics, as diagnostic_aggregator expects it."""
    return profile('reliable', DIAGNOSTICS_DEPTH)


def subscription_events(
    topic: str, report: Report, on_lost: Callable[[int], None] | None = None
) -> SubscriptionEventCallbacks:
    """Watch a subscription for publishers it cannot match and for lost messages.

    Args:
        topic: Resolved name, for the message.
        report: Takes reason and text.
        on_lost: Takes the number of messages DDS says were lost since the last call.
    """

    def on_incompatible(event: object) -> None:
        report(
            f'{INCOMPATIBLE}:{topic}',
            f'{topic}: a publisher offers a {policy_name(event)} that this node does not accept, '
            'so none of its messages arrive; set input_reliability:=best_effort here, or '
            'reliable at the publisher',
        )

    def on_message_lost(event: object) -> None:
        if on_lost is not None:
            on_lost(plausible_loss(int(event.total_count_change)))  # type: ignore[attr-defined]

    return SubscriptionEventCallbacks(
        incompatible_qos=on_incompatible, message_lost=on_message_lost if on_lost else None
    )


def plausible_loss(count: int) -> int:
    """Return how many messages to count as lost.

    DDS counts the gap in a writer's sequence numbers, in 32 bits: a writer that jumps is reported
    as billions of losses, or as negative ones. That is one event, and no more is known of it.
    """
    return count if 0 < count <= LARGEST_LOSS else 1


def publisher_events(topic: str, report: Report) -> PublisherEventCallbacks:
    """Watch a publisher for subscribers it cannot match."""

    def on_incompatible(event: object) -> None:
        report(
            f'{INCOMPATIBLE}:{topic}',
            f'{topic}: a subscriber asks for a {policy_name(event)} that this node does not '
            'offer, so it receives nothing; set output_reliability:=reliable here, or '
            'best effort and volatile at the subscriber',
        )

    return PublisherEventCallbacks(incompatible_qos=on_incompatible)


def policy_name(event: object) -> str:
    """Name the policy that did not match, e.g. ``reliability``."""
    kind = int(event.last_policy_kind)  # type: ignore[attr-defined]
    names = {int(entry): entry.name.lower() for entry in QoSPolicyKind}
    return names.get(kind, f'policy {kind}')
