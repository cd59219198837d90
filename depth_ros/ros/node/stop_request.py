"""The wish to stop: set by signals, from before the heavy imports until the last line.

Imports nothing but ``signal``, so that a node's entry can install it first.
"""

from __future__ import annotations

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the wish of a launcher, and a terminal that was closed."""


class StopRequest:
    """Set by one of ``SIGNALS``, any number of them; nothing is ever raised.

    rclpy's own handlers would invalidate the context while the worker still publishes. Python's
    would raise KeyboardInterrupt in the middle of the clean-up, or of an import, which may
    swallow it.
    """

    def __init__(self) -> None:
        """Install the handlers."""
        self.is_set = False
        for number in SIGNALS:
            is_nohup = number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
            if not is_nohup:
                signal.signal(number, self._on_signal)

    def ignore(self) -> None:
        """Ignore signals from now on: the ending interpreter restores the default handlers."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True


def stop_request() -> StopRequest:
    """Return the stop request that is installed; install one where there is none."""
    return _installed() or StopRequest()


def is_stop_requested() -> bool:
    """Whether a signal asked this process to stop, for loops that wait long."""
    stop = _installed()
    return stop is not None and stop.is_set


def _installed() -> StopRequest | None:
    owner = getattr(signal.getsignal(signal.SIGINT), '__self__', None)
    return owner if isinstance(owner, StopRequest) else None
