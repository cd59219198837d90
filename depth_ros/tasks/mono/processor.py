"""One camera end to end without ROS: raw image in, relative and, where it is known, metric depth.

The node and ``depth-ros run mono`` both run this, so both give equal results. Depth from
one image has no scale of its own: ``depth_ros.tasks.mono.scale`` says where metres come from.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.engines.recipe import TrainingRig
from depth_ros.errors import CalibrationError, ParameterError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.depth import crop_range
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.results import DepthMap, DepthResult, DepthScale, depth_map, known_share
from depth_ros.tasks.call import Camera, measured_depth, mono_frame, rgb_image
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.mono.scale import Scaled, Scaler, make_scaler
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode
from depth_ros.tasks.networks import open_model
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.processor import Processor
from depth_ros.tensors import Progress, Task

MonoPipeline = Pipeline[MonoFrame, DepthResult]
UNKNOWN = np.float32(np.nan)


@dataclass(frozen=True, kw_only=True, slots=True)
class MonoWanted:
    """Which outputs are wanted beyond relative depth; nothing else is computed."""

    depth: bool = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoOutput:
    """One frame's results.

    Attributes:
        frame: The rectified image and its camera.
        relative: Depth up to a factor, as the model gives it; NaN unknown.
        scaled: Result of scaling; None where metric depth was not wanted.
        depth: Metric depth; None if it was not wanted or its scale is not known.
        is_untrained: Whether the weights are made up, so that depth means nothing.
        stages_s: Wall seconds by stage: ``rectify``, ``preprocess``, ``infer``,
            ``postprocess``, ``scale``.
    """

    frame: MonoFrame
    relative: DepthResult
    scaled: Scaled | None
    depth: DepthResult | None
    is_untrained: bool
    stages_s: Mapping[str, float]

    @property
    def valid_fraction(self) -> float:
        """Share of pixels whose relative depth is known."""
        return known_share(self.relative.depth)


class MonoProcessor(Processor[MonoSettings]):
    """Rectifier, pipeline and scaler of one camera; one worker thread owns it."""

    opener = 'open_mono'
    needs_another = (
        'model, engine, size, weights and path need a new processor: call open_mono(settings)'
    )

    def __init__(
        self,
        pipeline: MonoPipeline,
        settings: MonoSettings,
        *,
        training_rig: TrainingRig | None = None,
    ) -> None:
        """Take ownership of the pipeline.

        Args:
            pipeline: Model and engines.
            settings: What to run.
            training_rig: That of the weights, where the recipe states one.

        Raises:
            ParameterError: If the scale's settings are refused, or the weights are made up and a
                metric scale is asked for.
        """
        self._training_rig = training_rig
        super().__init__(pipeline, settings)
        self._scaler = self._make_scaler(settings)
        self._rectifiers = RectifierCache()

    @property
    def has_training_rig(self) -> bool:
        """Whether ``scale.mode`` ``training_rig`` is available with these weights."""
        return self._training_rig is not None

    def check_settings(self, settings: MonoSettings) -> None:
        """Raise what ``set_settings`` would raise about the scale, and change nothing."""
        self._make_scaler(settings)

    def set_settings(self, settings: MonoSettings) -> None:
        """Take over settings that need no new pipeline; another scale starts anew.

        Raises:
            ParameterError: If they need another pipeline, or the scale's are refused.
        """
        former = self.settings.scale
        super().set_settings(settings)
        if settings.scale != former:
            self._scaler = self._make_scaler(settings)

    def __call__(
        self,
        image: np.ndarray,
        camera: Camera | None = None,
        *,
        reference: np.ndarray | None = None,
    ) -> DepthMap:
        """Return the depth of an image in its rectified pixels: metres where the scale is known.

        Args:
            image: ``(H, W, 3)`` uint8 RGB; rectified here if the camera says that it is raw.
            camera: As ``read_camera`` gives it; None is enough for relative depth.
            reference: As of ``depth_of``.

        Raises:
            InputError: If the image or its calibration cannot be used.
            EngineError: If the runtime fails.
        """
        if camera is not None:
            return self.depth_of(mono_frame(image, camera), reference=reference)
        if self.settings.scale.mode is not ScaleMode.NONE:
            raise CalibrationError(
                'no_calibration',
                'metres need the camera: give what depth_ros.read_camera(path) reads, or a '
                'PinholeCamera',
            )
        # Relative depth does not depend on the calibration, so any will do.
        height, width = rgb_image(image, what='image').shape[:2]
        any_camera = ideal_camera(
            fx=width, fy=width, cx=width / 2, cy=height / 2, height=height, width=width
        )
        return replace(self.depth_of(mono_frame(image, any_camera)), camera=None)

    def depth_of(self, frame: MonoFrame, *, reference: np.ndarray | None = None) -> DepthMap:
        """Return the depth of a frame, e.g. of ``read_bag``; raises as a call does.

        Args:
            frame: Raw or rectified image.
            reference: ``(h, w)`` metres of what the rectified image shows, NaN unknown, of any
                resolution; for the scale mode ``reference_depth``.
        """
        measured = None if reference is None else measured_depth(reference, frame)
        output = self.process(frame, reference=measured)
        result = output.relative if output.depth is None else output.depth
        reason = output.scaled.reason if output.scaled else ''
        return depth_map(result, output.frame.image, reason=reason)

    def process(
        self,
        frame: MonoFrame,
        *,
        wanted: MonoWanted | None = None,
        reference: DepthResult | None = None,
    ) -> MonoOutput:
        """Run one frame end to end.

        Args:
            frame: Raw or rectified image.
            wanted: What will be looked at; None wants metric depth.
            reference: Metric depth of about the same moment, for ``scale.mode``
                ``reference_depth``.

        Raises:
            InputError: If the image or its calibration cannot be used.
            EngineError: If the runtime fails.
        """
        self.expect_open()
        wanted = wanted or MonoWanted()
        start = time.perf_counter()
        rectifier = self._rectifiers.of_camera(frame.camera)
        rectified, covered = rectifier.rectify(frame), rectifier.covered_in(frame)
        rectify_s = time.perf_counter() - start
        timed = self.pipeline.run(rectified)
        start = time.perf_counter()
        relative = _covered(timed.result, covered)
        scaled = self._scaler.apply(relative, reference=reference) if wanted.depth else None
        depth = self._metric(scaled)
        scale_s = time.perf_counter() - start
        return MonoOutput(
            frame=rectified,
            relative=relative,
            scaled=scaled,
            depth=depth,
            is_untrained=self.is_untrained,
            stages_s=MappingProxyType({'rectify': rectify_s, **timed.stages_s, 'scale': scale_s}),
        )

    def _make_scaler(self, settings: MonoSettings) -> Scaler:
        if self.is_untrained and settings.scale.mode is not ScaleMode.NONE:
            raise ParameterError(
                f'made-up weights give no metres, got scale.mode {settings.scale.mode.value!r}; '
                'set it to none, or set weights to trained ones'
            )
        return make_scaler(settings.scale, self._training_rig)

    def _metric(self, scaled: Scaled | None) -> DepthResult | None:
        """Return depth within the range that the settings ask for, if it is metric at all."""
        if scaled is None or scaled.result.scale is not DepthScale.METRIC:
            return None
        depth = crop_range(
            scaled.result.depth,
            min_depth_m=self.settings.min_depth_m,
            max_depth_m=self.settings.max_depth_m,
        )
        return replace(scaled.result, depth=depth)


def open_mono(
    settings: MonoSettings | None = None, *, progress: Progress | None = None, **given: object
) -> MonoProcessor:
    """Open the model and its engines.

    Args:
        settings: What to run; None takes the defaults.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        given: Settings by name, in place of those of ``settings``, e.g. ``scale_mode='fixed'``.

    Raises:
        ParameterError: If the model does not serve mono depth, or the scale's settings are
            refused.
        WeightsError: If the model needs weights and none are available; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    settings = settings_given(settings or MonoSettings(), given)
    opened = open_model(Task.MONO, settings, progress=progress)
    try:
        return MonoProcessor(opened.pipeline, settings, training_rig=opened.training_rig)
    except ParameterError:
        opened.pipeline.close()
        raise


def _covered(result: DepthResult, covered: np.ndarray | None) -> DepthResult:
    """Make unknown what the rectified image does not show."""
    if covered is None:
        return result
    confidence = result.confidence
    if confidence is not None:
        confidence = np.where(covered, confidence, np.float32(0.0))
    return replace(result, depth=np.where(covered, result.depth, UNKNOWN), confidence=confidence)
