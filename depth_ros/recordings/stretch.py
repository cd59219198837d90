"""What a segment is made of: its own messages, what lies beside it, and the calibration before it.

Everything that a result depends on is found here, and nothing else is read: ``digests`` names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from depth_ros.errors import InputError
from depth_ros.recordings.calibrations_in_reach import CalibrationsInReach
from depth_ros.recordings.ledger import LedgerLine, line_of, unread
from depth_ros.recordings.pairing import (
    StampedMessage,
    is_near,
    nearest_stamp,
    recorded_near,
)
from depth_ros.recordings.recording import Position, RecordedMessage, Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.wire import header_of
from depth_ros.streams.stamp_order import StampOrder


class Stretch:
    """The messages of some topics in a segment and within reach beside it."""

    def __init__(
        self,
        recording: Recording,
        segment: Segment,
        *,
        topics: Collection[str],
        info_topics: Collection[str],
        overlap_ns: int,
        pose_topics: Collection[str] = (),
        reach_ns: int = 0,
    ) -> None:
        """Remember what to read.

        Args:
            recording: Where from.
            segment: Which stretch.
            topics: Images.
            info_topics: Their calibrations.
            overlap_ns: Time within which partners were recorded.
            pose_topics: Other messages with a header, whose stamps may be in any order.
            reach_ns: Time beside the segment that is read, at least twice the overlap.
        """
        self.recording = recording
        self.segment = segment
        self.overlap_ns = overlap_ns
        self._reach_ns = max(reach_ns, 2 * overlap_ns)
        self._pose_topics = frozenset(pose_topics)
        self._topics = frozenset(topics) | self._pose_topics
        self._info_topics = frozenset(info_topics)
        self.damaged: list[LedgerLine] = []
        """Own images of damaged chunks or bad stamps; complete once ``images`` was asked for."""

    @cached_property
    def calibrations(self) -> CalibrationsInReach:
        """Calibrations by topic and place."""
        return CalibrationsInReach(
            self.recording, self.segment, topics=self._info_topics, near=self._near
        )

    @property
    def first_chunk(self) -> int:
        """Number of the first chunk that is read."""
        return self._near[0] if self._near else self.segment.first

    def digests(self) -> list[tuple[str, str]]:
        """Return what decides the content: own chunks, those beside, first calibrations, ends."""
        own = set(range(self.segment.first, self.segment.end))
        chunks = [
            ('own' if number in own else 'beside', self.recording.digest(number))
            for number in self._near
        ]
        ends = [(f'ends {topic}', f'{self._ends_of(topic)}') for topic in sorted(self._topics)]
        return chunks + self.calibrations.digests() + ends

    @cached_property
    def images(self) -> dict[str, list[StampedMessage]]:
        """Images by topic in order of recording, without those of bad stamps.

        Those beside the segment are not its own.
        """
        found: dict[str, list[StampedMessage]] = {topic: [] for topic in self._topics}
        for message in self._messages(self._topics):
            try:
                stamp_ns, frame_id = header_of(message.data)
            except InputError as error:
                self._lose(message.topic, message.position, error)
                continue
            found[message.topic].append(
                StampedMessage(
                    topic=message.topic,
                    position=message.position,
                    stamp_ns=stamp_ns,
                    frame_id=frame_id,
                    publish_ns=message.publish_ns,
                    is_own=self._is_own(message.position.chunk),
                )
            )
        return {topic: self._in_order(topic, images) for topic, images in found.items()}

    def is_beyond(self, image: StampedMessage, topic: str) -> bool:
        """Return whether the images of a topic begin behind an image, or end before it.

        Only where they do so within the overlap: a camera that began much later, or that stopped,
        is a loss. So is an image that is itself the nearest to that first or last one: the stamps
        of the two are apart, and nothing ended.
        """
        others = self.images[topic]
        if not others:
            return False
        begins, ends = self._ends_of(topic)
        first, last = others[0], others[-1]
        is_before = begins and image.stamp_ns < first.stamp_ns
        is_behind = ends and image.stamp_ns > last.stamp_ns
        return (is_before and self._is_left_out(image, first)) or (
            is_behind and self._is_left_out(image, last)
        )

    def begins(self, topic: str) -> bool:
        """Return whether nothing of a topic was recorded before what is read."""
        return self._ends_of(topic)[0]

    def data_of(self, message: StampedMessage) -> bytes:
        """Return the bytes of a message."""
        return self.recording.message(message.position).data

    def _is_left_out(self, image: StampedMessage, end: StampedMessage) -> bool:
        """Return whether an image lies near the end of another topic, and others nearer."""
        if not is_near(end, image, self.overlap_ns):
            return False
        fellows = recorded_near(self.images[image.topic], end, self.overlap_ns)
        return nearest_stamp(fellows, end) is not image

    def _in_order(self, topic: str, images: list[StampedMessage]) -> list[StampedMessage]:
        """Return images in order of recording; own ones whose stamps do not rise are noted."""
        images = sorted(images, key=lambda image: image.position)
        if topic in self._pose_topics:
            return images
        order, sound = StampOrder(f'image of {topic}'), []
        for image in images:
            fault = order.fault(image.stamp_ns)
            if fault is None:
                sound.append(image)
            elif image.is_own:
                self.damaged.append(line_of(image, *fault))
        return sound

    def _ends_of(self, topic: str) -> tuple[bool, bool]:
        """Return whether what is read reaches to the first and to the last chunk of a topic."""
        span = self.recording.span_of(topic)
        if span is None or not self._near:
            return (False, False)
        return self._near[0] <= span[0], self._near[-1] >= span[1]

    @cached_property
    def _near(self) -> list[int]:
        """Numbers of the chunks that are read: those with wanted topics, within the overlap."""
        chunks = self.recording.chunks[self.segment.first : self.segment.end]
        start = min(chunk.start_ns for chunk in chunks) - self._reach_ns
        end = max(chunk.end_ns for chunk in chunks) + self._reach_ns
        near = {*self.recording.chunks_between(start, end)}
        near |= {*range(self.segment.first, self.segment.end)}
        wanted = self._topics | self._info_topics
        return [
            number
            for number in sorted(near)
            if wanted & self.recording.chunks[number].counts.keys()
        ]

    def _messages(self, topics: frozenset[str]) -> Iterator[RecordedMessage]:
        """Read the near chunks; own images of damaged ones are noted."""
        for number in self._near:
            if not topics & self.recording.chunks[number].counts.keys():
                continue
            try:
                messages = self.recording.messages(number)
            except InputError as error:
                self._lose_chunk(number, topics & self._topics, error)
                continue
            yield from (message for message in messages if message.topic in topics)

    def _is_own(self, chunk: int) -> bool:
        return self.segment.first <= chunk < self.segment.end

    def _lose_chunk(self, number: int, topics: frozenset[str], error: InputError) -> None:
        if not self._is_own(number):
            return
        place = self.recording.chunks[number]
        for topic, time_ns in self.recording.file_of(number).indexed_times(place):
            if topic in topics:
                self.damaged.append(unread(topic, time_ns, error))

    def _lose(self, topic: str, position: Position, error: InputError) -> None:
        if self._is_own(position.chunk):
            self.damaged.append(unread(topic, position.time_ns, error))
