"""A recording: one bag, of one MCAP file or of several in a row, seen as a list of chunks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from depth_ros.errors import InputError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.recordings.mcap_file import ChunkPlace, McapFile, RawChunk
from depth_ros.recordings.other_input import other_input
from depth_ros.recordings.places import is_folder, is_there, join, matches, stem_of

MAX_CACHED_BYTES = 192 << 20
"""Decompressed chunks that a recording keeps; one more is always allowed."""

MAX_RAW_BYTES = 128 << 20
"""Compressed chunks that were read and wait to be decompressed; one more is always allowed."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Position:
    """Where a message lies; positions are ordered by time of recording.

    Attributes:
        time_ns: Time of recording.
        chunk: Number of the chunk within the recording.
        number: Number of the message within the chunk.
    """

    time_ns: int
    chunk: int
    number: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordedMessage:
    """A message as it was recorded.

    Attributes:
        topic: Its topic.
        position: Where it lies.
        publish_ns: Time of publishing.
        data: Serialised message.
    """

    topic: str
    position: Position
    publish_ns: int
    data: bytes


class Recording:
    """Chunks and topics of a bag; reads what is asked for and keeps the last chunks.

    Attributes:
        name: Name of the results, from the path.
        files: Its MCAP files, in order.
    """

    def __init__(self, path: str) -> None:
        """Read the index of every file.

        Raises:
            InputError: If the bag has no MCAP files, or one has no index.
        """
        self.path = path
        self.name = stem_of(path)
        self.files = tuple(map(McapFile, mcap_files(path)))
        self._cache: OrderedDict[int, list[RecordedMessage]] = OrderedDict()
        self._cached_bytes = 0
        self._digests: dict[int, str] = {}
        self._raw: OrderedDict[int, bytes] = OrderedDict()
        """Chunks that were read for their digest and not yet for their messages."""
        if not any(count for chunk in self.chunks for count in chunk.counts.values()):
            self.close()
            raise InputError('bag_empty', f'{path} holds no messages; record it again')

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()

    @cached_property
    def chunks(self) -> tuple[ChunkPlace, ...]:
        """Chunks of all files in order."""
        return tuple(chunk for file in self.files for chunk in file.chunks)

    @cached_property
    def topics(self) -> tuple[BagTopic, ...]:
        """What the recording holds."""
        counts: Counter[str] = Counter()
        for chunk in self.chunks:
            counts.update(chunk.counts)
        kinds: dict[str, str] = {}
        for file in self.files:
            for channel in file.channels.values():
                schema = file.schemas.get(channel.schema_id)
                kinds.setdefault(channel.topic, schema.name if schema else '')
        return tuple(
            BagTopic(name=name, type=kind, count=counts[name]) for name, kind in kinds.items()
        )

    def kind_of(self, topic: str) -> str:
        """Return the message type of a topic; empty where there is none."""
        return next((entry.type for entry in self.topics if entry.name == topic), '')

    def span_of(self, topic: str) -> tuple[int, int] | None:
        """Return the numbers of the first and last chunk with a topic; None if there is none."""
        return self._spans.get(topic)

    def file_of(self, number: int) -> McapFile:
        """Return the file that holds a chunk."""
        return self.files[bisect_left(self._ends, number + 1)]

    def whole_chunk(self, number: int) -> RawChunk:
        """Return a chunk as it lies in its file."""
        file = self.file_of(number)
        before = self._ends[self.files.index(file)] - len(file.chunks)
        return file.whole_chunk(number - before)

    def digest(self, number: int) -> str:
        """Return the SHA-256 of a chunk's record, in hexadecimal; reading it is not far then."""
        if number not in self._digests:
            raw = self.file_of(number).raw_chunk(self.chunks[number])
            self._digests[number] = sha256(raw).hexdigest()
            self._raw[number] = raw
            while sum(map(len, self._raw.values())) > MAX_RAW_BYTES and len(self._raw) > 1:
                self._raw.popitem(last=False)
        return self._digests[number]

    def messages(self, number: int) -> Sequence[RecordedMessage]:
        """Return the messages of a chunk in order.

        Raises:
            InputError: Reason ``'chunk_damaged'``.
        """
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        file, place = self.file_of(number), self.chunks[number]
        found = [
            RecordedMessage(
                topic=file.channels[message.channel_id].topic,
                position=Position(time_ns=message.log_time, chunk=number, number=index),
                publish_ns=message.publish_time,
                data=message.data,
            )
            for index, message in enumerate(file.messages(place, self._raw.pop(number, None)))
            if message.channel_id in file.channels
        ]
        self._keep(number, found)
        return found

    def message(self, position: Position) -> RecordedMessage:
        """Return one message; raises as ``messages``."""
        messages = self.messages(position.chunk)
        place = bisect_left(messages, position.number, key=lambda found: found.position.number)
        return messages[place]

    def forget_before(self, number: int) -> None:
        """Drop the chunks before one from memory."""
        for old in [kept for kept in self._raw if kept < number]:
            del self._raw[old]
        for old in [kept for kept in self._cache if kept < number]:
            del self._cache[old]
            self._cached_bytes -= self.chunks[old].num_bytes

    @property
    def num_cached_bytes(self) -> int:
        """Size of the chunks in memory."""
        return self._cached_bytes

    def chunks_between(self, start_ns: int, end_ns: int) -> Iterator[int]:
        """Return the numbers of the chunks that reach into a range of time."""
        for number, chunk in enumerate(self.chunks):
            if chunk.start_ns <= end_ns and chunk.end_ns >= start_ns:
                yield number

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        spans: dict[str, tuple[int, int]] = {}
        for number, chunk in enumerate(self.chunks):
            for topic, count in chunk.counts.items():
                if count:
                    spans[topic] = (spans.get(topic, (number, 0))[0], number)
        return spans

    @cached_property
    def _ends(self) -> list[int]:
        ends, total = [], 0
        for file in self.files:
            total += len(file.chunks)
            ends.append(total)
        return ends

    def _keep(self, number: int, found: list[RecordedMessage]) -> None:
        self._cache[number] = found
        self._cached_bytes += self.chunks[number].num_bytes
        while self._cached_bytes > MAX_CACHED_BYTES and len(self._cache) > 1:
            dropped, _ = self._cache.popitem(last=False)
            self._cached_bytes -= self.chunks[dropped].num_bytes


def mcap_files(path: str) -> list[str]:
    """Return the MCAP files of a bag: itself, or those in the folder, by name and number.

    Raises:
        InputError: Reason ``'bag'`` or ``'file'``, if there is none; says how to convert.
    """
    if is_there(path):
        if path.endswith('.mcap'):
            return [path]
        raise InputError('bag', other_input(path))
    if not is_folder(path):
        raise InputError('file', f'there is no bag {path}; check the path')
    files = sorted(matches(join(path, '*.mcap')), key=_number_of)
    if not files:
        raise InputError('bag', other_input(path))
    return files


def _number_of(name: str) -> tuple[int, str]:
    """Order ``drive_2`` before ``drive_10``, as rosbag2 numbers the files of a split bag."""
    number = stem_of(name).rpartition('_')[2]
    return (int(number) if number.isdecimal() else 0, name)
