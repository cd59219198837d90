"""OpenVINO's package for telemetry, hidden: nothing here reports its use to anybody.

``import openvino`` (2026.4) sends an event to its maker unless the user has once run ``opt_in_out
--opt_out``, and writes a client number into ``~/intel``; NNCF 3.4 does so at every use. Both do
without the package where it cannot be imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

PACKAGE = 'openvino_telemetry'


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Make the package unimportable for a while."""
    before = sys.modules.get(PACKAGE)
    sys.modules[PACKAGE] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[PACKAGE]
        if before is not None:
            sys.modules[PACKAGE] = before
