"""Warnings that are not repeated at camera rate: one for each reason every few seconds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

PERIOD_S = 5.0
LONGEST = 4000
"""Characters of a warning; what a message brought may be as long as its sender likes."""


class ThrottledWarnings:
    """Throttles warnings by reason and says how many were held back. Thread-safe."""

    def __init__(
        self,
        warn: Callable[[str], None],
        *,
        period_s: float = PERIOD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with no warning issued.

        Args:
            warn: Where a warning goes, e.g. a node's logger.
            period_s: Time between two warnings for one reason.
            clock: Seconds; the machine's, so that paused sim time does not silence it.
        """
        self._warn = warn
        self._period_s = period_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last_s: dict[str, float] = {}
        self._num_held_back: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    def count(self, prefix: str) -> int:
        """Return how often reasons with this prefix were reported, logged or not."""
        with self._lock:
            return sum(n for reason, n in self._counts.items() if reason.startswith(prefix))

    def __call__(self, reason: str, text: str) -> None:
        """Warn, unless this reason was logged within the period."""
        with self._lock:
            self._counts[reason] += 1
            now = self._clock()
            if now - self._last_s.get(reason, -self._period_s) < self._period_s:
                self._num_held_back[reason] = self._num_held_back.get(reason, 0) + 1
                return
            self._last_s[reason] = now
            num_held_back = self._num_held_back.pop(reason, 0)
        more = f' ({num_held_back} more since the last warning)' if num_held_back else ''
        self._warn(f'[{reason}] {shortened(text)}{more}')


def shortened(text: str) -> str:
    """Return a text of at most about ``LONGEST`` characters, the middle of a longer one cut."""
    left_out = len(text) - LONGEST
    if left_out <= 0:
        return text
    half = LONGEST // 2
    return f'{text[:half]} ... ({left_out} characters left out) ... {text[-half:]}'
