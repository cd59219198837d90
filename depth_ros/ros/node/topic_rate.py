"""How often a topic's messages come, how even, and how old they are. Thread-safe, no ROS."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

WINDOW = 100
JITTER_TOLERANCE = 0.5
"""Share of the usual interval by which a message may be early or late."""


class _Event(NamedTuple):
    arrival_s: float
    stamp_ns: int
    delay_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """Intervals between messages by one clock.

    Attributes:
        rate_hz: Messages a second over the window; 0 with fewer than two.
        mean_jitter_us: Mean distance of the intervals from their median, microseconds.
        max_jitter_us: Largest.
        num_outliers: Intervals off the median by over half of it.
    """

    rate_hz: float = 0.0
    mean_jitter_us: float = 0.0
    max_jitter_us: float = 0.0
    num_outliers: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RateSnapshot:
    """State of one topic.

    Attributes:
        topic: Resolved name.
        frame_id: Of the last message.
        num_messages: Since the start.
        num_in_window: The last ones, which the rest is about.
        window_s: Time between the first and the last of them.
        silent_s: Since the last message, or since the start.
        by_arrival: Rhythm by this machine's clock.
        by_stamp: Rhythm by the stamps.
        least_delay_s: Smallest age of a stamp at arrival, by the node's clock; NaN without one.
        largest_delay_s: Largest.
        num_not_rising: Stamps that were not later than the one before, since the start.
        num_zero: Stamps of zero, since the start.
    """

    topic: str
    frame_id: str
    num_messages: int
    num_in_window: int
    window_s: float
    silent_s: float
    by_arrival: Rhythm
    by_stamp: Rhythm
    least_delay_s: float
    largest_delay_s: float
    num_not_rising: int
    num_zero: int


class TopicRate:
    """Counts the messages of one topic."""

    def __init__(self, topic: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with no message; ``clock`` gives seconds of the machine."""
        self.topic = topic
        self._clock = clock
        self._lock = threading.Lock()
        self._events: deque[_Event] = deque(maxlen=WINDOW)
        self._last_s = clock()
        self._last_stamp_ns = 0
        self._frame_id = ''
        self._num_messages = self._num_not_rising = self._num_zero = 0

    @property
    def num_messages(self) -> int:
        """Messages since the start."""
        return self._num_messages

    @property
    def silent_s(self) -> float:
        """Seconds since the last message, or since the start."""
        return self._clock() - self._last_s

    def restart(self) -> None:
        """Begin to wait again: the silence so far was wanted."""
        with self._lock:
            self._last_s = self._clock()
            self._events.clear()

    def add(self, stamp_ns: int, frame_id: str, now_ns: int) -> None:
        """Count a message; ``now_ns`` is the node's time, which may be simulated."""
        with self._lock:
            self._last_s = self._clock()
            self._num_messages += 1
            self._num_zero += stamp_ns == 0
            self._num_not_rising += stamp_ns <= self._last_stamp_ns
            self._last_stamp_ns, self._frame_id = stamp_ns, frame_id
            self._events.append(_Event(self._last_s, stamp_ns, (now_ns - stamp_ns) * 1e-9))

    def snapshot(self) -> RateSnapshot:
        """Return a consistent copy."""
        with self._lock:
            events = list(self._events)
            counts = (self._num_messages, self._num_not_rising, self._num_zero)
            frame_id = self._frame_id
        arrivals = np.array([event.arrival_s for event in events])
        stamps = np.array([event.stamp_ns for event in events], np.int64)
        delays = [event.delay_s for event in events if event.stamp_ns]
        return RateSnapshot(
            topic=self.topic,
            frame_id=frame_id,
            num_messages=counts[0],
            num_in_window=len(events),
            window_s=float(arrivals[-1] - arrivals[0]) if events else 0.0,
            silent_s=self.silent_s,
            by_arrival=_rhythm(np.diff(arrivals)),
            by_stamp=_rhythm(np.diff(stamps) * 1e-9),
            least_delay_s=min(delays, default=float('nan')),
            largest_delay_s=max(delays, default=float('nan')),
            num_not_rising=counts[1],
            num_zero=counts[2],
        )


def _rhythm(intervals_s: np.ndarray) -> Rhythm:
    """Measure intervals; those of stamps may be zero or negative."""
    total_s = float(intervals_s.sum())
    if total_s <= 0.0:
        return Rhythm()
    usual_s = float(np.median(intervals_s))
    off_s = np.abs(intervals_s - usual_s)
    return Rhythm(
        rate_hz=len(intervals_s) / total_s,
        mean_jitter_us=float(off_s.mean()) * 1e6,
        max_jitter_us=float(off_s.max()) * 1e6,
        num_outliers=int((off_s > JITTER_TOLERANCE * abs(usual_s)).sum()),
    )
