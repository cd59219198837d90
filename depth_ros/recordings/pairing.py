"""Which images of two cameras belong together, decided by what lies near them alone.

A pairing that depends on everything before it would differ between segments. Here two images pair
if their stamps differ by no more than is allowed, they were recorded within the overlap, and each
is the nearest to the other; the earlier one wins a tie.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from depth_ros.recordings.recording import Position


@dataclass(frozen=True, kw_only=True, slots=True)
class StampedMessage:
    """A message with a header, found in a segment or beside it.

    Attributes:
        topic: Its topic.
        position: Where it lies.
        stamp_ns: Stamp of its header.
        frame_id: Frame of its header.
        publish_ns: Time of publishing, as recorded.
        is_own: Whether it lies in the segment itself.
    """

    topic: str
    position: Position
    stamp_ns: int
    frame_id: str
    publish_ns: int
    is_own: bool


def is_near(one: StampedMessage, other: StampedMessage, overlap_ns: int) -> bool:
    """Return whether two messages were recorded within the overlap."""
    return abs(other.position.time_ns - one.position.time_ns) <= overlap_ns


def recorded_near(
    ordered: Sequence[StampedMessage], image: StampedMessage, overlap_ns: int
) -> list[StampedMessage]:
    """Return the messages within the overlap of an image, of messages in order of recording."""
    time_ns = image.position.time_ns
    first = bisect_left(ordered, time_ns - overlap_ns, key=_time_ns)
    last = bisect_right(ordered, time_ns + overlap_ns, key=_time_ns)
    return list(ordered[first:last])


def nearest_stamp(others: Sequence[StampedMessage], image: StampedMessage) -> StampedMessage:
    """Return the message whose stamp is nearest to an image's; the earlier one wins a tie."""
    return min(others, key=lambda other: _rank(image, other))


def partners(
    lefts: Sequence[StampedMessage],
    rights: Sequence[StampedMessage],
    *,
    max_difference_ns: int,
    overlap_ns: int,
) -> dict[Position, StampedMessage]:
    """Return the partner of every image that has one, by the position of the image.

    Args:
        lefts: Images of one camera.
        rights: Images of the other.
        max_difference_ns: Largest difference of the stamps.
        overlap_ns: Largest difference of the times of recording.
    """
    nearest_right = _nearest(lefts, rights, max_difference_ns, overlap_ns)
    nearest_left = _nearest(rights, lefts, max_difference_ns, overlap_ns)
    found: dict[Position, StampedMessage] = {}
    for left in lefts:
        right = nearest_right.get(left.position)
        if right is not None and nearest_left.get(right.position) is left:
            found[left.position], found[right.position] = right, left
    return found


def _nearest(
    ones: Sequence[StampedMessage],
    others: Sequence[StampedMessage],
    max_difference_ns: int,
    overlap_ns: int,
) -> dict[Position, StampedMessage]:
    ordered = sorted(others, key=lambda other: (other.stamp_ns, other.position))
    stamps = [other.stamp_ns for other in ordered]
    found: dict[Position, StampedMessage] = {}
    for one in ones:
        first = bisect_left(stamps, one.stamp_ns - max_difference_ns)
        last = bisect_left(stamps, one.stamp_ns + max_difference_ns + 1)
        near = [
            other
            for other in ordered[first:last]
            if abs(other.position.time_ns - one.position.time_ns) <= overlap_ns
        ]
        if near:
            found[one.position] = nearest_stamp(near, one)
    return found


def _time_ns(message: StampedMessage) -> int:
    return message.position.time_ns


def _rank(one: StampedMessage, other: StampedMessage) -> tuple[int, Position]:
    return (abs(other.stamp_ns - one.stamp_ns), other.position)
