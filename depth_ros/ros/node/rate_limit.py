"""At most so many messages a second, by their stamps. No ROS."""

from __future__ import annotations

SECOND_NS = 1e9


class RateLimit:
    """Lets messages of one topic through at a rate, on average also where stamps do not fit it."""

    def __init__(self) -> None:
        """Start with the next message due."""
        self._last_ns: int | None = None
        self._due_ns = 0.0

    def is_due(self, stamp_ns: int, max_rate_hz: float) -> bool:
        """Whether a message of this stamp may go; always if the rate is 0 or stamps went back."""
        is_first = self._last_ns is None or stamp_ns < self._last_ns
        return max_rate_hz <= 0.0 or is_first or stamp_ns >= self._due_ns

    def take(self, stamp_ns: int, max_rate_hz: float) -> None:
        """Count a message that goes."""
        if max_rate_hz > 0.0:
            period_ns = SECOND_NS / max_rate_hz
            late_ns = stamp_ns - self._due_ns
            is_steady = self._last_ns is not None and 0.0 <= late_ns < period_ns
            self._due_ns = (self._due_ns if is_steady else stamp_ns) + period_ns
        self._last_ns = stamp_ns
