"""One call for two synchronizers: ours, and the distro's ``message_filters`` where it exists.

The node uses ours, because it counts what it drops and says why; ``message_filters`` is for who
wants to compare. ``tests/ros/test_pair_filters.py`` holds both to one contract.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from std_msgs.msg import Header

from depth_ros.errors import ParameterError
from depth_ros.messages.headers import stamp_ns
from depth_ros.streams.synchronize import Side, StereoSynchronizer


class StampedMessage(Protocol):
    """Any message with a header."""

    header: Header


OnPair = Callable[[StampedMessage, StampedMessage], None]


class PairFilter(Protocol):
    """Takes images of both sides and calls back with pairs."""

    def add(self, side: Side, message: StampedMessage) -> None:
        """Take a message."""


class CountingPairFilter:
    """``StereoSynchronizer`` behind ``PairFilter``."""

    def __init__(self, on_pair: OnPair, *, max_difference_s: float, queue_size: int) -> None:
        """Call ``on_pair(left, right)`` with every pair."""
        self._on_pair = on_pair
        self.synchronizer: StereoSynchronizer[StampedMessage] = StereoSynchronizer(
            round(max_difference_s * 1e9), queue_size
        )

    def add(self, side: Side, message: StampedMessage) -> None:
        """Take a message."""
        for pair in self.synchronizer.add(side, stamp_ns(message.header.stamp), message):
            self._on_pair(pair.left, pair.right)


class MessageFiltersPairFilter:
    """``message_filters.ApproximateTimeSynchronizer`` behind ``PairFilter``."""

    def __init__(self, on_pair: OnPair, *, max_difference_s: float, queue_size: int) -> None:
        """Call ``on_pair(left, right)`` with every pair.

        Raises:
            ParameterError: If the distro has no ``message_filters``.
        """
        try:
            message_filters = import_module('message_filters')
        except ImportError as error:
            raise ParameterError(
                'message_filters is not installed; type: '
                'apt install ros-$ROS_DISTRO-message-filters, or use CountingPairFilter'
            ) from error
        self._filters = {side: message_filters.SimpleFilter() for side in Side}
        self._synchronizer = message_filters.ApproximateTimeSynchronizer(
            list(self._filters.values()), queue_size, max_difference_s
        )
        self._synchronizer.registerCallback(on_pair)

    def add(self, side: Side, message: StampedMessage) -> None:
        """Take a message."""
        self._filters[side].signalMessage(message)


PAIR_FILTERS: dict[str, type[CountingPairFilter] | type[MessageFiltersPairFilter]] = {
    'depth_ros': CountingPairFilter,
    'message_filters': MessageFiltersPairFilter,
}
"""Every implementation by name."""
