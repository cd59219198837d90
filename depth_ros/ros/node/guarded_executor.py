"""An executor that outlives its callbacks: what they raise is told, counted and over."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from rclpy.executors import SingleThreadedExecutor

CALLBACK = 'callback'
"""Reason that failed callbacks are counted by."""


class GuardedExecutor(SingleThreadedExecutor):
    """Runs callbacks in one thread; an exception of one of them ends neither thread nor node."""

    def spin_guarded(self, timeout_s: float, tell: Callable[[str, str], None]) -> bool:
        """Run the next callback; return whether there can be a next one: ROS is not shut down.

        Args:
            timeout_s: How long to wait for one.
            tell: Takes the reason ``CALLBACK`` and a text with the traceback.
        """
        try:
            self.spin_once(timeout_s)
        except Exception as error:  # noqa: BLE001 - one per executor loop: the node lives on
            if self.context.ok():
                tell(CALLBACK, defect_text(error))
        return self.context.ok()


def defect_text(error: Exception) -> str:
    """Return what an operator reads about an exception that nobody foresaw."""
    return 'a defect of depth_ros, please report it: ' + ''.join(
        traceback.format_exception(type(error), error, error.__traceback__)
    )
