"""Topics that go from the recording into the result as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from depth_ros.errors import InputError
from depth_ros.recordings.bag_writer import BagWriter
from depth_ros.recordings.mcap_file import McapFile
from depth_ros.recordings.recording import Recording
from depth_ros.settings import Settings, described

ALL = 'all'
FIRST_COPIED = 50_000
"""Number of the first channel that is copied alone; whole chunks keep the recording's numbers."""
MAX_NUMBER = 40_000


@dataclass(frozen=True, kw_only=True, slots=True)
class CopySettings(Settings):
    """What is copied."""

    topics: str = described(
        '',
        'Topics that are copied into the result: names with spaces between them, or all, which '
        'copies whole chunks without decompressing them.',
    )


class CopiedTopics:
    """The part of a recording that a job copies, chunk by chunk."""

    def __init__(self, recording: Recording, settings: CopySettings) -> None:
        """Remember what to copy.

        Raises:
            InputError: Reason ``'bag_topic'``, if a topic is not in the recording, or its
                channels have numbers that whole chunks cannot keep.
        """
        words = settings.topics.split()
        known = sorted(topic.name for topic in recording.topics)
        missing = [word for word in words if word not in known and words != [ALL]]
        if missing:
            raise InputError(
                'bag_topic',
                f'{recording.path} has no topic {missing[0]!r} to copy; correct copy.topics of '
                f'the job: there are {", ".join(known)}',
            )
        self._recording = recording
        self._is_all = words == [ALL]
        self._topics = frozenset(words)
        if self._is_all:
            self._expect_one_numbering()

    def chunks(self) -> list[tuple[int, int]]:
        """Return time of recording and number of every chunk that has something to copy."""
        return [
            (chunk.start_ns, number)
            for number, chunk in enumerate(self._recording.chunks)
            if self._is_all or self._topics & chunk.counts.keys()
        ]

    def add(self, writer: BagWriter, number: int) -> None:
        """Copy a chunk, or its messages of the topics.

        A damaged chunk is copied as it is, or left out where single topics were asked for.
        """
        file = self._recording.file_of(number)
        if self._is_all:
            for channel in file.channels.values():
                writer.add_channel(channel, file.schemas[channel.schema_id])
            writer.add_chunk(self._recording.whole_chunk(number))
            return
        try:
            messages = self._recording.messages(number)
        except InputError:
            return
        numbers = self._make_known(writer, file)
        for message in messages:
            if message.topic in numbers:
                writer.add_message(
                    numbers[message.topic],
                    log_ns=message.position.time_ns,
                    publish_ns=message.publish_ns,
                    data=message.data,
                )

    def _make_known(self, writer: BagWriter, file: McapFile) -> Mapping[str, int]:
        """Return the numbers of the copied topics, of one order for all files."""
        numbers = {topic: FIRST_COPIED + place for place, topic in enumerate(sorted(self._topics))}
        for channel in file.channels.values():
            if channel.topic in numbers:
                number = numbers[channel.topic]
                schema = replace(file.schemas[channel.schema_id], id=number)
                writer.add_channel(replace(channel, id=number, schema_id=number), schema)
        return numbers

    def _expect_one_numbering(self) -> None:
        first: dict[int, str] = {}
        for number, topic in self._all_channels():
            if number >= MAX_NUMBER or first.setdefault(number, topic) != topic:
                raise InputError(
                    'bag_topic',
                    f'the files of {self._recording.path} number their topics differently, so '
                    'whole chunks cannot be copied; name the topics in copy.topics of the job',
                )

    def _all_channels(self) -> Iterator[tuple[int, str]]:
        for file in self._recording.files:
            for channel in file.channels.values():
                yield channel.id, channel.topic
