"""Topics between the nodes of one process: messages are handed over as they are, not through DDS.

A publisher serves the other nodes of its process and whoever subscribes over DDS. A message that
was published belongs to everybody and is not changed by anybody. Quality of service has no part in
it: what a reader cannot take in time is replaced by what comes next, as with ``keep_last``.
Topics that a whole robot publishes on (``EVERYBODYS``) stay on DDS.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy
from rclpy.subscription import Subscription

EVERYBODYS = ('/diagnostics', '/tf', '/tf_static', '/bond', '/rosout', '/clock')


class LocalTopics:
    """Publishers and readers of one process, by resolved name. Thread-safe."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._kinds: dict[str, type] = {}
        self._readers: dict[str, list[LocalSubscription]] = {}

    def publisher(self, opened: Publisher) -> AnyPublisher:
        """Let a publisher serve the nodes of this process too."""
        if opened.topic_name in EVERYBODYS:
            return opened
        with self._lock:
            self._kinds[opened.topic_name] = opened.msg_type
        return LocalPublisher(opened, self)

    def has_publisher(self, topic: str, kind: type) -> bool:
        """Whether a node of this process publishes such messages there."""
        with self._lock:
            return self._kinds.get(topic) is kind

    def readers(self, topic: str) -> list[LocalSubscription]:
        """Return who reads a topic in this process."""
        with self._lock:
            return list(self._readers.get(topic, ()))

    def add(self, reader: LocalSubscription) -> None:
        """Hand messages to a reader from now on."""
        with self._lock:
            self._readers.setdefault(reader.topic, []).append(reader)

    def remove(self, reader: LocalSubscription) -> None:
        """Hand it nothing more."""
        with self._lock:
            self._readers[reader.topic].remove(reader)


class LocalPublisher:
    """A publisher that hands messages to readers of its process first."""

    def __init__(self, opened: Publisher, topics: LocalTopics) -> None:
        """Serve both sides."""
        self._opened = opened
        self._topics = topics
        self._topic = opened.topic_name
        durability = opened.qos_profile.durability
        self._keeps_last = durability == DurabilityPolicy.TRANSIENT_LOCAL

    def get_subscription_count(self) -> int:
        """Return how many read, in this process and elsewhere."""
        return len(self._topics.readers(self._topic)) + self._opened.get_subscription_count()

    def publish(self, message: object) -> None:
        """Hand a message over; DDS gets it where somebody elsewhere reads, or may later."""
        for reader in self._topics.readers(self._topic):
            reader.put(message)
        if self._keeps_last or self._opened.get_subscription_count():
            self._opened.publish(message)


class LocalSubscription:
    """Reads what another node of this process publishes; callbacks run in the node's executor."""

    def __init__(
        self,
        node: Node,
        topics: LocalTopics,
        topic: str,
        take: Callable[[Any], None],
        *,
        depth: int,
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        """Read from now on.

        Args:
            node: In whose executor ``take`` is called.
            topics: Those of the process.
            topic: Resolved name.
            take: Called with every message, which it must not change.
            depth: Messages that wait; the oldest goes when another one comes.
            on_lost: Called with the number of messages that went.
        """
        self.topic = topic
        self._node = node
        self._topics = topics
        self._take = take
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._waiting: deque[object] = deque(maxlen=depth)
        self._num_lost = 0
        self._wake = node.create_guard_condition(self._drain)
        topics.add(self)

    def put(self, message: object) -> None:
        """Leave a message, in any thread."""
        with self._lock:
            self._num_lost += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(message)
            if self._wake is not None:
                self._wake.trigger()

    def close(self) -> None:
        """Read no more; what waits is dropped."""
        self._topics.remove(self)
        with self._lock:
            wake, self._wake = self._wake, None
            self._waiting.clear()
        if wake is not None:
            self._node.destroy_guard_condition(wake)

    def _drain(self) -> None:
        """Take one message; come again for the next, so that other callbacks get their turn."""
        with self._lock:
            message = self._waiting.popleft() if self._waiting else None
            num_lost, self._num_lost = self._num_lost, 0
            if self._waiting and self._wake is not None:
                self._wake.trigger()
        if num_lost and self._on_lost is not None:
            self._on_lost(num_lost)
        if message is not None:
            self._take(message)


AnyPublisher: TypeAlias = 'Publisher | LocalPublisher'
AnySubscription: TypeAlias = 'Subscription | LocalSubscription'
