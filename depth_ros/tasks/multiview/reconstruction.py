"""Between depth maps and fusion: the depth range to search next, and the input of fusion.

The node and ``depth-ros run multiview`` both use it with ``fusion``, so their clouds are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.geometry.consistency import DepthView
from depth_ros.tasks.multiview.keyframes import DepthRange
from depth_ros.tasks.multiview.processor import MultiViewOutput

MARGIN = 0.2
PERCENTILES = (2.0, 98.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class DepthRangeSettings:
    """Where depth is searched.

    Attributes:
        min_m: Nearest depth, above 0.
        max_m: Farthest depth.
        follow: Narrow the search to what the last depth map held, within ``min_m`` and
            ``max_m``.
    """

    min_m: float = 0.5
    max_m: float = 10.0
    follow: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.min_m < self.max_m < np.inf:
            raise ParameterError(
                f'the depth range must be 0 < min < max, got {self.min_m!r} to {self.max_m!r} m; '
                'set both to the nearest and farthest depth of the scene'
            )


class DepthRangeTracker:
    """Tracks the depth range to search next."""

    def __init__(self, settings: DepthRangeSettings) -> None:
        self.settings = settings
        self._seen: DepthRange | None = None

    @property
    def range_m(self) -> DepthRange:
        """Nearest and farthest depth to search, metres."""
        limits = (self.settings.min_m, self.settings.max_m)
        if not self.settings.follow or self._seen is None:
            return limits
        low = max(limits[0], self._seen[0] / (1.0 + MARGIN))
        high = min(limits[1], self._seen[1] * (1.0 + MARGIN))
        return (low, high) if low < high else limits

    def see(self, depths_m: np.ndarray) -> None:
        """Update the range from known depths (any shape, metres); too few widen it again."""
        known = depths_m[np.isfinite(depths_m) & (depths_m > 0.0)]
        if known.size < 100:
            self._seen = None
            return
        low, high = np.percentile(known, PERCENTILES)
        self._seen = (float(low), float(high))

    def reset(self) -> None:
        """Search the whole range again."""
        self._seen = None


def depth_view(output: MultiViewOutput, world_from_camera: np.ndarray) -> DepthView:
    """Return what fusion takes from a depth map; without confidence every pixel is trusted."""
    depth, reference = output.depth, output.frame.reference
    confidence = depth.confidence
    if confidence is None:
        confidence = np.ones(depth.depth.shape, np.float32)
    return DepthView(
        depth=depth.depth,
        confidence=confidence,
        image=reference.image,
        camera=reference.camera,
        world_from_camera=world_from_camera,
    )
