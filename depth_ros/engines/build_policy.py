"""Whether opening an engine may build it; robots that must start at once forbid it.

A context, not an argument, because it concerns this start of the process, not what any
processor computes; it reaches every processor that opens engines, and is local to the thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from depth_ros.errors import EngineError

_MAY_BUILD: ContextVar[bool] = ContextVar('depth_ros_may_build', default=True)


@contextmanager
def building(*, is_allowed: bool) -> Iterator[None]:
    """Allow or forbid exports and builds while the block runs, in this thread."""
    token = _MAY_BUILD.set(is_allowed)
    try:
        yield
    finally:
        _MAY_BUILD.reset(token)


def expect_building(what: str, command: str) -> None:
    """Require that building is allowed.

    Args:
        what: What is missing; begins the message.
        command: What to type to build it.

    Raises:
        EngineError: If it is forbidden.
    """
    if not _MAY_BUILD.get():
        raise EngineError(
            f'{what} is not built yet and build_if_missing is false; type: {command}, or set '
            'build_if_missing to true'
        )
