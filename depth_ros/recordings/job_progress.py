"""How far a job is, by what has been measured: frames, rate and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from depth_ros.recordings.local import Finished
from depth_ros.recordings.plan import WorkItem


@dataclass(frozen=True, kw_only=True, slots=True)
class JobState:
    """A moment of a job.

    Attributes:
        done: Frames that are done, made now or before.
        total: Frames of all work.
        bags_done: Recordings whose frames are all done.
        num_bags: Recordings.
        rate_hz: Frames made a second since the first of them; 0 before.
        left_s: Seconds until the end at that rate; None while it is not known.
    """

    done: int
    total: int
    bags_done: int
    num_bags: int
    rate_hz: float
    left_s: float | None

    @property
    def fraction(self) -> float:
        """Share of the frames that are done."""
        return self.done / self.total if self.total else 1.0


class JobProgress:
    """Counts frames as they come; what was done before is no part of the rate."""

    def __init__(
        self, items: Sequence[WorkItem], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin; ``clock`` gives seconds."""
        self._items = items
        self._clock = clock
        self._done = [0] * len(items)
        self._is_finished = [False] * len(items)
        self._num_made = 0
        self._first_s: float | None = None
        self._last_s = 0.0

    def count(self, number: int, frames: int) -> None:
        """Note frames of an item that were made just now."""
        self._last_s = self._clock()
        if self._first_s is None:
            self._first_s = self._last_s
        else:
            self._num_made += frames
        total = self._items[number].segment.num_frames
        self._done[number] = min(self._done[number] + frames, total)

    def restart(self, number: int) -> None:
        """Note that an item is begun again."""
        self._done[number] = 0

    def finish(self, finished: Finished) -> None:
        """Note that an item is done."""
        number = finished.number
        self._done[number] = self._items[number].segment.num_frames
        self._is_finished[number] = True

    def state(self) -> JobState:
        """Return how far it is."""
        total = sum(item.segment.num_frames for item in self._items)
        done = sum(self._done)
        spent_s = 0.0 if self._first_s is None else self._last_s - self._first_s
        rate = self._num_made / spent_s if spent_s > 0.0 else 0.0
        bags = {item.bag for item in self._items}
        open_bags = {
            item.bag
            for item, is_finished in zip(self._items, self._is_finished, strict=True)
            if not is_finished
        }
        return JobState(
            done=done,
            total=total,
            bags_done=len(bags - open_bags),
            num_bags=len(bags),
            rate_hz=rate,
            left_s=(total - done) / rate if rate else None,
        )
