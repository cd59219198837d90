"""What a segment is made of: its own messages, what lies beside it, and the calibration before it.

Everything that a result depends on is found here, and nothing else is read: ``digests`` names it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError, InputError
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Position, RecordedMessage, Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.wire import CAMERA_INFO, header_of, parsed


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerLine:
    """An input that becomes no output.

    Attributes:
        topic: Its topic.
        stamp_ns: Stamp of its header; 0 where it cannot be read.
        log_ns: Time of recording.
        reason: Why, as a short slug.
        text: Why, as a sentence.
    """

    topic: str
    stamp_ns: int
    log_ns: int
    reason: str
    text: str


def refused(message: StampedMessage, error: InputError) -> LedgerLine:
    """Return the line of an image that cannot be used."""
    return LedgerLine(
        topic=message.topic,
        stamp_ns=message.stamp_ns,
        log_ns=message.position.time_ns,
        reason=error.reason,
        text=str(error),
    )


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
        reach_ns: int = 0,
    ) -> None:
        """Remember what to read.

        Args:
            recording: Where from.
            segment: Which stretch.
            topics: Images.
            info_topics: Their calibrations.
            overlap_ns: Time within which partners were recorded.
            reach_ns: Time beside the segment that is read, at least twice the overlap.
        """
        self.recording = recording
        self.segment = segment
        self.overlap_ns = overlap_ns
        self._reach_ns = max(reach_ns, 2 * overlap_ns)
        self._topics = frozenset(topics)
        self._info_topics = frozenset(info_topics)
        self._cameras: dict[bytes, PinholeCamera | CalibrationError] = {}
        self.damaged: list[LedgerLine] = []
        """Own images in chunks that cannot be read; complete once ``images`` was asked for."""

    @property
    def first_chunk(self) -> int:
        """Number of the first chunk that is read."""
        return self._near[0] if self._near else self.segment.first

    def digests(self) -> list[tuple[str, str]]:
        """Return what decides the content: own chunks, those beside, first calibrations."""
        own = set(range(self.segment.first, self.segment.end))
        chunks = [
            ('own' if number in own else 'beside', self.recording.digest(number))
            for number in self._near
        ]
        infos = [
            (f'info {topic}', '' if found is None else sha256(found.data).hexdigest())
            for topic, found in sorted(self._first_infos.items())
        ]
        return chunks + infos

    @cached_property
    def images(self) -> dict[str, list[StampedMessage]]:
        """Images by topic in order of recording; those beside the segment are not its own."""
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
        for images in found.values():
            images.sort(key=lambda image: image.position)
        return found

    def camera_at(self, info_topic: str, position: Position) -> PinholeCamera:
        """Return the calibration that was latest at a place.

        Before the first one of the recording, that one counts.

        Raises:
            CalibrationError: If there is none or it is unfit.
        """
        infos = self._infos[info_topic]
        place = bisect_right(infos, position, key=lambda message: message.position)
        latest = infos[place - 1] if place else self._first_infos[info_topic]
        if latest is None:
            raise CalibrationError(
                'bag_no_info',
                f'no camera_info can be read from topic {info_topic!r}; name a calibration file '
                'in the job',
            )
        return self._camera(latest)

    def data_of(self, message: StampedMessage) -> bytes:
        """Return the bytes of a message."""
        return self.recording.message(message.position).data

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

    @cached_property
    def _infos(self) -> dict[str, list[RecordedMessage]]:
        found: dict[str, list[RecordedMessage]] = {topic: [] for topic in self._info_topics}
        for message in self._messages(self._info_topics):
            found[message.topic].append(message)
        for messages in found.values():
            messages.sort(key=lambda message: message.position)
        return found

    @cached_property
    def _first_infos(self) -> dict[str, RecordedMessage | None]:
        return {topic: self._first_info(topic) for topic in self._info_topics}

    def _first_info(self, topic: str) -> RecordedMessage | None:
        """Return the last calibration before what is read, else the first one there is."""
        first = self.first_chunk
        numbers = [*range(first - 1, -1, -1), *range(first, len(self.recording.chunks))]
        for number in numbers:
            infos = self._infos_in(topic, number)
            if infos:
                return infos[-1 if number < first else 0]
        return None

    def _infos_in(self, topic: str, number: int) -> list[RecordedMessage]:
        if not self.recording.chunks[number].counts.get(topic):
            return []
        try:
            messages = self.recording.messages(number)
        except InputError:
            return []
        return sorted(
            (message for message in messages if message.topic == topic),
            key=lambda message: message.position,
        )

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

    def _camera(self, message: RecordedMessage) -> PinholeCamera:
        key = message.data[12:]  # all but the stamp: a calibration is read once
        if key not in self._cameras:
            try:
                self._cameras[key] = camera_from_info(parsed(message.data, CAMERA_INFO))
            except CalibrationError as error:
                self._cameras[key] = error
        camera = self._cameras[key]
        if isinstance(camera, CalibrationError):
            raise camera
        return camera

    def _is_own(self, chunk: int) -> bool:
        return self.segment.first <= chunk < self.segment.end

    def _lose_chunk(self, number: int, topics: frozenset[str], error: InputError) -> None:
        if not self._is_own(number):
            return
        place = self.recording.chunks[number]
        for topic, time_ns in self.recording.file_of(number).indexed_times(place):
            if topic in topics:
                self.damaged.append(
                    LedgerLine(
                        topic=topic,
                        stamp_ns=0,
                        log_ns=time_ns,
                        reason=error.reason,
                        text=str(error),
                    )
                )

    def _lose(self, topic: str, position: Position, error: InputError) -> None:
        if self._is_own(position.chunk):
            self.damaged.append(
                LedgerLine(
                    topic=topic,
                    stamp_ns=0,
                    log_ns=position.time_ns,
                    reason=error.reason,
                    text=str(error),
                )
            )
