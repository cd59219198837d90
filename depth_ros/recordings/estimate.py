"""What a job will cost: its first frames are computed and timed, nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

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
        frames: Reference images in all recordings.
        frame_s: Seconds a frame in one worker, reading and serialising included.
        frame_bytes: Bytes of the messages of a frame, before compression.
        refusal: Why the first image that was timed became no output, where none did.
    """

    task: str
    frames: int
    frame_s: float
    frame_bytes: float
    refusal: str = ''

    def seconds(self, num_workers: int) -> float:
        """Return the time of all frames."""
        return self.frames * self.frame_s / num_workers


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
    refusals = [text for text in timed if isinstance(text, str)]
    number = max(1, len(sizes))
    return TaskCost(
        task=first.task.kind,
        frames=sum(item.segment.num_frames for item in items),
        frame_s=spent_s / number,
        frame_bytes=sum(sizes) / number,
        refusal=refusals[0] if refusals and not sizes else '',
    )


def _serialised(outcome: Outcome) -> int | str:
    """Return the bytes of an output, or why there is none."""
    if not isinstance(outcome, Made):
        return outcome.text
    return sum(len(serialised(message)) for message in outcome.messages.values())
