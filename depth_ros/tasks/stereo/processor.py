"""Stereo end to end without ROS: raw pair in, rectified images, disparity and depth out.

The node and ``depth-ros run stereo`` both run this, so what one shows the other shows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from depth_ros.errors import EngineError
from depth_ros.frames import RectifiedStereo, StereoFrame
from depth_ros.geometry.depth import depth_sigma, disparity_to_depth
from depth_ros.geometry.pair_check import PairWatch
from depth_ros.geometry.postprocess import (
    agreement_confidence,
    deviation_confidence,
    fill_holes,
    left_right_confidence,
    remove_speckles,
)
from depth_ros.geometry.preprocess import mirrored
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.models.registry import model_entry, weightless_models
from depth_ros.results import DepthMap, DepthResult, DepthScale, DisparityResult, depth_map
from depth_ros.tasks.call import Rig, stereo_frame
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.networks import open_model, steps_to_choose
from depth_ros.tasks.pipeline import Pipeline, Timed
from depth_ros.tasks.processor import Processor
from depth_ros.tasks.stereo.hints import GivenHints, HintSource, hint_source
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tasks.stereo.shown import Shown
from depth_ros.tensors import Progress, Task

StereoPipeline = Pipeline[RectifiedStereo, DisparityResult]
UNKNOWN = np.float32(np.nan)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which outputs are wanted; nothing else is computed."""

    depth: bool = True
    confidence: bool = False
    sigma: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RectifiedPair:
    """A pair on common rows.

    Attributes:
        images: Both images, treat them as read-only.
        covered: ``(H, W)`` bool, False where the left image shows nothing (black after
            rectification) and disparity is unknown; None where all is covered.
    """

    images: RectifiedStereo
    covered: np.ndarray | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoOutput:
    """One frame's results.

    Attributes:
        rectified: The pair the matcher saw.
        disparity: Disparity in rectified pixels.
        depth: Metric depth, or None if not wanted.
        stages_s: Wall seconds by stage: ``rectify``, ``hint`` if the model is given one,
            ``preprocess``, ``infer``, ``postprocess``, ``filter``, ``depth``.
        fault: What is wrong with the pair, as ``PairWatch`` found; empty if nothing.
        hint_used: Share of another sensor's depth that the pair did not speak against, 0..1; None
            where none came with the pair.
        valid_fraction: Share of pixels whose disparity is known, 0..1; counted once.
    """

    rectified: RectifiedStereo
    disparity: DisparityResult
    depth: DepthResult | None
    stages_s: Mapping[str, float]
    fault: str = ''
    hint_used: float | None = None
    valid_fraction: float = field(init=False)

    def __post_init__(self) -> None:
        disparity = self.disparity.disparity
        share = float(np.count_nonzero(np.isfinite(disparity)) / disparity.size)
        object.__setattr__(self, 'valid_fraction', share)


