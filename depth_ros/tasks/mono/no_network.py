"""What stands where no mono network is: relative depth that is unknown everywhere.

Depth then comes from keyframes of the moving camera alone; see ``refine``.
"""

from __future__ import annotations

import numpy as np

from depth_ros.frames import MonoFrame
from depth_ros.models.base import Engines, Prepared
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tensors import Tensors

NO_NETWORK = 'none'


class NoNetwork:
    """A model of the mono task that knows nothing; see ``models.base.Model``."""

    name = NO_NETWORK
    graphs: tuple[str, ...] = ()

    def preprocess(self, frame: MonoFrame) -> Prepared[None]:
        """Fit nothing."""
        return Prepared(feeds={}, context=None)

    def infer(self, engines: Engines, prepared: Prepared[None]) -> Tensors:
        """Compute nothing."""
        return {}

    def postprocess(
        self, outputs: Tensors, prepared: Prepared[None], frame: MonoFrame
    ) -> DepthResult:
        """Return NaN everywhere."""
        return DepthResult(
            depth=np.full(frame.image.shape[:2], np.nan, np.float32),
            camera=frame.camera,
            stamp_ns=frame.stamp_ns,
            scale=DepthScale.RELATIVE,
        )
