"""Lines of the ledger: every input that becomes no output, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from depth_ros.errors import InputError
from depth_ros.recordings.pairing import StampedMessage

AT_END = 'no_partner_at_end'
FIRST_IMAGE = 'first_image'
PASSED_OVER = 'passed_over'
UNAVOIDABLE = frozenset({AT_END, FIRST_IMAGE, PASSED_OVER})
"""Reasons for which nothing was lost: two cameras do not begin and end at once, nothing was
recorded before the first images, and images between keyframes are not wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerLine:
    """An input that becomes no output.

    Attributes:
        topic: Its topic.
        stamp_ns: Stamp of its header; None where it cannot be read.
        log_ns: Time of recording.
        reason: Why, as a short slug.
        text: Why, as a sentence.
    """

    topic: str
    stamp_ns: int | None
    log_ns: int
    reason: str
    text: str


def main_reason(refusals: Sequence[tuple[str, str]]) -> str:
    """Return the most frequent reason, how many images it is of, and the first of its sentences.

    Args:
        refusals: Reason and sentence of each image, at least of one. Where anything was lost,
            those for which nothing was are not counted.
    """
    losses = [one for one in refusals if one[0] not in UNAVOIDABLE] or refusals
    ((reason, number),) = Counter(name for name, _ in losses).most_common(1)
    text = next(text for name, text in losses if name == reason)
    return f'{reason}, {number} of {len(losses)} images: {text}'


def refused(message: StampedMessage, error: InputError) -> LedgerLine:
    """Return the line of an image that cannot be used."""
    return line_of(message, error.reason, str(error))


def unread(topic: str, log_ns: int, error: InputError) -> LedgerLine:
    """Return the line of a message whose header cannot be read."""
    return LedgerLine(
        topic=topic, stamp_ns=None, log_ns=log_ns, reason=error.reason, text=str(error)
    )


def line_of(message: StampedMessage, reason: str, text: str) -> LedgerLine:
    """Return the line of a message whose header is known."""
    return LedgerLine(
        topic=message.topic,
        stamp_ns=message.stamp_ns,
        log_ns=message.position.time_ns,
        reason=reason,
        text=text,
    )
