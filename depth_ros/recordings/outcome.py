"""What becomes of an input frame: messages with figures, or a refusal with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from depth_ros.messages.topic_names import topic_below
from depth_ros.recordings.figures import FrameFigures
from depth_ros.recordings.ledger import LedgerLine
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Made:
    """An output.

    Attributes:
        reference: The input whose stamp and frame it carries.
        num_inputs: Recorded images that went into it.
        messages: Messages by the place of their channel.
        figures: Its line of the table.
    """

    reference: StampedMessage
    num_inputs: int
    messages: Mapping[int, Any]
    figures: FrameFigures


Outcome = Made | LedgerLine


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputChannel:
    """A topic that a task writes.

    Attributes:
        topic: Full name.
        kind: Message type.
        metadata: What the file says of it beside, e.g. the unit of depth.
    """

    topic: str
    kind: str
    metadata: Mapping[str, str]


def wanted_channels(
    namespace: str, lines: Mapping[int, tuple[bool, str, str]]
) -> Mapping[int, OutputChannel]:
    """Return the channels that are asked for, by their place.

    Args:
        namespace: First part of the names.
        lines: Whether it is asked for, name (absolute, or below the namespace) and message type.
    """
    return {
        place: OutputChannel(
            topic=name if name.startswith('/') else topic_below(namespace, name),
            kind=kind,
            metadata={},
        )
        for place, (is_wanted, name, kind) in lines.items()
        if is_wanted
    }


class SegmentWork(Protocol):
    """A task that has been opened; one worker owns it.

    Attributes:
        identity: What computes, to the last bit: model, engine, weights, versions.
    """

    identity: str

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes, by the place of the channel."""

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads of a segment."""

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return one outcome for every own image, in order of recording."""

    def close(self) -> None:
        """Free the engines."""
