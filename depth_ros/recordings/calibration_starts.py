"""Where the calibrations of a recording begin: told by all of a camera_info but its stamp."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from depth_ros.errors import InputError
from depth_ros.recordings.recording import RecordedMessage, Recording


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationStart:
    """The first camera_info of one content.

    Attributes:
        topic: Its topic.
        log_ns: Its time of recording.
        digest: SHA-256 of all but its stamp, in hexadecimal.
    """

    topic: str
    log_ns: int
    digest: str


def infos_in(recording: Recording, topic: str, number: int) -> list[RecordedMessage]:
    """Return the calibrations of a topic in a chunk by time; none of a damaged one."""
    if not recording.chunks[number].counts.get(topic):
        return []
    try:
        messages = recording.messages(number)
    except InputError:
        return []
    return sorted(
        (message for message in messages if message.topic == topic),
        key=lambda message: message.position,
    )


def calibration_start(info: RecordedMessage) -> CalibrationStart:
    """Return what a camera_info says, by its hash."""
    return CalibrationStart(
        topic=info.topic,
        log_ns=info.position.time_ns,
        digest=sha256(without_stamp(info.data)).hexdigest(),
    )


def without_stamp(data: bytes) -> bytes:
    """Return a serialised message with a header from its frame on."""
    return data[12:]


def changes_of(starts: Iterable[CalibrationStart]) -> dict[str, list[int]]:
    """Return the times of recording at which calibrations change, by topic, without the others.

    Args:
        starts: Those of one task, segment after segment.
    """
    digests: dict[str, str] = {}
    changes: dict[str, list[int]] = {}
    for start in starts:
        if digests.setdefault(start.topic, start.digest) != start.digest:
            changes.setdefault(start.topic, []).append(start.log_ns)
        digests[start.topic] = start.digest
    return changes
