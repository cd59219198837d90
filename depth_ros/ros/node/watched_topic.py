"""A subscription that counts its messages and measures the time since the last one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from rclpy.node import Node
from rclpy.qos import QoSProfile

from depth_ros.ros.node.qos import subscription_events
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings

MessageT = TypeVar('MessageT')
SILENT_S = 5.0


class WatchedTopic(Generic[MessageT]):
    """One topic.

    Attributes:
        name: Resolved name.
        num_received: Messages received.
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
            on_lost: Called with the number of messages lost in transport.
        """
        self.name = node.resolve_topic_name(name)
        self.num_received = 0
        self._take = take
        self._last_s = time.monotonic()
        events = subscription_events(self.name, warn, on_lost)
        node.create_subscription(kind, name, self._on_message, profile, event_callbacks=events)

    def missing(self, reason: str, what: str, remedy: str) -> list[tuple[str, str]]:
        """Return (reason, sentence) after a long silence; ``remedy`` ends the sentence."""
        silent_s = time.monotonic() - self._last_s
        if silent_s <= SILENT_S:
            return []
        return [(reason, f'no {what} on {self.name} for {silent_s:.0f} s{remedy}')]

    def _on_message(self, message: MessageT) -> None:
        self._last_s = time.monotonic()
        self.num_received += 1
        self._take(message)
