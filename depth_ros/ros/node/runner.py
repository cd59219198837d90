"""Run a node from start to a clean exit: one executor thread, signals, exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from depth_ros.engines.tensorrt.cuda_memory import is_device_lost
from depth_ros.errors import DepthRosError
from depth_ros.ros.node.help import NodeHelp, is_help
from depth_ros.ros.node.loader import THREAD_NAME
from depth_ros.ros.node.memory import keep_freed_memory

SPIN_S = 0.1


class Runnable(Protocol):
    """What ``run_node`` runs: it owns a node instead of being one, so names cannot clash.

    Attributes:
        node: The ROS node.
    """

    node: Node

    @property
    def is_finished(self) -> bool:
        """Whether the node is done and should stop."""

    def close(self) -> int:
        """Stop working and return the exit code."""


class StopRequest:
    """Set by SIGINT or SIGTERM, any number of them; nothing is ever raised.

    rclpy's own handlers would invalidate the context while the worker still publishes, and
    Python's would raise KeyboardInterrupt in the middle of the clean-up.
    """

    def __init__(self) -> None:
        """Install the handlers."""
        self.is_set = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def ignore(self) -> None:
        """Ignore signals from now on: the ending interpreter restores the default handlers."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True


def run_node(
    name: str,
    make: Callable[[], Runnable],
    args: Sequence[str] | None = None,
    *,
    help: NodeHelp | None = None,
) -> int:
    """Initialise ROS, run a node until it finishes or a signal stops it; return the exit code.

    Args:
        name: Logger used before there is a node.
        make: Makes what is run.
        args: Command line; None takes ``sys.argv``.
        help: What ``--help`` prints instead of starting.
    """
    if help is not None and is_help(sys.argv[1:] if args is None else args):
        sys.stdout.write(help.text(name))
        return 0
    keep_freed_memory()
    rclpy.init(
        args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO
    )
    stop = StopRequest()
    try:
        runnable = make()
    except DepthRosError as error:
        get_logger(name).fatal(str(error))
        rclpy.try_shutdown()
        return 1
    code = _spin(runnable, stop)
    rclpy.try_shutdown()
    stop.ignore()
    return _leave(code)


def _spin(runnable: Runnable, stop: StopRequest) -> int:
    library_logger = logging.getLogger('depth_ros')
    library_logger.addHandler(NodeLogHandler(runnable.node))
    library_logger.setLevel(logging.INFO)
    executor = SingleThreadedExecutor()
    executor.add_node(runnable.node)
    try:
        while not (stop.is_set or runnable.is_finished):
            executor.spin_once(timeout_sec=SPIN_S)
        return runnable.close()
    finally:
        executor.remove_node(runnable.node)
        executor.shutdown()
        runnable.node.destroy_node()


def _leave(code: int) -> int:
    """End at once if a runtime still builds in the loader thread, or a GPU was lost.

    A build cannot be stopped, and a lost GPU cannot be released in order.
    """
    is_building = any(thread.name == THREAD_NAME for thread in threading.enumerate())
    if is_building or is_device_lost():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


class NodeLogHandler(logging.Handler):
    """Passes the library's log lines to the node's logger."""

    def __init__(self, node: Node) -> None:
        """Forward to this node."""
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record; each severity has a call of its own, as rclpy demands."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
