"""From posed views to a coloured cloud: depth per reference, filter, fusion.

The node and ``depth-ros run multiview`` both run this, so both give the same cloud.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from depth_ros.consistency import DepthView
from depth_ros.errors import ParameterError
from depth_ros.fusion import DepthFusion, FusionSettings
from depth_ros.keyframes import DepthRange, ViewSet
from depth_ros.multiview import MultiViewOutput, MultiViewProcessor

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
    """Tells where to search next."""

    def __init__(self, settings: DepthRangeSettings) -> None:
        """Begin with the whole range."""
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
        """Learn from known depths, any shape, metres; too few of them widen the search again."""
        known = depths_m[np.isfinite(depths_m) & (depths_m > 0.0)]
        if known.size < 100:
            self._seen = None
            return
        low, high = np.percentile(known, PERCENTILES)
        self._seen = (float(low), float(high))

    def reset(self) -> None:
        """Search the whole range again."""
        self._seen = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReconstructionOutput:
    """What one reference gave.

    Attributes:
        views: Reference and sources.
        output: Depth and confidence of the reference.
        num_new_points: Points that this map brought into the cloud.
        stages_s: Wall seconds by stage, ``fuse`` among them.
    """

    views: ViewSet
    output: MultiViewOutput
    num_new_points: int
    stages_s: Mapping[str, float]

    @property
    def valid_fraction(self) -> float:
        """Share of pixels whose depth is known."""
        return self.output.valid_fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconstructionSettings:
    """Everything but the model: range and fusion."""

    depth_range: DepthRangeSettings = field(default_factory=DepthRangeSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)


class Reconstruction:
    """A processor with its fusion; one worker thread owns it."""

    def __init__(
        self, processor: MultiViewProcessor, settings: ReconstructionSettings | None = None
    ) -> None:
        """Take ownership of the processor."""
        self.processor = processor
        self.settings = settings or ReconstructionSettings()
        self.fusion = DepthFusion(self.settings.fusion)
        self.depth_range = DepthRangeTracker(self.settings.depth_range)

    def process(self, views: ViewSet) -> ReconstructionOutput:
        """Compute the depth of a reference and fuse it.

        Raises:
            InputError: If the views cannot be used; see ``multiview_checks``.
            EngineError: If the runtime fails.
        """
        output = self.processor.process(views.frame(self.depth_range.range_m))
        start = time.perf_counter()
        view = depth_view(output, views.reference.world_from_camera)
        added = self.fusion.add(view)
        self.depth_range.see(view.known(self.settings.fusion.consistency.min_confidence))
        stages = {**output.stages_s, 'fuse': time.perf_counter() - start}
        return ReconstructionOutput(
            views=views,
            output=output,
            num_new_points=added,
            stages_s=MappingProxyType(stages),
        )

    def reset(self) -> None:
        """Forget the cloud and where depth was."""
        self.fusion.reset()
        self.depth_range.reset()

    def close(self) -> None:
        """Close the engines."""
        self.processor.close()


def depth_view(output: MultiViewOutput, world_from_camera: np.ndarray) -> DepthView:
    """Give what fusion takes from a depth map; without confidence every pixel is trusted."""
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


def with_depth_range(
    settings: ReconstructionSettings, range_m: DepthRange
) -> ReconstructionSettings:
    """Give the settings with another fixed range."""
    depth_range = replace(settings.depth_range, min_m=range_m[0], max_m=range_m[1])
    return replace(settings, depth_range=depth_range)
