"""Whose log lines the library's are, where several nodes share a process."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar

from rclpy.impl.rcutils_logger import RcutilsLogger

Arguments = ParamSpec('Arguments')
Result = TypeVar('Result')

SPEAKER: ContextVar[RcutilsLogger | None] = ContextVar('speaker', default=None)
"""Logger of the node that this thread works for now; None where it works for none."""


def in_same_name(work: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return work that speaks for the node of this moment, in whatever thread it runs once."""
    context = copy_context()

    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return context.run(work, *args, **kwargs)

    return run