class StereoProcessor(Processor[StereoSettings]):
    """Rectifier, pipeline and filters of one rig; one worker thread owns it."""

    opener = 'open_stereo'
    needs_another = (
        'model, engine, size and matcher settings need a new processor: call open_stereo(settings)'
    )

    def __init__(
        self, pipeline: StereoPipeline, settings: StereoSettings, *, is_live: bool = False
    ) -> None:
        """Take ownership of the pipeline; ``is_live`` as of ``PairWatch``."""
        super().__init__(pipeline, settings)
        self._take_hints(settings)
        self._shown = Shown(settings)
        self._rectifiers = RectifierCache()
        self._watch = PairWatch(is_live=is_live)

    def __call__(self, left: np.ndarray, right: np.ndarray, rig: Rig) -> DepthMap:
        """Return the depth of a pair in the pixels of its rectified left image.

        Args:
            left: ``(H, W, 3)`` uint8 RGB; rectified here if the rig says that it is raw.
            right: As ``left``.
            rig: As ``read_rig`` gives it.

        Raises:
            InputError: If the pair or the rig cannot be used.
            EngineError: If the runtime fails.
        """
        return self.depth_of(stereo_frame(left, right, rig))

    def depth_of(self, frame: StereoFrame) -> DepthMap:
        """Return the depth of a frame, e.g. of ``read_bag``; raises as a call does."""
        output = self.process(frame)
        assert output.depth is not None, 'depth is wanted unless something else is'
        disparity = output.disparity.disparity
        return depth_map(
            output.depth, output.rectified.left, disparity=disparity, fault=output.fault
        )

    def check_settings(self, settings: StereoSettings) -> None:
        """Raise what ``set_settings`` would raise for a value; change nothing.

        Raises:
            ParameterError: If hints are asked for that the model does not take, or the mask
                cannot be read or is of another shape than the images that came last.
        """
        hint_source(settings)
        Shown(settings).expect_fitting(self.frame_size)

    def set_settings(self, settings: StereoSettings) -> None:
        """Take over settings that need no new pipeline.

        Raises:
            ParameterError: If they need another pipeline, or a value is refused.
        """
        is_other = settings.hints != self.settings.hints
        shown = Shown(settings)
        shown.expect_fitting(self.frame_size)
        super().set_settings(settings)
        self._shown = shown
        if is_other:
            self._take_hints(settings)

    def rectify(self, frame: StereoFrame) -> RectifiedPair:
        """Rectify a pair, rebuilding the maps if a calibration changed.

        Raises:
            CalibrationError: If the calibration cannot be used.
        """
        rectifier = self._rectifiers.of_rig(
            frame.left.camera,
            frame.right.camera,
            baseline_m=self.settings.baseline_m,
            is_rectified=frame.right.is_rectified,
        )
        return RectifiedPair(images=rectifier.rectify(frame), covered=rectifier.covered_in(frame))

    def process(self, frame: StereoFrame, *, wanted: Wanted | None = None) -> StereoOutput:
        """Run one pair end to end.

        Raises:
            InputError: If the pair or its calibration cannot be used.
            EngineError: If the runtime fails.
        """
        self.expect_open()
        start = time.perf_counter()
        pair = self.rectify(frame)
        rectify_s = time.perf_counter() - start
        output = self.process_rectified(pair.images, wanted=wanted, covered=pair.covered)
        stages = MappingProxyType({'rectify': rectify_s, **output.stages_s})
        return replace(output, stages_s=stages)

    def process_rectified(
        self,
        rectified: RectifiedStereo,
        *,
        wanted: Wanted | None = None,
        covered: np.ndarray | None = None,
    ) -> StereoOutput:
        """Run one already rectified pair; raises as ``process`` does.

        Args:
            rectified: The pair.
            wanted: What will be looked at; None wants depth.
            covered: ``(H, W)`` bool, False where the left image shows nothing (black after
                rectification) and disparity is unknown; None where all is covered.
        """
        self.expect_open()
        wanted = wanted or Wanted()
        self.frame_size = (rectified.left.shape[0], rectified.left.shape[1])
        fault = self._watch.look(rectified)
        timed = self._match(rectified, wants_confidence=wanted.confidence)
        start = time.perf_counter()
        believed = self._believed(timed.result, rectified, covered)
        disparity = self._filtered(believed, rectified, covered)
        filtered = time.perf_counter()
        depth = None
        if wanted.depth or wanted.sigma:
            too_near = self._shown.nearer(believed.disparity, rectified)
            depth = self._depth(disparity, wanted, too_near)
        stages = dict(timed.stages_s)
        stages['filter'] = filtered - start
        stages['depth'] = time.perf_counter() - filtered
        return StereoOutput(
            rectified=rectified,
            disparity=disparity,
            depth=depth,
            stages_s=MappingProxyType(stages),
            fault=fault,
            hint_used=None if self._hints is None else self._hints.used,
        )

    def _match(
        self, rectified: RectifiedStereo, *, wants_confidence: bool
    ) -> Timed[DisparityResult]:
        """Match, and tell how sure every pixel is if that is wanted."""
        settings = self.settings
        left = self._run(rectified, self._hints)
        if settings.left_right_check:
            return self._checked(left, rectified)
        if not (wants_confidence or self._least_confidence(left.result) > 0.0):
            return left
        confidence = self._told_confidence(left.result)
        if confidence is None:
            return self._checked(left, rectified)
        return replace(left, result=replace(left.result, confidence=confidence))

    def _told_confidence(self, result: DisparityResult) -> np.ndarray | None:
        """Return the confidence that the model tells, or SGBM's hint; None where neither does."""
        threshold_px = self.settings.confidence_threshold_px
        if result.sigma_px is not None:
            threshold_px = max(threshold_px, result.finest_px)
            return deviation_confidence(result.sigma_px, threshold_px=threshold_px)
        distance, hints = result.hint_distance_px, self._hints
        if hints is None or not hints.is_evidence or distance is None:
            return None
        return agreement_confidence(distance, threshold_px=threshold_px)

    def _checked(
        self, left: Timed[DisparityResult], rectified: RectifiedStereo
    ) -> Timed[DisparityResult]:
        """Match the mirrored pair, too, and compare."""
        right = self._run(mirrored(rectified), self._mirrored_hints)
        confidence = left_right_confidence(
            left.result.disparity,
            np.ascontiguousarray(right.result.disparity[:, ::-1]),
            threshold_px=self.settings.confidence_threshold_px,
        )
        stages = {name: left.stages_s[name] + right.stages_s[name] for name in left.stages_s}
        return Timed(result=replace(left.result, confidence=confidence), stages_s=stages)

    def _least_confidence(self, result: DisparityResult) -> float:
        """Return what pixels must reach: what the settings say, or else the model's own."""
        asked = self.settings.min_confidence
        if asked >= 0.0:
            return asked
        return 0.0 if result.sigma_px is None else self.settings.own_min_confidence

    def _take_hints(self, settings: StereoSettings) -> None:
        """Take hints from where the settings say, for the pair and for the mirrored one."""
        self._hints, self._mirrored_hints = hint_source(settings), hint_source(settings)

    def _run(self, rectified: RectifiedStereo, hints: HintSource | None) -> Timed[DisparityResult]:
        """Run one pair through the pipeline, with the hint that came with it or the source's."""
        source = hints if rectified.hint is None else GivenHints()
        if source is None:
            return self.pipeline.run(rectified)
        start = time.perf_counter()
        hinted = replace(rectified, hint=source.hint(rectified))
        spent_s = time.perf_counter() - start
        timed = self.pipeline.run(hinted)
        source.learn(rectified, timed.result.disparity)
        return Timed(result=timed.result, stages_s={'hint': spent_s, **timed.stages_s})

    def _believed(
        self, result: DisparityResult, rectified: RectifiedStereo, covered: np.ndarray | None
    ) -> DisparityResult:
        """Make unknown what the images do not show, what the matcher doubts, and specks."""
        settings, confidence = self.settings, result.confidence
        disparity = self._shown.unmasked(result.disparity, rectified, covered)
        if settings.left_right_check and confidence is not None:
            disparity = np.where(confidence > 0, disparity, UNKNOWN)
        least = self._least_confidence(result)
        if least > 0.0 and confidence is not None:
            disparity = np.where(confidence >= least, disparity, UNKNOWN)
        if settings.speckle_size_px > 0:
            disparity = remove_speckles(
                disparity,
                max_size_px=settings.speckle_size_px,
                max_difference_px=settings.speckle_difference_px,
            )
        return replace(result, disparity=disparity)

    def _filtered(
        self, result: DisparityResult, rectified: RectifiedStereo, covered: np.ndarray | None
    ) -> DisparityResult:
        """Keep what is useful of what is believed, and fill its holes if that is asked for."""
        confidence = result.confidence
        disparity = self._shown.useful(result.disparity, rectified)
        if confidence is not None:
            confidence = np.where(np.isnan(disparity), np.float32(0.0), confidence)
        if self.settings.fill_holes:
            filled = self._shown.unmasked(fill_holes(disparity), rectified, covered)
            disparity = self._shown.useful(filled, rectified)
        return replace(result, disparity=disparity, confidence=confidence)

    def _depth(
        self, result: DisparityResult, wanted: Wanted, too_near: np.ndarray | None
    ) -> DepthResult:
        """Make depth; what is too near is ``-Inf``, also where holes of disparity were filled."""
        settings, rig = self.settings, result.camera
        depth = disparity_to_depth(
            result.disparity,
            rig,
            min_depth_m=settings.min_depth_m,
            max_depth_m=settings.max_depth_m,
        )
        if too_near is not None:
            np.copyto(depth, np.float32(-np.inf), where=too_near)
        told = settings.disparity_sigma_px if result.sigma_px is None else result.sigma_px
        sigma = depth_sigma(depth, rig, told) if wanted.sigma else None
        return DepthResult(
            depth=depth,
            camera=rig.left,
            stamp_ns=result.stamp_ns,
            scale=DepthScale.METRIC,
            confidence=result.confidence,
            sigma=sigma,
        )


