"""The whole job as one pure function: a segment of a recording in, a part of the result out.

A part is an MCAP file of its own; refusals and figures are attached to it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256

from mcap.records import Channel, Schema
from mcap.well_known import MessageEncoding, SchemaEncoding

from depth_ros import __version__
from depth_ros.recordings.bag_writer import LIBRARY, ZSTD_LEVEL, BagWriter
from depth_ros.recordings.calibration_starts import CalibrationStart
from depth_ros.recordings.job import TASK_KINDS, JobTask
from depth_ros.recordings.outcome import Made, OutputChannel, SegmentWork
from depth_ros.recordings.places import Sink
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.wire import KINDS, definition_of, serialised

FORMAT = 4
"""Changes whenever a part of the same input would have other bytes."""
FIRST_CHANNEL = 40_000
CHANNELS_OF_A_TASK = 100
FIRST_SCHEMA = 40_000
LEDGER, FIGURES, CALIBRATIONS = 'ledger.jsonl', 'figures.jsonl', 'calibrations.jsonl'
JSON_LINES = 'application/jsonl'


@dataclass(slots=True)
class PartCounts:
    """What became of the inputs of a segment.

    Attributes:
        made: Outputs.
        used: Images that went into them.
        refused: Refused images by reason.
        calibrations: Where calibrations begin.
    """

    made: int = 0
    used: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    calibrations: Sequence[CalibrationStart] = ()


def part_key(task: JobTask, work: SegmentWork, stretch: Stretch) -> str:
    """Return the name of a part: a hash of all that its bytes depend on, in hexadecimal.

    Args:
        task: Task, with its topics named.
        work: The same, opened.
        stretch: The segment.
    """
    content = {
        'format': FORMAT,
        'version': __version__,
        'library': f'{LIBRARY} zstd {ZSTD_LEVEL}',
        'task': task.kind,
        'values': task.values,
        'identity': work.identity,
        'first_frame': stretch.segment.first_frame,
        'content': stretch.digests(),
    }
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_part(
    sink: Sink,
    task: JobTask,
    work: SegmentWork,
    stretch: Stretch,
    *,
    report: Callable[[int], None] = lambda number: None,
) -> PartCounts:
    """Compute every frame of a segment and write the part.

    Args:
        sink: Where to.
        task: Task, with its topics named.
        work: The same, opened.
        stretch: The segment.
        report: Called after every frame with 1.

    Raises:
        EngineError: If a runtime fails.
    """
    writer = BagWriter(sink)
    add_channels(writer, task.kind, work.channels())
    counts = PartCounts()
    ledger: list[Mapping[str, object]] = []
    figures: list[Mapping[str, object]] = []
    for outcome in work.outcomes(stretch):
        if isinstance(outcome, Made):
            _write_messages(writer, task.kind, outcome)
            figures.append(outcome.figures.record())
            counts.made += 1
            counts.used += outcome.num_inputs
        else:
            ledger.append({'task': task.kind, **asdict(outcome)})
            counts.refused[outcome.reason] += 1
        report(1)
    counts.calibrations = stretch.calibrations.starts()
    starts = [asdict(start) for start in counts.calibrations]
    for name, lines in ((LEDGER, ledger), (FIGURES, figures), (CALIBRATIONS, starts)):
        writer.add_attachment(name, JSON_LINES, json_lines(lines))
    writer.finish()
    return counts


def add_channels(writer: BagWriter, kind: str, channels: Mapping[int, OutputChannel]) -> None:
    """Make the channels of a task known to a writer."""
    for place, channel in channels.items():
        number = FIRST_SCHEMA + KINDS.index(channel.kind)
        schema = Schema(
            id=number,
            name=channel.kind,
            encoding=SchemaEncoding.ROS2,
            data=definition_of(channel.kind),
        )
        record = Channel(
            id=channel_number(kind, place),
            topic=channel.topic,
            message_encoding=MessageEncoding.CDR,
            metadata={'offered_qos_profiles': '', **channel.metadata},
            schema_id=number,
        )
        writer.add_channel(record, schema)


def channel_number(kind: str, place: int) -> int:
    """Return the number of a task's channel in every file."""
    return FIRST_CHANNEL + CHANNELS_OF_A_TASK * TASK_KINDS[kind].place + place


def json_lines(records: Sequence[Mapping[str, object]]) -> bytes:
    """Return records as lines of JSON."""
    return ''.join(json.dumps(record) + '\n' for record in records).encode()


def _write_messages(writer: BagWriter, kind: str, made: Made) -> None:
    for place, message in made.messages.items():
        writer.add_message(
            channel_number(kind, place),
            log_ns=made.reference.position.time_ns,
            publish_ns=made.reference.publish_ns,
            data=serialised(message),
        )
