"""What a job will cost: its first frames are computed and timed, nothing is written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice

from depth_ros.recordings.outcome import Made
from depth_ros.recordings.plan import RecordingPlan
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
    """

    task: str
    frames: int
    frame_s: float
    frame_bytes: float

    def seconds(self, num_workers: int) -> float:
        """Return the time of all frames."""
        return self.frames * self.frame_s / num_workers


def estimate(plans: tuple[RecordingPlan, ...]) -> list[TaskCost]:
    """Time the first frames of each task.

    Raises:
        DepthRosError: If a recording or an engine cannot be used.
    """
    costs: dict[str, TaskCost] = {}
    items = [item for plan in plans for item in plan.items]
    for item in items:
        if item.task.kind in costs or not item.segment.num_frames:
            continue
        frames = sum(
            other.segment.num_frames for other in items if other.task.kind == item.task.kind
        )
        recording, work = Recording(item.bag), item.task.open()
        try:
            stretch = work.stretch(recording, item.segment, item.overlap_ns)
            outcomes = work.outcomes(stretch)
            next(outcomes, None)
            start = time.perf_counter()
            sizes = [
                sum(len(serialised(message)) for message in outcome.messages.values())
                for outcome in islice(outcomes, NUM_TIMED)
                if isinstance(outcome, Made)
            ]
            spent_s = time.perf_counter() - start
        finally:
            work.close()
            recording.close()
        number = max(1, len(sizes))
        costs[item.task.kind] = TaskCost(
            task=item.task.kind,
            frames=frames,
            frame_s=spent_s / number,
            frame_bytes=sum(sizes) / number,
        )
    return list(costs.values())
