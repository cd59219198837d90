"""Write an indexed MCAP file of chunks in zstd; the same input gives the same bytes.

The package ``mcap`` has the records; its writer numbers channels itself and cannot take a chunk as
it is, which a merge needs.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import replace

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    AttachmentIndex,
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Message,
    MessageIndex,
    Schema,
    Statistics,
)
from mcap.well_known import Profile

from depth_ros.recordings.mcap_file import RawChunk
from depth_ros.recordings.places import Sink

MAGIC = b'\x89MCAP0\r\n'
CHUNK_BYTES = 4 << 20
"""A chunk is closed when it has more."""
LIBRARY = 'depth_ros'
ZSTD_LEVEL = 3


class BagWriter:
    """Writes messages, or chunks as they are, then the summary."""

    def __init__(self, sink: Sink) -> None:
        """Write the beginning."""
        self._sink = sink
        self._offset = 0
        self._crc = 0
        self._channels: dict[int, tuple[Channel, Schema]] = {}
        self._chunk = _ChunkBuffer()
        self._chunks: list[ChunkIndex] = []
        self._attachments: list[AttachmentIndex] = []
        self._counts: Counter[int] = Counter()
        self._put(MAGIC + _record(Header(profile=Profile.ROS2, library=LIBRARY)))

    def add_channel(self, channel: Channel, schema: Schema) -> None:
        """Make a channel known; it is written where its first message is."""
        self._channels.setdefault(channel.id, (channel, schema))

    def add_message(self, channel: int, *, log_ns: int, publish_ns: int, data: bytes) -> None:
        """Append a message of a known channel."""
        self._chunk.add(
            self._channels[channel],
            Message(
                channel_id=channel,
                log_time=log_ns,
                publish_time=publish_ns,
                sequence=0,
                data=data,
            ),
        )
        if self._chunk.num_bytes > CHUNK_BYTES:
            self._close_chunk()

    def add_chunk(self, chunk: RawChunk) -> None:
        """Append a chunk as it is; its channels must have been made known."""
        self._close_chunk()
        shift = self._offset - chunk.index.chunk_start_offset
        offsets = chunk.index.message_index_offsets
        self._chunks.append(
            replace(
                chunk.index,
                chunk_start_offset=self._offset,
                message_index_offsets={key: value + shift for key, value in offsets.items()},
            )
        )
        self._counts.update(chunk.counts)
        self._put(chunk.data)

    def add_attachment(self, name: str, media_type: str, data: bytes) -> None:
        """Append a file."""
        self._close_chunk()
        record = _record(
            Attachment(create_time=0, log_time=0, name=name, media_type=media_type, data=data)
        )
        self._attachments.append(
            AttachmentIndex(
                offset=self._offset,
                length=len(record),
                create_time=0,
                log_time=0,
                data_size=len(data),
                name=name,
                media_type=media_type,
            )
        )
        self._put(record)

    def finish(self) -> None:
        """Write the summary; nothing can be added after it."""
        self._close_chunk()
        self._put(_record(DataEnd(data_section_crc=self._crc)))
        start = self._offset
        used = [self._channels[number] for number in sorted(self._channels)]
        schemas = {schema.id: schema for _, schema in used}
        records: list[McapRecord] = [schemas[number] for number in sorted(schemas)]
        records += [channel for channel, _ in used]
        records += [self._statistics(len(schemas)), *self._chunks, *self._attachments]
        summary = b''.join(map(_record, records))
        footer = struct.pack('<BQQQ', Opcode.FOOTER, 20, start, 0)
        crc = zlib.crc32(footer, zlib.crc32(summary))
        self._put(summary)
        self._put(_record(Footer(summary_start=start, summary_offset_start=0, summary_crc=crc)))
        self._put(MAGIC)

    def _statistics(self, num_schemas: int) -> Statistics:
        starts = [chunk.message_start_time for chunk in self._chunks]
        ends = [chunk.message_end_time for chunk in self._chunks]
        return Statistics(
            attachment_count=len(self._attachments),
            channel_count=len(self._channels),
            channel_message_counts=dict(sorted(self._counts.items())),
            chunk_count=len(self._chunks),
            message_count=self._counts.total(),
            metadata_count=0,
            message_start_time=min(starts, default=0),
            message_end_time=max(ends, default=0),
            schema_count=num_schemas,
        )

    def _close_chunk(self) -> None:
        if self._chunk.num_bytes:
            buffer, self._chunk = self._chunk, self._chunk.successor()
            self.add_chunk(buffer.closed())

    def _put(self, data: bytes) -> None:
        self._sink.write(data)
        self._offset += len(data)
        self._crc = zlib.crc32(data, self._crc)


class _ChunkBuffer:
    """Messages of the chunk under way, with the channels that no chunk before it had."""

    def __init__(self, told: frozenset[int] = frozenset()) -> None:
        self._parts: list[bytes] = []
        self._told = set(told)
        self._entries: dict[int, list[tuple[int, int]]] = {}
        self.num_bytes = 0

    def successor(self) -> _ChunkBuffer:
        return _ChunkBuffer(frozenset(self._told))

    def add(self, known: tuple[Channel, Schema], message: Message) -> None:
        channel, schema = known
        if channel.id not in self._told:
            self._told.add(channel.id)
            self._append(_record(schema) + _record(channel))
        entry = (message.log_time, self.num_bytes)
        self._entries.setdefault(channel.id, []).append(entry)
        self._append(_record(message))

    def closed(self) -> RawChunk:
        """Return the chunk with its indexes, as if it lay at the beginning of a file."""
        data = b''.join(self._parts)
        times = [time_ns for entries in self._entries.values() for time_ns, _ in entries]
        chunk = Chunk(
            compression='zstd',
            data=zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(data),
            message_start_time=min(times),
            message_end_time=max(times),
            uncompressed_crc=zlib.crc32(data),
            uncompressed_size=len(data),
        )
        pieces, offsets = [_record(chunk)], {}
        end = length = len(pieces[0])
        for number, entries in sorted(self._entries.items()):
            offsets[number] = end
            pieces.append(_record(MessageIndex(channel_id=number, records=sorted(entries))))
            end += len(pieces[-1])
        index = ChunkIndex(
            message_start_time=chunk.message_start_time,
            message_end_time=chunk.message_end_time,
            chunk_start_offset=0,
            chunk_length=length,
            message_index_offsets=offsets,
            message_index_length=end - length,
            compression=chunk.compression,
            compressed_size=len(chunk.data),
            uncompressed_size=chunk.uncompressed_size,
        )
        counts = {number: len(entries) for number, entries in self._entries.items()}
        return RawChunk(data=b''.join(pieces), index=index, counts=counts)

    def _append(self, data: bytes) -> None:
        self._parts.append(data)
        self.num_bytes += len(data)


def _record(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return builder.end()
