"""TensorRT: not available yet; asking for it says what to use instead."""

from __future__ import annotations

from depth_ros.engines.runtime import RUNTIMES
from depth_ros.errors import EngineError


class TensorRtRuntime:
    """Place of the TensorRT runtime; making one is refused."""

    def __init__(self) -> None:
        """Refuse.

        Raises:
            EngineError: Always, naming the engines that work.
        """
        raise EngineError(RUNTIMES['tensorrt'].unavailable)
