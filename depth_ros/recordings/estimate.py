"""What a job will cost: its first frames are computed and timed, nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapreplace
from itertools import islice

from depth_ros.recordings.ledger import LedgerLine, main_reason
from depth_ros.recordings.outcome import Made, Outcome
from depth_ros.recordings.plan import RecordingPlan, WorkItem
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.wire import serialised

NUM_TIMED = 5
"""Frames that are timed; one before them warms up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCost:
    """What one task costs on this machine.

    Attributes:
        task: Its name.
        segment_frames: Reference images of each segment, of all recordings in order.
        frame_s: Seconds a frame in one worker, reading and serialising included.
        frame_bytes: Bytes of the messages of a frame, before compression.
        refusal: Why most images that were timed became no output, where none did.
    """

    task: str
    segment_frames: tuple[int, ...]
    frame_s: float
    frame_bytes: float
    refusal: str = ''

    @property
    def frames(self) -> int:
        """Reference images in all recordings."""
        return sum(self.segment_frames)

    def seconds(self, num_workers: int) -> float:
        """Return the time of all frames; a segment is one worker's, the next goes to who is free.

        A task whose frames depend on those before has one segment of a recording.
        """
        loads = [0] * min(num_workers, len(self.segment_frames))
        for frames in self.segment_frames:
            heapreplace(loads, loads[0] + frames)
        return max(loads) * self.frame_s


def estimate(plans: tuple[RecordingPlan, ...]) -> list[TaskCost]:
    """Time the first frames of each task.

    Raises:
        DepthRosError: If a recording or an engine cannot be used.
    """
    items = [item for plan in plans for item in plan.items]
    kinds = dict.fromkeys(item.task.kind for item in items)
    of_kinds = [[item for item in items if item.task.kind == kind] for kind in kinds]
    return [_cost(items) for items in of_kinds if any(item.segment.num_frames for item in items)]


def _cost(items: Sequence[WorkItem]) -> TaskCost:
    """Time the first frames of one task."""
    first = next(item for item in items if item.segment.num_frames)
    recording, work = Recording(first.bag), first.task.open()
    try:
        stretch = work.stretch(recording, first.segment, first.overlap_ns)
        outcomes = work.outcomes(stretch)
        next(outcomes, None)
        start = time.perf_counter()
        timed = list(map(_serialised, islice(outcomes, NUM_TIMED)))
        spent_s = time.perf_counter() - start
    finally:
        work.close()
        recording.close()
    sizes = [size for size in timed if isinstance(size, int)]
    refusals = [(line.reason, line.text) for line in timed if isinstance(line, LedgerLine)]
    number = max(1, len(sizes))
    return TaskCost(
        task=first.task.kind,
        segment_frames=tuple(item.segment.num_frames for item in items),
        frame_s=spent_s / number,
        frame_bytes=sum(sizes) / number,
        refusal=main_reason(refusals) if refusals and not sizes else '',
    )


def _serialised(outcome: Outcome) -> int | LedgerLine:
    """Return the bytes of an output, or why there is none."""
    if not isinstance(outcome, Made):
        return outcome
    return sum(len(serialised(message)) for message in outcome.messages.values())
