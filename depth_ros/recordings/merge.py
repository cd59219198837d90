"""Parts of a recording become one bag: chunks are copied as they are, one after the other."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from depth_ros.recordings.bag_writer import BagWriter
from depth_ros.recordings.calibration_starts import CalibrationStart
from depth_ros.recordings.copied import CopiedTopics
from depth_ros.recordings.mcap_file import McapFile
from depth_ros.recordings.part import CALIBRATIONS, FIGURES, LEDGER, PartCounts
from depth_ros.recordings.places import written_whole


class MergedPart(NamedTuple):
    """A part and its place: ordered by time of recording, then task, then segment."""

    start_ns: int
    task: int
    segment: int
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultFiles:
    """What a recording's results are called.

    Attributes:
        bag: The bag.
        ledger: Lines of JSON, one for every input that is no output.
        figures: Lines of JSON, one for every output.
    """

    bag: str
    ledger: str
    figures: str


def merge(
    parts: Sequence[MergedPart], result: ResultFiles, copied: CopiedTopics | None = None
) -> None:
    """Write ledger, figures and bag of a recording from its parts.

    The bag comes last: where it is, the others are. Memory holds one chunk.

    Args:
        parts: The parts.
        result: What to write.
        copied: What goes into the bag beside.

    Raises:
        InputError: Reason ``'bag'``, if a part is damaged.
        DepthRosError: If the disk is full.
    """
    ordered = sorted(parts)
    for target, attachment in ((result.ledger, LEDGER), (result.figures, FIGURES)):
        with written_whole(target) as sink:
            for part in ordered:
                with McapFile(part.name) as file:
                    sink.write(file.attachment(attachment))
    with written_whole(result.bag) as sink:
        _write_bag(BagWriter(sink), ordered, copied)


def counts_of(part: str) -> PartCounts:
    """Return what became of the inputs of a finished part; raises as ``merge``."""
    with McapFile(part) as file:
        ledger, starts = (_records(file, name) for name in (LEDGER, CALIBRATIONS))
        made = file.attachment(FIGURES).count(b'\n')
    return PartCounts(
        made=made,
        refused=Counter(line['reason'] for line in ledger),
        calibrations=[CalibrationStart(**start) for start in starts],
    )


def _records(file: McapFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.attachment(name).decode().splitlines()]


def _write_bag(
    writer: BagWriter, parts: Sequence[MergedPart], copied: CopiedTopics | None
) -> None:
    """Write copied chunks and parts in order of time; at one time what is copied comes first."""
    beside = deque(copied.chunks() if copied else ())
    for part in parts:
        while copied and beside and beside[0][0] <= part.start_ns:
            copied.add(writer, beside.popleft()[1])
        _add_part(writer, part.name)
    for _, number in beside:
        assert copied is not None
        copied.add(writer, number)
    writer.finish()


def _add_part(writer: BagWriter, name: str) -> None:
    with McapFile(name) as file:
        for channel in file.channels.values():
            writer.add_channel(channel, file.schemas[channel.schema_id])
        for chunk in file.whole_chunks():
            writer.add_chunk(chunk)
