"""Does items of work, one after the other: recordings stay open and engines loaded."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from depth_ros.errors import DepthRosError, InputError
from depth_ros.recordings.bag_check import is_intact
from depth_ros.recordings.calibration_starts import CalibrationStart
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.merge import counts_of
from depth_ros.recordings.outcome import SegmentWork
from depth_ros.recordings.part import PartCounts, part_key, write_part
from depth_ros.recordings.places import is_there, written_whole
from depth_ros.recordings.plan import WorkItem, part_name
from depth_ros.recordings.recording import Recording


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedPart:
    """A part that is there.

    Attributes:
        key: Its name.
        identity: What computed it.
        made: Outputs.
        refused: Refused images by reason.
        calibrations: Where calibrations begin.
        was_there: Whether it had been made before.
        seconds: Wall time.
    """

    key: str
    identity: str
    made: int
    refused: Mapping[str, int]
    calibrations: Sequence[CalibrationStart]
    was_there: bool
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkFailure:
    """Why an item could not be done: a sentence, or the trace of a mistake of the program."""

    text: str


class Workshop:
    """One worker's recordings and engines.

    Attributes:
        recording: The one that is open, or None.
    """

    def __init__(self, out: str) -> None:
        """Write parts below the folder ``out``."""
        self._out = out
        self.recording: Recording | None = None
        self._works: dict[str, SegmentWork] = {}

    def close(self) -> None:
        """Free the engines and close the recording."""
        if self.recording is not None:
            self.recording.close()
        for work in self._works.values():
            work.close()

    def do(
        self, item: WorkItem, report: Callable[[int], None] = lambda number: None
    ) -> FinishedPart:
        """Make a part, unless it is there.

        Args:
            item: What to do.
            report: Called after every frame with 1.

        Raises:
            DepthRosError: If the recording is gone, the disk is full or a runtime fails.
        """
        start = time.perf_counter()
        work = self._work(item.task)
        recording = self._opened(item.bag)
        stretch = work.stretch(recording, item.segment, item.overlap_ns)
        recording.forget_before(stretch.first_chunk)
        key = part_key(item.task, work, stretch)
        name = part_name(self._out, key)
        counts = _known_counts(name)
        was_there = counts is not None
        if counts is None:
            with written_whole(name) as sink:
                counts = write_part(sink, item.task, work, stretch, report=report)
        return FinishedPart(
            key=key,
            identity=work.identity,
            made=counts.made,
            refused=dict(counts.refused),
            calibrations=tuple(counts.calibrations),
            was_there=was_there,
            seconds=time.perf_counter() - start,
        )

    def attempt(
        self, item: WorkItem, report: Callable[[int], None] = lambda number: None
    ) -> FinishedPart | WorkFailure:
        """Do an item as ``do``; what it raises becomes a value that can go to another process."""
        import cv2

        cv2.setNumThreads(item.task.threads)
        try:
            return self.do(item, report)
        except DepthRosError as error:
            return WorkFailure(text=str(error))
        except BrokenPipeError:
            raise
        except Exception:  # noqa: BLE001 - the one place of a worker's loop
            return WorkFailure(text=traceback.format_exc())

    def _work(self, task: JobTask) -> SegmentWork:
        """Return the opened task; recordings whose topics have other names need their own."""
        key = json.dumps([task.kind, task.values], sort_keys=True)
        if key not in self._works:
            for work in self._works.values():
                work.close()
            self._works = {key: task.open()}
        return self._works[key]

    def _opened(self, bag: str) -> Recording:
        if self.recording is None or self.recording.path != bag:
            if self.recording is not None:
                self.recording.close()
            self.recording = Recording(bag)
        return self.recording


def _known_counts(name: str) -> PartCounts | None:
    """Return the counts of a part that is there and whole, else None."""
    if not is_there(name):
        return None
    try:
        return counts_of(name) if is_intact(name) else None
    except InputError:
        return None
