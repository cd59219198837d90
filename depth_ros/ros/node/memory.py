"""Keep freed image buffers in the process, to avoid page faults with every frame.

glibc gives large blocks back to the kernel when they are freed, and a thread's own arena does so
at once. Each frame makes and frees some 20 MB, whose pages the kernel would clear again: without
this module publishing takes more than twice the time (``benchmarks/node_overhead.py``).
"""

from __future__ import annotations

import ctypes
import logging

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of ``<malloc.h>``."""
KEPT_BYTES = 256 * 1024 * 1024
LARGEST_MMAP_THRESHOLD = 32 * 1024 * 1024

logger = logging.getLogger(__name__)


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
