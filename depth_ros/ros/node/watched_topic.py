"""A subscription that counts its messages and measures the time since the last one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, TypeVar

from rclpy.node import Node
from rclpy.qos import QoSProfile

from depth_ros.messages.headers import stamp_ns
from depth_ros.ros.node.endpoints import close_subscription, open_subscription
from depth_ros.ros.node.local_topics import AnySubscription
from depth_ros.ros.node.qos import subscription_events
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate

MessageT = TypeVar('MessageT')


class WatchedTopic(Generic[MessageT]):
    """One topic.

    Attributes:
        name: Resolved name.
        rate: How its messages come.
        timeout_s: Longest silence; infinite where the topic may be silent.
        is_needed: Whether nothing comes out while it is silent: ERROR, else WARN.
    """

    def __init__(
        self,
        node: Node,
        kind: type[MessageT],
        name: str,
        take: Callable[[MessageT], None],
        *,
        profile: QoSProfile,
        warn: ThrottledWarnings,
        timeout_s: float = math.inf,
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        """Subscribe.

        Args:
            node: Owner of the subscription.
            kind: Type of the messages.
            name: Name before remapping.
            take: Called with every message.
            profile: Quality of service.
            warn: Called for publishers with incompatible QoS.
            timeout_s: Longest silence.
            on_lost: Called with the number of messages lost in transport.
        """
        self.name = node.resolve_topic_name(name)
        self.rate = TopicRate(self.name)
        self.timeout_s = timeout_s
        self.is_needed = True
        self._node = node
        self._take = take
        events = subscription_events(self.name, warn, on_lost)
        self._open: Callable[[], AnySubscription] = lambda: open_subscription(
            node, kind, name, self._on_message, profile, events=events, on_lost=on_lost
        )
        self._subscription: AnySubscription | None = self._open()

    @property
    def num_received(self) -> int:
        """Messages received."""
        return self.rate.num_messages

    @property
    def is_dead(self) -> bool:
        """Whether it is needed and was silent for too long."""
        return self.is_needed and self.rate.silent_s > self.timeout_s

    def pause(self) -> None:
        """Unsubscribe; counters stay."""
        if self._subscription is not None:
            close_subscription(self._node, self._subscription)
            self._subscription = None

    def resume(self) -> None:
        """Subscribe again."""
        if self._subscription is None:
            self.rate.restart()
            self._subscription = self._open()

    def missing(self, reason: str, what: str, remedy: str) -> list[tuple[str, str]]:
        """Return (reason, sentence) after a long silence; ``remedy`` ends the sentence."""
        silent_s = self.rate.silent_s
        if silent_s <= self.timeout_s:
            return []
        return [(reason, f'no {what} on {self.name} for {silent_s:.0f} s{remedy}')]

    def _on_message(self, message: MessageT) -> None:
        header = message.header  # type: ignore[attr-defined]
        now_ns = self._node.get_clock().now().nanoseconds
        self.rate.add(stamp_ns(header.stamp), header.frame_id, now_ns)
        self._take(message)
