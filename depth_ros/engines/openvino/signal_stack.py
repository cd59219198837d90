"""Keep a library from leaving a signal stack behind that it frees later.

OpenVINO 2026.4 gives the calling thread an alternate signal stack on CPUs with AMX, and frees it
with the last compiled model, still registered. Python's handlers run on that stack, so the next
Ctrl-C would end the process with a segmentation fault.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (('pointer', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Return this thread back the signal stack it had before, which mostly is none."""
    if not sys.platform.startswith('linux'):
        yield
        return
    library, before = ctypes.CDLL(None), _Stack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)
