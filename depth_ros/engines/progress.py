"""Type of progress callbacks."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, 'float | None'], None]
"""Called with what is being done and, where known, how much of it, 0..1."""
