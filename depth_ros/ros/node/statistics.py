"""The node's statistics: outputs, drops by reason, stage times. Thread-safe, no ROS.

``paired == outputs + dropped + in flight`` between two jobs; images before pairing are in the
counters of ``StereoSynchronizer``.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

NUM_TIMES = 300
RATE_WINDOW_S = 5.0
NUM_WORKED = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTimes:
    """Percentiles of one stage's wall time over the last few hundred outputs, milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsSnapshot:
    """The statistics at one moment.

    Attributes:
        outputs: Pairs that became published results.
        dropped: Pairs that did not, by reason.
        rate_hz: Outputs a second over the last five seconds.
        mean_rate_hz: Outputs a second from the first to the last output.
        valid_fraction: Share of known pixels in the last output, 0..1; NaN before the first.
        stages: Percentiles by stage.
    """

    outputs: int
    dropped: Mapping[str, int]
    rate_hz: float
    mean_rate_hz: float
    valid_fraction: float
    stages: Mapping[str, StageTimes]

    @property
    def num_dropped(self) -> int:
        """Dropped pairs of all reasons."""
        return sum(self.dropped.values())

    def end_text(self) -> str:
        """Return what a node says at its end; without any output also why there is none."""
        text = f'stopped after {self.outputs} output{"" if self.outputs == 1 else "s"}'
        if self.outputs:
            return text
        if not self.num_dropped:
            return f'{text}: no complete input came; see: ros2 topic hz on its input topics'
        reasons = ', '.join(f'{reason} {count}' for reason, count in self.dropped.items())
        remedy = ''
        if 'no_subscriber' in self.dropped:
            remedy = (
                '; nobody subscribed to an output: see it e.g. with ros2 topic echo, or depth in '
                'a browser with python -m depth_ros.ros viewer_node'
            )
        return f'{text}: dropped were {reasons}{remedy}'


class NodeStatistics:
    """Counts what becomes of every pair."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at zero; ``clock`` gives seconds of the machine, not of the simulation."""
        self._clock = clock
        self._lock = threading.Lock()
        self._num_outputs = 0
        self._dropped: Counter[str] = Counter()
        self._first_output_s = 0.0
        self._output_times_s: deque[float] = deque(maxlen=1000)
        self._stages_s: dict[str, deque[float]] = {}
        self._valid_fraction = float('nan')
        self._work_s: deque[tuple[float, float]] = deque(maxlen=NUM_WORKED)
        self._job_times_s: deque[float] = deque(maxlen=1000)

    def job(self) -> None:
        """Count a pair that is handed over for computing."""
        with self._lock:
            self._job_times_s.append(self._clock())

    def recent_job_rate_hz(self, window_s: float) -> float:
        """Return how many pairs a second were handed over of late; 0 for fewer than two."""
        with self._lock:
            oldest = self._clock() - window_s
            recent = [moment for moment in self._job_times_s if moment > oldest]
        return _rate_hz(len(recent), recent[-1] - recent[0]) if recent else 0.0

    def recent_work_s(self, since_s: float, *, at_least: int) -> float | None:
        """Return what a pair takes without waiting, s: the median of the last ones.

        Args:
            since_s: Earlier ones do not count, by the clock.
            at_least: So many must be there, else None.
        """
        with self._lock:
            seconds = [value for moment, value in self._work_s if moment > since_s]
        return float(np.median(seconds)) if len(seconds) >= at_least else None

    def drop(self, reason: str, count: int = 1) -> None:
        """Count dropped pairs."""
        if count:
            with self._lock:
                self._dropped[reason] += count

    def output(self, stages_s: Mapping[str, float], valid_fraction: float) -> None:
        """Count one output with its wall seconds by stage."""
        with self._lock:
            self._output_times_s.append(self._clock())
            worked_s = stages_s.get('total', 0.0) - stages_s.get('wait', 0.0)
            self._work_s.append((self._output_times_s[-1], worked_s))
            if self._num_outputs == 0:
                self._first_output_s = self._output_times_s[-1]
            self._num_outputs += 1
            self._valid_fraction = valid_fraction
            for name, seconds in stages_s.items():
                self._stages_s.setdefault(name, deque(maxlen=NUM_TIMES)).append(seconds)

    def snapshot(self) -> StatisticsSnapshot:
        """Return a consistent copy."""
        with self._lock:
            stages = {name: _percentiles(times) for name, times in self._stages_s.items()}
            return StatisticsSnapshot(
                outputs=self._num_outputs,
                dropped=MappingProxyType(dict(self._dropped)),
                rate_hz=self._rate_hz(),
                mean_rate_hz=self._mean_rate_hz(),
                valid_fraction=self._valid_fraction,
                stages=MappingProxyType(stages),
            )

    def _rate_hz(self) -> float:
        oldest = self._clock() - RATE_WINDOW_S
        recent = [moment for moment in self._output_times_s if moment > oldest]
        return _rate_hz(len(recent), recent[-1] - recent[0]) if recent else 0.0

    def _mean_rate_hz(self) -> float:
        if not self._output_times_s:
            return 0.0
        return _rate_hz(self._num_outputs, self._output_times_s[-1] - self._first_output_s)


def _rate_hz(num_moments: int, duration_s: float) -> float:
    return (num_moments - 1) / duration_s if duration_s > 0.0 else 0.0


def _percentiles(times_s: deque[float]) -> StageTimes:
    p50, p95, p99 = np.percentile(np.fromiter(times_s, np.float64), (50, 95, 99)) * 1e3
    return StageTimes(p50_ms=float(p50), p95_ms=float(p95), p99_ms=float(p99))
