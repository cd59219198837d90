"""Multi-view depth end to end without ROS: posed views in, metric depth of the reference out.

The node and ``depth-ros run multiview`` both run this, so both give equal results.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from depth_ros.frames import MultiViewFrame
from depth_ros.geometry.posed_view import PosedView, multi_view_frame
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.results import DepthMap, DepthResult, depth_map, known_share
from depth_ros.tasks.call import expect_depth_range, expect_views
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.multiview.checks import check_frame
from depth_ros.tasks.multiview.range_watch import RangeWatch
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.networks import open_model
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.processor import Processor
from depth_ros.tensors import Progress, Task

MultiViewPipeline = Pipeline[MultiViewFrame, DepthResult]
UNKNOWN = np.float32(np.nan)


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiViewWanted:
    """Which outputs are wanted; nothing else is kept."""

    confidence: bool = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MultiViewOutput:
    """One frame's results.

    Attributes:
        frame: The views the network saw: rectified images with rectified cameras.
        depth: Metric depth of the reference, in its rectified pixels, with photometric
            confidence where wanted.
        stages_s: Wall seconds by stage: ``rectify``, ``preprocess``, ``infer``,
            ``postprocess``, ``filter``.
    """

    frame: MultiViewFrame
    depth: DepthResult
    stages_s: Mapping[str, float]

    @property
    def valid_fraction(self) -> float:
        """Share of pixels whose depth is known."""
        return known_share(self.depth.depth)


class MultiViewProcessor(Processor[MultiViewSettings]):
    """Rectifiers, pipeline and filters; one worker thread owns it."""

    opener = 'open_multiview'
    needs_another = (
        'model, engine, size, depths, sources and sampling need a new processor: '
        'call open_multiview(settings)'
    )

    def __init__(self, pipeline: MultiViewPipeline, settings: MultiViewSettings) -> None:
        """Take ownership of the pipeline; raises as ``check_settings``."""
        super().__init__(pipeline, settings)
        self._rectifiers = RectifierCache()
        self._watch = RangeWatch()

    def __call__(
        self,
        reference: PosedView,
        sources: Sequence[PosedView],
        *,
        depth_range_m: tuple[float, float],
    ) -> DepthMap:
        """Return metric depth of the reference in its rectified pixels.

        Args:
            reference: As ``posed_view`` makes it or ``read_posed_folder`` reads it.
            sources: Further views of the same scene, best first.
            depth_range_m: Nearest and farthest depth of the search.

        Raises:
            InputError: If views, poses, calibrations or the range cannot be used.
            EngineError: If the runtime fails.
        """
        expect_views(reference, sources)
        expect_depth_range(depth_range_m)
        frame = multi_view_frame(reference, sources, depth_range_m=depth_range_m)
        output = self.process(frame)
        return depth_map(output.depth, output.frame.reference.image)

    def process(
        self, frame: MultiViewFrame, *, wanted: MultiViewWanted | None = None
    ) -> MultiViewOutput:
        """Run one reference with its sources end to end.

        Raises:
            InputError: If views, poses, calibrations or the depth range cannot be used; see
                ``multiview_checks.check_frame`` for the reasons.
            EngineError: If the runtime fails.
        """
        self.expect_open()
        wanted = wanted or MultiViewWanted()
        start = time.perf_counter()
        check_frame(frame, min_overlap=self.settings.min_overlap)
        rectified, covered = self._rectify(frame)
        rectify_s = time.perf_counter() - start
        timed = self.pipeline.run(rectified)
        start = time.perf_counter()
        depth = self._filtered(timed.result, covered, wanted)
        sure = timed.result.confidence
        self._watch.look(depth.depth, sure, (frame.depth_min_m, frame.depth_max_m))
        filter_s = time.perf_counter() - start
        stages = {'rectify': rectify_s, **timed.stages_s, 'filter': filter_s}
        return MultiViewOutput(frame=rectified, depth=depth, stages_s=MappingProxyType(stages))

    def _rectify(self, frame: MultiViewFrame) -> tuple[MultiViewFrame, np.ndarray | None]:
        """Rectify every view; also return where the reference is covered."""
        views = (frame.reference, *frame.sources)
        rectifiers = self._rectifiers.of_cameras([view.camera for view in views])
        reference, *sources = (
            rectifier.rectify(view) for rectifier, view in zip(rectifiers, views, strict=True)
        )
        covered = rectifiers[0].covered_in(frame.reference)
        return replace(frame, reference=reference, sources=tuple(sources)), covered

    def _filtered(
        self, result: DepthResult, covered: np.ndarray | None, wanted: MultiViewWanted
    ) -> DepthResult:
        """Make unknown what the reference does not show and what the network doubts."""
        depth, confidence = result.depth, result.confidence
        if covered is not None:
            depth = np.where(covered, depth, UNKNOWN)
        if confidence is not None:
            if self.settings.min_confidence > 0.0:
                depth = np.where(confidence >= self.settings.min_confidence, depth, UNKNOWN)
            confidence = np.where(np.isnan(depth), np.float32(0.0), confidence)
        return replace(result, depth=depth, confidence=confidence if wanted.confidence else None)


def open_multiview(
    settings: MultiViewSettings | None = None,
    *,
    progress: Progress | None = None,
    **given: object,
) -> MultiViewProcessor:
    """Open the model and its engines.

    Args:
        settings: What to run; None takes the defaults.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        given: Settings by name, in place of those of ``settings``.

    Raises:
        ParameterError: If the model does not serve multi-view depth or a setting is out of
            its range.
        WeightsError: If there are no weights; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    settings = settings_given(settings or MultiViewSettings(), given)
    options = {'depths': settings.num_depths, 'sources': settings.num_sources}
    opened = open_model(Task.MULTIVIEW, settings, options=options, progress=progress)
    return MultiViewProcessor(opened.pipeline, settings)
