"""Jobs of a reference with its sources, and the fused cloud, which survives engine changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.cloud import write_cloud
from depth_ros.geometry.consistency import DepthView
from depth_ros.geometry.posed_view import PosedView
from depth_ros.ros.node.wrapped_processor import WrappedProcessor
from depth_ros.tasks.multiview.fusion import DepthFusion
from depth_ros.tasks.multiview.keyframes import DepthRange, ViewSet
from depth_ros.tasks.multiview.processor import MultiViewOutput, MultiViewProcessor
from depth_ros.tasks.multiview.reconstruction import (
    DepthRangeSettings,
    DepthRangeTracker,
    depth_view,
)
from depth_ros.tasks.multiview.settings import FusionSettings, MultiViewSettings

if TYPE_CHECKING:
    from depth_ros.ros.multiview.pending_view import PendingView


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyframeWanted:
    """Which outputs have subscribers."""

    depth: bool = True
    cloud: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SearchPlace:
    """Where depth is searched, and in which frame the poses are.

    Attributes:
        limits_m: Nearest and farthest depth that may be searched.
        seen_m: What another sensor sees of the view, or None.
        follow: Whether to search only where the last map had depth.
        world_frame: Frame of the poses.
    """

    limits_m: DepthRange
    seen_m: DepthRange | None
    follow: bool
    world_frame: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MultiviewInput:
    """What the processor gets.

    Attributes:
        views: Reference and sources.
        place: Where to search.
    """

    views: ViewSet[PosedView]
    place: SearchPlace


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MultiviewJob:
    """What the worker gets.

    Attributes:
        views: Reference and sources, not decoded yet.
        place: Where to search.
        min_sources: How many of the sources must be usable.
        accepted_s: Monotonic clock when the set was complete.
    """

    views: ViewSet[PendingView]
    place: SearchPlace
    min_sources: int
    accepted_s: float = field(default_factory=time.monotonic)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the reference."""
        return self.views.reference.stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the reference."""
        return self.views.reference.name

    def decode(self) -> MultiviewInput:
        """Decode what is not decoded yet; sources that cannot be used are left out.

        Raises:
            InputError: If the reference cannot be used, or too few sources can.
        """
        reference = self.views.reference.decoded()
        found = [usable_view(view) for view in self.views.sources]
        sources = tuple(view for view in found if view is not None)
        if len(sources) < self.min_sources:
            raise InputError(
                'views',
                f'{len(sources)} of {len(found)} source images of a keyframe can be used, at '
                f'least {self.min_sources} must be; see the reasons logged before this line',
            )
        return MultiviewInput(
            views=ViewSet(reference=reference, sources=sources), place=self.place
        )


def usable_view(view: PendingView) -> PosedView | None:
    """Return a view with its image; None where that cannot be used.

    The reason is that of the view as a reference, which every keyframe is once.
    """
    try:
        return view.decoded()
    except InputError:
        return None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeyframeOutput:
    """One reference's results.

    Attributes:
        output: Depth and confidence.
        depth_range_m: Where depth was searched.
        num_new_points: Points that it brought into the cloud.
        world_frame: Frame of the cloud.
        stages_s: Wall seconds by stage, ``fuse`` among them.
    """

    output: MultiViewOutput
    depth_range_m: DepthRange
    num_new_points: int
    world_frame: str
    stages_s: Mapping[str, float]

    @property
    def valid_fraction(self) -> float:
        """Share of pixels whose depth is known."""
        return self.output.valid_fraction


class SharedCloud:
    """The fused cloud: written by the worker, read and reset by services. Thread-safe.

    Attributes:
        world_frame: Frame of its points; empty while there are none.
    """

    def __init__(self, settings: FusionSettings) -> None:
        """Start empty."""
        self.world_frame = ''
        self._lock = threading.Lock()
        self._fusion = DepthFusion(settings)

    def set_settings(self, settings: FusionSettings) -> None:
        """Use other settings; a change starts an empty cloud."""
        with self._lock:
            if settings != self._fusion.settings:
                self._fusion = DepthFusion(settings)

    @property
    def min_confidence(self) -> float:
        """Photometric confidence below which depth is not fused."""
        return self._fusion.settings.consistency.min_confidence

    def add(self, view: DepthView, world_frame: str) -> int:
        """Fuse a depth map; return the number of new points."""
        with self._lock:
            if world_frame != self.world_frame:
                self._fusion.reset()
                self.world_frame = world_frame
            return self._fusion.add(view)

    def reset(self) -> int:
        """Forget everything; return the number of points there were."""
        with self._lock:
            count = len(self._fusion.map)
            self._fusion.reset()
            return count

    def contents(self) -> tuple[np.ndarray, np.ndarray]:
        """Return points ``(N, 3)`` float32 metres and colours ``(N, 3)`` uint8 RGB."""
        with self._lock:
            return self._fusion.map.points, self._fusion.map.colors

    def counts(self) -> dict[str, str]:
        """Return the statistics of the cloud as texts."""
        with self._lock:
            voxels, views = self._fusion.map, self._fusion.num_views
            return {
                'fused_points': str(len(voxels)),
                'fused_maps': str(views),
                'fused_evicted': str(voxels.num_evicted),
                'fused_seen_through': str(voxels.num_removed),
            }

    def save(self, path: Path) -> int:
        """Write the cloud; return the number of points.

        Raises:
            DepthRosError: If it is empty or cannot be written.
        """
        points, colors = self.contents()
        if len(points) == 0:
            raise DepthRosError(
                'the cloud is empty: move the camera sideways, and subscribe to fused/points or '
                'set keep_map to true, so that it is built'
            )
        write_cloud(path, points, colors)
        return len(points)


class FusingProcessor(WrappedProcessor[MultiViewSettings]):
    """``MultiViewProcessor`` as the worker wants it, with fusion where it is wanted."""

    def __init__(self, processor: MultiViewProcessor, cloud: SharedCloud) -> None:
        """Take ownership of the processor."""
        super().__init__(processor)
        self._processor = processor
        self._cloud = cloud
        self._tracker: DepthRangeTracker | None = None

    def process(self, frame: MultiviewInput, *, wanted: KeyframeWanted) -> KeyframeOutput:
        """Compute the depth of a reference and, if wanted, fuse it."""
        range_m = self._range(frame)
        output = self._processor.process(frame.views.frame(range_m))
        start = time.perf_counter()
        view = depth_view(output, frame.views.reference.world_from_camera)
        if self._tracker is not None:
            self._tracker.see(view.known(self._cloud.min_confidence))
        added = self._cloud.add(view, frame.place.world_frame) if wanted.cloud else 0
        stages = {**output.stages_s, 'fuse': time.perf_counter() - start}
        return KeyframeOutput(
            output=output,
            depth_range_m=range_m,
            num_new_points=added,
            world_frame=frame.place.world_frame,
            stages_s=MappingProxyType(stages),
        )

    def _range(self, frame: MultiviewInput) -> DepthRange:
        low, high = frame.place.limits_m
        seen = frame.place.seen_m
        if seen is not None:
            low, high = max(low, seen[0]), min(high, seen[1])
            return (low, high) if low < high else frame.place.limits_m
        if not frame.place.follow:
            self._tracker = None
            return frame.place.limits_m
        settings = DepthRangeSettings(min_m=low, max_m=high, follow=True)
        if self._tracker is None:
            self._tracker = DepthRangeTracker(settings)
        self._tracker.settings = replace(settings)
        return self._tracker.range_m
