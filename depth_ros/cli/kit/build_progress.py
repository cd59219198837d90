"""Progress of builds on stderr: what is being done, at least once a second."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from depth_ros.cli.kit.progress import open_progress
from depth_ros.engines.build_monitor import BuildMonitor, BuildStatus

EVERY_S = 0.9
"""Pause between two lines: a line a second at least, also when the machine is busy."""


@contextmanager
def watched(
    monitor: BuildMonitor, stream: TextIO | None = None, *, every_s: float = EVERY_S
) -> Iterator[None]:
    """Show a monitor's status while the block runs: a bar on a terminal, else lines.

    Args:
        monitor: What to show.
        stream: Where to; None takes stderr.
        every_s: Pause between two looks.
    """
    stream = stream or sys.stderr
    stop = threading.Event()
    with open_progress(stream) as bar:

        def show(status: BuildStatus) -> None:
            if stream.isatty():
                bar(status.describe(), _share(status))
            else:
                stream.write(f'depth-ros: {status.describe()}\n')
                stream.flush()

        def look() -> None:
            while not stop.wait(every_s):
                status = monitor.status()
                if status is not None:
                    show(status)

        thread = threading.Thread(target=look, name='depth-ros-build-progress', daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that what is half-written is removed."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _share(status: BuildStatus) -> float | None:
    if status.fraction is not None:
        return status.fraction
    return min(0.99, status.elapsed_s / status.expected_s) if status.expected_s else None
