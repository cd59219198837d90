"""Executors that outlive their callbacks: what they raise is told, counted and over."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from threading import Condition
from typing import Any

from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node

from depth_ros.ros.node.speaker import SPEAKER

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


class CrewExecutor(MultiThreadedExecutor):
    """Runs the callbacks of several nodes: one at a time of a node, so that none holds up others.

    A node that waits in a transition for its engine would hold up all of them in one thread.
    """

    def __init__(
        self,
        tell: Callable[[Node | None, str], None],
        *,
        num_nodes: int,
        context: Context | None = None,
    ) -> None:
        """Run nothing yet.

        Args:
            tell: Takes the node whose callback failed and a text with the traceback; in the
                thread of that callback.
            num_nodes: Nodes that will be added; each gets a thread, and services that answer
                late share another.
            context: Of the nodes; None takes the default one.
        """
        super().__init__(num_nodes + 1, context=context)
        self._tell = tell
        self._running: Counter[Node | None] = Counter()
        self._changed = Condition()

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> Any:
        """Return the next callback, guarded; its thread runs it."""
        task, entity, node = super().wait_for_ready_callbacks(*args, **kwargs)
        with self._changed:
            self._running[node] += 1
        speaker = node.get_logger() if node is not None else None
        return _Guarded(task, lambda: self._finish(task, node), speaker), entity, node

    def wait_until_idle(self, node: Node) -> None:
        """Wait for the callbacks of a node that have begun; call it outside of callbacks."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running[node])

    def _finish(self, task: Any, node: Node | None) -> None:
        error = task.exception() if task.done() else None
        if error is not None and self.context.ok():
            self._tell(node, defect_text(error))
        with self._changed:
            self._running[node] -= 1
            self._changed.notify_all()


class _Guarded:
    """A callback as rclpy's executors run and ask it; it never fails."""

    def __init__(
        self, task: Any, finish: Callable[[], None], speaker: RcutilsLogger | None
    ) -> None:
        self._task, self._finish, self._speaker = task, finish, speaker
        self._is_done = False

    def __call__(self) -> None:
        token = SPEAKER.set(self._speaker)
        try:
            self._task()
        finally:
            SPEAKER.reset(token)
            self._is_done = True
            self._finish()

    def done(self) -> bool:
        """Whether it ran; a coroutine may go on, as another callback."""
        return self._is_done

    def result(self) -> None:
        """Return nothing: what it raised is told already."""


def defect_text(error: Exception) -> str:
    """Return what an operator reads about an exception that nobody foresaw."""
    return 'a defect of depth_ros, please report it: ' + ''.join(
        traceback.format_exception(type(error), error, error.__traceback__)
    )