def open_stereo(
    settings: StereoSettings | None = None,
    *,
    progress: Progress | None = None,
    is_live: bool = False,
    frame_size: tuple[int, int] | None = None,
    auto_preset: str = '',
    **given: object,
) -> StereoProcessor:
    """Open the model and its engines.

    Args:
        settings: What to run; None takes the defaults.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        is_live: Whether all pairs come from one running rig, whose first pairs speak for the
            others; otherwise each pair is examined by itself.
        frame_size: ``(height, width)`` of the images, by which ``preset: auto`` chooses a size;
            None takes the model's default.
        auto_preset: Preset to take for ``auto`` whatever the frame's size.
        given: Settings by name, in place of those of ``settings``.

    Raises:
        ParameterError: If the model does not serve stereo.
        WeightsError: If the model needs weights and none are available; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    settings = settings_given(settings or StereoSettings(), given)
    _expect_runtime(settings)
    options = {'iterations': settings.iterations, 'stages': settings.stages}
    if frame_size is not None and not auto_preset:
        auto_preset = preset_for(settings, frame_size)
    opened = open_model(
        Task.STEREO, settings, options=options, progress=progress, auto_preset=auto_preset
    )
    return StereoProcessor(opened.pipeline, settings, is_live=is_live)


def preset_for(settings: StereoSettings, frame_size: tuple[int, int]) -> str:
    """Return the preset that ``auto`` means for images ``(height, width)``; empty without one."""
    from depth_ros.engines.sizes import fitting

    steps = steps_to_choose(settings, Task.STEREO)
    return fitting(steps, frame_size).preset if steps else ''


def _expect_runtime(settings: StereoSettings) -> None:
    """Raise with an alternative if no runtime is installed."""
    from depth_ros.engines.runtime import AUTO_ENGINE, usable_runtimes

    is_network = model_entry(settings.model, Task.STEREO).needs_weights
    if is_network and settings.engine.runtime == AUTO_ENGINE and not usable_runtimes():
        raise EngineError(
            f'model {settings.model!r} needs a runtime and none is installed here; type: pip '
            'install openvino (or onnxruntime), or set model to '
            f'{", ".join(weightless_models(Task.STEREO))}, which needs none'
        )
