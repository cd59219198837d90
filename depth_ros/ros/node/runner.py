"""Run a node from start to a clean exit: one executor thread, signals, exit codes.

Freed image buffers are kept in the process, to avoid page faults with every frame: glibc gives
large blocks back to the kernel when they are freed, and a thread's own arena does so at once. Each
frame makes and frees some 20 MB, whose pages the kernel would clear again; publishing would take
more than twice the time (``benchmarks/node_overhead.py``).
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import rclpy
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from depth_ros.engines.tensorrt.cuda_memory import is_device_lost
from depth_ros.errors import DepthRosError, ParameterError
from depth_ros.files.draft_folder import remove_drafts
from depth_ros.ros.node.guarded_executor import GuardedExecutor
from depth_ros.ros.node.help import NodeHelp, is_help
from depth_ros.ros.node.loader import THREAD_NAME
from depth_ros.ros.node.parameter_services import refuse_unknown_types
from depth_ros.ros.node.speaker import SPEAKER
from depth_ros.ros.node.stop_request import StopRequest, stop_request
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings, shortened
from depth_ros.ros.node.words import check_words, refused_by_ros

SPIN_S = 0.1
WRONG_WORDS = 2
"""Exit code if the command line is refused."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of ``<malloc.h>``."""
KEPT_BYTES = 256 * 1024 * 1024
LARGEST_MMAP_THRESHOLD = 32 * 1024 * 1024

logger = logging.getLogger(__name__)


class Runnable(Protocol):
    """What ``run_node`` runs: it owns a node instead of being one, so names cannot clash.

    Attributes:
        node: The ROS node.
        warn: Its throttled warnings; callbacks that failed are told and counted there.
    """

    node: Node
    warn: ThrottledWarnings

    @property
    def is_finished(self) -> bool:
        """Whether the node is done and should stop."""

    def close(self) -> int:
        """Stop working and return the exit code."""


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
    words = sys.argv[1:] if args is None else args
    if help is not None and is_help(words):
        sys.stdout.write(help.text(name))
        return 0
    return run_ros(name, words, lambda stop: _spin(make(), stop))


def run_ros(name: str, words: Sequence[str], work: Callable[[StopRequest], int]) -> int:
    """Initialise ROS, do the work, and end in order; return the exit code.

    Args:
        name: Of the program, for what is wrong with its words and for its log.
        words: Words for ROS, after the program's own.
        work: Works until the stop request is set, and returns the exit code.
    """
    stop = stop_request()
    if stop.is_set:
        return 0
    keep_freed_memory()
    try:
        check_words(words, name=name)
        _init(words)
    except ParameterError as error:
        sys.stderr.write(f'{name}: {error}\n')
        return WRONG_WORDS
    try:
        code = work(stop)
    except DepthRosError as error:
        get_logger(name).fatal(str(error))
        rclpy.try_shutdown()
        return 1
    rclpy.try_shutdown()
    stop.ignore()
    return _leave(code)


def _init(words: Sequence[str]) -> None:
    try:
        rclpy.init(args=list(words), signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        raise ParameterError(refused_by_ros(error)) from error


def _spin(runnable: Runnable, stop: StopRequest) -> int:
    forward_log(runnable.node.get_logger())
    executor = GuardedExecutor()
    executor.add_node(runnable.node)
    refuse_unknown_types(runnable.node)
    can_go_on = True
    try:
        while can_go_on and not (stop.is_set or runnable.is_finished):
            can_go_on = executor.spin_guarded(SPIN_S, runnable.warn)
        return runnable.close()
    finally:
        executor.remove_node(runnable.node)
        executor.shutdown()
        runnable.node.destroy_node()


def _leave(code: int) -> int:
    """End at once if a runtime still builds in the loader thread, or a GPU was lost.

    A build cannot be stopped, and a lost GPU cannot be released in order. What a build has
    written so far is removed.
    """
    is_building = any(thread.name == THREAD_NAME for thread in threading.enumerate())
    if is_building or is_device_lost():
        remove_drafts()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def forward_log(logger: RcutilsLogger) -> None:
    """Pass the library's log lines to a logger of ROS."""
    library_logger = logging.getLogger('depth_ros')
    library_logger.addHandler(RosLogHandler(logger))
    library_logger.setLevel(logging.INFO)


class RosLogHandler(logging.Handler):
    """Passes log lines to a logger of ROS."""

    def __init__(self, logger: RcutilsLogger) -> None:
        """Forward to this one, unless the thread speaks for a node."""
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record; each severity has a call of its own, as rclpy demands."""
        text, log = shortened(record.getMessage()), SPEAKER.get() or self._logger
        if record.levelno >= logging.ERROR:
            log.error(text)
        elif record.levelno >= logging.WARNING:
            log.warning(text)
        else:
            log.info(text)


def keep_freed_memory() -> None:
    """Tell glibc to keep up to 256 MB of freed memory; elsewhere do nothing.

    Call it before threads start: they then share one arena.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        logger.debug('no mallopt in this C library')
        return
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
