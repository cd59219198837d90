"""The calibrations of a segment: those in reach of it, and the one before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from hashlib import sha256

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.recordings.calibration_starts import (
    CalibrationStart,
    calibration_start,
    infos_in,
    without_stamp,
)
from depth_ros.recordings.recording import Position, RecordedMessage, Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.wire import CAMERA_INFO, parsed


class CalibrationsInReach:
    """Which calibration holds at a place of a segment, of each camera_info topic."""

    def __init__(
        self,
        recording: Recording,
        segment: Segment,
        *,
        topics: Collection[str],
        near: Sequence[int],
    ) -> None:
        """Remember what to read.

        Args:
            recording: Where from.
            segment: Which stretch.
            topics: Topics of camera_info.
            near: Numbers of the chunks of the segment and beside it, in order.
        """
        self._recording = recording
        self._segment = segment
        self._topics = sorted(topics)
        self._near = near
        self._cameras: dict[bytes, PinholeCamera | CalibrationError] = {}

    def at(self, topic: str, position: Position) -> PinholeCamera:
        """Return the calibration that was latest at a place.

        Before the first one of the recording, that one counts.

        Raises:
            CalibrationError: If there is none or it is unfit.
        """
        infos = self._infos[topic]
        place = bisect_right(infos, position, key=lambda message: message.position)
        latest = infos[place - 1] if place else self._first_infos[topic]
        if latest is None:
            raise CalibrationError(
                'bag_no_info',
                f'no camera_info can be read from topic {topic!r}; name a calibration file in '
                'the job',
            )
        return self._camera(latest)

    def digests(self) -> list[tuple[str, str]]:
        """Return what the calibrations before those in reach are, by topic."""
        return [
            (f'info {topic}', '' if found is None else sha256(found.data).hexdigest())
            for topic, found in self._first_infos.items()
        ]

    def starts(self) -> list[CalibrationStart]:
        """Return where each calibration of the segment begins, by topic in order of recording.

        The first of a topic is the one that holds when the segment begins.
        """
        return [calibration_start(info) for topic in self._topics for info in self._own(topic)]

    def _own(self, topic: str) -> Iterator[RecordedMessage]:
        """Return the calibration at the beginning, then every own one unlike the one before."""
        infos = self._infos[topic]
        before = [info for info in infos if info.position.chunk < self._segment.first]
        first = before[-1] if before else self._first_infos[topic]
        own = [
            info
            for info in infos
            if self._segment.first <= info.position.chunk < self._segment.end
        ]
        last = b''
        for info in [first, *own]:
            if info is not None and without_stamp(info.data) != last:
                last = without_stamp(info.data)
                yield info

    @cached_property
    def _infos(self) -> dict[str, list[RecordedMessage]]:
        return {
            topic: sorted(
                (
                    info
                    for number in self._near
                    for info in infos_in(self._recording, topic, number)
                ),
                key=lambda info: info.position,
            )
            for topic in self._topics
        }

    @cached_property
    def _first_infos(self) -> dict[str, RecordedMessage | None]:
        return {topic: self._first(topic) for topic in self._topics}

    def _first(self, topic: str) -> RecordedMessage | None:
        """Return the last calibration before what is in reach, else the first one there is."""
        first = self._near[0] if self._near else self._segment.first
        numbers = [*range(first - 1, -1, -1), *range(first, len(self._recording.chunks))]
        for number in numbers:
            infos = infos_in(self._recording, topic, number)
            if infos:
                return infos[-1 if number < first else 0]
        return None

    def _camera(self, message: RecordedMessage) -> PinholeCamera:
        key = without_stamp(message.data)  # a calibration is read once
        if key not in self._cameras:
            try:
                self._cameras[key] = camera_from_info(parsed(message.data, CAMERA_INFO))
            except CalibrationError as error:
                self._cameras[key] = error
        camera = self._cameras[key]
        if isinstance(camera, CalibrationError):
            raise camera
        return camera
