"""One MCAP file, read through its own index: chunks by range, never the whole file."""

from __future__ import annotations

import errno
import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Attachment, Channel, Chunk, ChunkIndex, Message, MessageIndex, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from depth_ros.errors import DepthRosError, InputError
from depth_ros.recordings.places import open_to_read

_INDEX_HEAD = 9 + 2 + 4
"""Bytes of a MessageIndex record before its entries: opcode, length, channel, array length."""
_ENTRY = 16
_RECORD_HEAD = 9
_MIN_BYTES = 8 + 29 + 8
"""Magic, footer, magic."""
DAMAGE = (
    McapError,
    ValueError,
    EOFError,
    RuntimeError,
    KeyError,
    IndexError,
    OverflowError,
    struct.error,
)
"""What the readers and decompressors raise on altered bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkPlace:
    """Where a chunk lies and what its index says of it; nothing of it is read for this.

    Attributes:
        offset: First byte of its record.
        length: Bytes of its record.
        index_length: Bytes of the message indexes behind it.
        start_ns: Earliest time of recording in it.
        end_ns: Latest.
        num_bytes: Its size when decompressed.
        counts: Messages by topic.
    """

    offset: int
    length: int
    index_length: int
    start_ns: int
    end_ns: int
    num_bytes: int
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class RawChunk:
    """A chunk and the indexes behind it, as they lie in a file.

    Attributes:
        data: Bytes of all these records.
        index: What the summary says of it; offsets are those of the file it lies in.
        counts: Messages by channel.
    """

    data: bytes
    index: ChunkIndex
    counts: Mapping[int, int]


class McapFile:
    """Chunks and attachments of a file; open while it is in use."""

    def __init__(self, name: str) -> None:
        """Read the summary at the end.

        Raises:
            InputError: Reason ``'bag'``, if there is none or it is damaged; says how to mend it.
        """
        self.name = name
        self._file = open_to_read(name)
        try:
            self._num_bytes = self._file.seek(0, io.SEEK_END)
            if self._num_bytes < _MIN_BYTES:
                raise InputError('bag', f'{name} is too short for an MCAP file; check the path')
            self._file.seek(0)
            summary = make_reader(self._file).get_summary()
        except OSError as error:
            if error.errno == errno.EINVAL:  # a place that no file has
                raise self._not_whole(error) from None
            raise self._unreadable(error) from error
        except DAMAGE as error:
            raise self._not_whole(error) from None
        if summary is None or summary.statistics is None:
            raise InputError('bag', f'{name} has no index; {self._mend}')
        indexes = summary.chunk_indexes
        if summary.statistics.message_count and not any(map(_num_indexed, indexes)):
            what = 'message indexes' if indexes else 'chunks'
            raise InputError(
                'bag', f'{name} has no {what}; type: mcap compress {name} -o chunked.mcap'
            )
        self.channels: Mapping[int, Channel] = summary.channels
        self.schemas: Mapping[int, Schema] = summary.schemas
        self._indexes: list[ChunkIndex] = sorted(
            indexes, key=lambda index: index.chunk_start_offset
        )
        self._attachments = {entry.name: entry for entry in summary.attachment_indexes}

    @property
    def _mend(self) -> str:
        return f'type: mcap recover {self.name} -o repaired.mcap'

    def __enter__(self) -> McapFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @cached_property
    def chunks(self) -> tuple[ChunkPlace, ...]:
        """All chunks in the order of the file.

        Raises:
            InputError: Reason ``'bag'``, if the index names a topic or bytes that are not there.
        """
        try:
            return tuple(map(self._place, self._indexes))
        except DAMAGE as error:
            raise self._not_whole(error) from None

    def raw_chunk(self, place: ChunkPlace) -> bytes:
        """Return the bytes of a chunk's record."""
        return self._range(place.offset, place.length)

    def whole_chunks(self) -> Iterator[RawChunk]:
        """Return every chunk as it lies in the file, with the indexes behind it."""
        yield from map(self.whole_chunk, range(len(self._indexes)))

    def whole_chunk(self, number: int) -> RawChunk:
        """Return a chunk as it lies in the file, with the indexes behind it."""
        index = self._indexes[number]
        length = index.chunk_length + index.message_index_length
        data = self._range(index.chunk_start_offset, length)
        return RawChunk(data=data, index=index, counts=counts_by_channel(index))

    def attachment(self, name: str) -> bytes:
        """Return an attached file.

        Raises:
            InputError: Reason ``'bag'``, if there is none of this name.
        """
        if name not in self._attachments:
            raise InputError('bag', f'{self.name} has no attachment {name!r}; {self._mend}')
        index = self._attachments[name]
        stream = io.BytesIO(self._range(index.offset + _RECORD_HEAD, index.length - _RECORD_HEAD))
        return bytes(Attachment.read(ReadDataStream(stream)).data)

    def messages(self, place: ChunkPlace, raw: bytes | None = None) -> list[Message]:
        """Return the messages of a chunk, in order.

        Args:
            place: The chunk.
            raw: What ``raw_chunk`` gave, where that has been asked for.

        Raises:
            InputError: Reason ``'chunk_damaged'``.
        """
        raw = self.raw_chunk(place) if raw is None else raw
        try:
            chunk = Chunk.read(ReadDataStream(io.BytesIO(raw[_RECORD_HEAD:])))
            records = breakup_chunk(chunk, validate_crc=True)
        except (*DAMAGE, *_decompression_errors()):
            raise InputError(
                'chunk_damaged',
                f'{self.name}: the chunk at byte {place.offset} is damaged; '
                f'copy the bag again, or type: mcap doctor {self.name}',
            ) from None
        return [record for record in records if isinstance(record, Message)]

    def indexed_times(self, place: ChunkPlace) -> list[tuple[str, int]]:
        """Return topic and time of recording of a chunk's messages, from the index beside it."""
        raw = self._range(place.offset + place.length, place.index_length)
        try:
            records = StreamReader(io.BytesIO(raw), skip_magic=True).records
            found = []
            for record in records:
                if isinstance(record, MessageIndex):
                    topic = self.channels[record.channel_id].topic
                    found += [(topic, time_ns) for time_ns, _ in record.records]
        except DAMAGE:
            pass  # the bytes of these records end without a footer
        return sorted(found, key=lambda entry: entry[1])

    def _range(self, start: int, length: int) -> bytes:
        """Return bytes of the file.

        Raises:
            DepthRosError: If they cannot be had. This is no ``InputError``: a disk or a network
                that fails for a moment must not make images look damaged.
        """
        try:
            self._file.seek(start)
            data = self._file.read(length)
        except OSError as error:
            raise self._unreadable(error) from error
        if len(data) != length:
            raise self._unreadable(f'{len(data)} of {length} bytes at {start} came')
        return data

    def _not_whole(self, error: Exception) -> InputError:
        return InputError(
            'bag', f'{self.name} is no whole MCAP file{_in_brackets(error)}; {self._mend}'
        )

    def _unreadable(self, why: object) -> DepthRosError:
        return DepthRosError(
            f'{self.name} cannot be read any more ({why}); check that it is there and unchanged, '
            'and type the same command again'
        )

    def _place(self, index: ChunkIndex) -> ChunkPlace:
        end = index.chunk_start_offset + index.chunk_length + index.message_index_length
        if end > self._num_bytes:
            raise ValueError(f'a chunk ends at byte {end} of {self._num_bytes}')
        return ChunkPlace(
            offset=index.chunk_start_offset,
            length=index.chunk_length,
            index_length=index.message_index_length,
            start_ns=index.message_start_time,
            end_ns=index.message_end_time,
            num_bytes=index.uncompressed_size,
            counts=self._counts(index),
        )

    def _counts(self, index: ChunkIndex) -> dict[str, int]:
        counts: dict[str, int] = {}
        for channel, number in counts_by_channel(index).items():
            topic = self.channels[channel].topic
            counts[topic] = counts.get(topic, 0) + number
        return counts


def _in_brackets(error: Exception) -> str:
    """Return what an error says of a file; readers say nothing of an empty one."""
    speaks_of_itself = isinstance(error, (struct.error, LookupError))  # of buffers, of a key
    return f' ({error})' if str(error) and not speaks_of_itself else ''


def _num_indexed(index: ChunkIndex) -> int:
    return len(index.message_index_offsets)


def counts_by_channel(index: ChunkIndex) -> dict[int, int]:
    """Return the messages of a chunk by channel, from where its index records lie.

    None of these records is read: each has a head and an entry of fixed size for every message.
    A chunk may hold topics alone, without any message.
    """
    end = index.chunk_start_offset + index.chunk_length + index.message_index_length
    starts = sorted(index.message_index_offsets.items(), key=lambda entry: entry[1])
    ends = [start for _, start in starts[1:]] + [end] * bool(starts)
    return {
        channel: max(0, stop - start - _INDEX_HEAD) // _ENTRY
        for (channel, start), stop in zip(starts, ends, strict=True)
    }


def _decompression_errors() -> tuple[type[Exception], ...]:
    import zstandard

    return (zstandard.ZstdError,)
