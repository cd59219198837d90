"""Stamps and headers, and a note on every message of this room.

Anything with the attributes of the ROS types will do: rclpy's classes, those of ``rosbags``, or
plain doubles in tests.
"""

from __future__ import annotations

from typing import Protocol, cast


class StampMessage(Protocol):
    """Fields of ``builtin_interfaces/Time``."""

    sec: int
    nanosec: int


class HeaderMessage(Protocol):
    """Fields of ``std_msgs/Header``."""

    stamp: StampMessage
    frame_id: str


def stamp_ns(stamp: StampMessage) -> int:
    """Return a stamp as nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


class WithHeader(Protocol):
    """Any message with a header."""

    header: HeaderMessage


def stamp_of(message: object) -> int:
    """Return the stamp of a message with a header, as nanoseconds."""
    return stamp_ns(cast(WithHeader, message).header.stamp)


def fill_header(header: HeaderMessage, *, stamp_ns: int, frame_id: str) -> None:
    """Set stamp and frame of a header."""
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    header.frame_id = frame_id
