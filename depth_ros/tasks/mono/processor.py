"""One camera end to end without ROS: raw image in, relative and, where it is known, metric depth.

The node and ``depth-ros run mono`` both run this, so both give equal results. Depth from
one image has no scale of its own: ``depth_ros.tasks.mono.scale`` says where metres come from, and
``depth_ros.tasks.mono.refine`` how a moving camera's keyframes give them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.engines.recipe import TrainingRig
from depth_ros.errors import CalibrationError, InputError, ParameterError, WeightsError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.depth import crop_range
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.results import DepthMap, DepthResult, DepthScale, depth_map, known_share
from depth_ros.tasks.call import (
    Camera,
    expect_frame,
    given_pose,
    measured_depth,
    mono_frame,
    rgb_image,
)
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.moving_camera import MovingCamera
from depth_ros.tasks.mono.no_network import NO_NETWORK, NoNetwork
from depth_ros.tasks.mono.refine import DepthSource, RefinedDepth
from depth_ros.tasks.mono.scale import Scaled, Scaler, make_scaler, scaler_without_network
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode, ScaleMode
from depth_ros.tasks.multiview.processor import MultiViewProcessor, open_multiview
from depth_ros.tasks.networks import OpenedModel, open_model
from depth_ros.tasks.pipeline import Identity, Pipeline
from depth_ros.tasks.processor import Processor
from depth_ros.tensors import Progress, Task

LOGGER = logging.getLogger(__name__)
MonoPipeline = Pipeline[MonoFrame, DepthResult]
UNKNOWN = np.float32(np.nan)
STEP_NS = 100_000_000
"""Time from one posed image to the next where a call states none: ten images a second."""
POSE_UNUSED = (
    'depth is relative: a pose came with the image, but refine auto takes poses of live cameras '
    'only; set refine to multiview to get metres'
)
NO_WEIGHTS = (
    '[no_mono_network] %s has no weights, so depth comes from keyframes of the moving camera '
    'alone, and only where poses come with the images (%s)'
)


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
        refined: What keyframes gave, whose ``depth`` the metric depth then is; None without them.
        source: ``(H, W)`` uint8, ``DepthSource`` of every pixel of ``depth``; None without it.
        refusal: Why keyframes gave nothing, as (reason, sentence); None where they did or were
            not wanted.
        has_network: Whether there is a mono network; without one ``relative`` is all NaN.
        is_untrained: Whether the mono network's weights are made up, so that ``relative`` means
            nothing; metres are never made of it.
        stages_s: Wall seconds by stage: ``rectify``, ``preprocess``, ``infer``,
            ``postprocess``, ``scale``.
    """

    frame: MonoFrame
    relative: DepthResult
    scaled: Scaled | None
    depth: DepthResult | None
    is_untrained: bool
    stages_s: Mapping[str, float]
    refined: RefinedDepth | None = None
    source: np.ndarray | None = None
    refusal: tuple[str, str] | None = None
    has_network: bool = True

    @property
    def is_shown_untrained(self) -> bool:
        """Whether the best depth there is comes of made-up weights: no keyframe gave metres."""
        return self.is_untrained and self.refined is None

    @property
    def reason(self) -> str:
        """Why there are no metres, of keyframes and of the scale; empty where there are."""
        if self.depth is not None:
            return ''
        refusal = self.refusal[1] if self.refusal else ''
        scale = self.scaled.reason if self.scaled else ''
        return '; '.join(dict.fromkeys(filter(None, (refusal, scale))))

    @property
    def valid_fraction(self) -> float:
        """Share of pixels whose depth is known: the refined one, else the relative one."""
        return known_share((self.refined.depth if self.refined else self.relative).depth)


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
        keyframes: KeyframeDepths | None = None,
    ) -> None:
        """Take ownership of the pipeline.

        Args:
            pipeline: Model and engines.
            settings: What to run.
            training_rig: That of the weights, where the recipe states one.
            keyframes: Depth of keyframes; None where ``refine`` is none.

        Raises:
            ParameterError: If the scale's settings are refused, or the weights are made up and a
                metric scale is asked for.
        """
        self._training_rig = training_rig
        super().__init__(pipeline, settings)
        self._scaler = self._make_scaler(settings)
        self._moving = MovingCamera(settings, keyframes)
        self._next_ns = STEP_NS
        self._rectifiers = RectifierCache()

    @property
    def has_network(self) -> bool:
        """Whether there is a mono network; without one keyframes alone give depth."""
        return self.pipeline.model.name != NO_NETWORK

    @property
    def keyframes(self) -> KeyframeDepths | None:
        """Depth of keyframes; None where ``refine`` is none."""
        return self._moving.keyframes

    @property
    def identity(self) -> Identity:
        """What computes depth: the mono network, or else that of keyframes."""
        if self.has_network or self.keyframes is None:
            return super().identity
        return self.keyframes.open().identity

    def describe(self) -> str:
        """Return model and engines in one line."""
        if self.keyframes is None:
            return super().describe()
        mono = super().describe() if self.has_network else 'no mono network'
        return f'{mono}; keyframes: {self.keyframes.describe()}'

    def close(self) -> None:
        """Close every engine."""
        super().close()
        self._moving.close()

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
        self._moving.set_settings(settings)

    def forget(self) -> None:
        """Forget the images before, for others that do not follow them."""
        self._scaler = self._make_scaler(self.settings)
        self._moving.forget()

    def __call__(
        self,
        image: np.ndarray,
        camera: Camera | None = None,
        *,
        reference: np.ndarray | None = None,
        world_from_camera: np.ndarray | None = None,
        stamp_ns: int | None = None,
    ) -> DepthMap:
        """Return the depth of an image in its rectified pixels: metres where the scale is known.

        Args:
            image: ``(H, W, 3)`` uint8 RGB; rectified here if the camera says that it is raw.
            camera: As ``read_camera`` gives it; None is enough for relative depth.
            reference: As of ``depth_of``.
            world_from_camera: As of ``depth_of``.
            stamp_ns: Time of the image; that of a moving camera must rise. None takes 0.1 s
                after the posed image before, by which keyframes age
                (``keyframes.max_age_s``), and 0 without a pose.

        Raises:
            InputError: If the image, its calibration or its pose cannot be used.
            EngineError: If the runtime fails.
        """
        if camera is not None:
            if stamp_ns is None:
                stamp_ns = 0 if world_from_camera is None else self._next_ns
            frame = mono_frame(image, camera, stamp_ns=stamp_ns)
            self._next_ns = frame.stamp_ns + STEP_NS
            return self.depth_of(frame, reference=reference, world_from_camera=world_from_camera)
        if self.settings.scale.mode is not ScaleMode.NONE or world_from_camera is not None:
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

    def depth_of(
        self,
        frame: MonoFrame,
        *,
        reference: np.ndarray | None = None,
        world_from_camera: np.ndarray | None = None,
    ) -> DepthMap:
        """Return the depth of a frame, e.g. of ``read_bag``; raises as a call does.

        Args:
            frame: Raw or rectified image.
            reference: ``(h, w)`` metres of what the rectified image shows, NaN unknown, of any
                resolution; for the scale mode ``reference_depth``.
            world_from_camera: ``(4, 4)`` pose of the camera's optical axes (x right, y down, z
                forward), metres; for ``refine`` and the scale mode ``motion``. Images come in
                order of their stamps.
        """
        measured = None if reference is None else measured_depth(reference, frame)
        output = self.process(frame, reference=measured, world_from_camera=world_from_camera)
        result = output.relative if output.depth is None else output.depth
        return depth_map(result, output.frame.image, reason=output.reason)

    def process(
        self,
        frame: MonoFrame,
        *,
        wanted: MonoWanted | None = None,
        reference: DepthResult | None = None,
        world_from_camera: np.ndarray | None = None,
    ) -> MonoOutput:
        """Run one frame end to end.

        Args:
            frame: Raw or rectified image.
            wanted: What will be looked at; None wants metric depth.
            reference: Metric depth of about the same moment, for ``scale.mode``
                ``reference_depth``.
            world_from_camera: ``(4, 4)`` pose of the optical axes of the rectified image; None
                where nobody knows.

        Raises:
            InputError: If the image, its calibration or its pose cannot be used.
            EngineError: If the runtime fails.
        """
        self.expect_open()
        expect_frame(frame)
        if world_from_camera is not None:
            world_from_camera = given_pose(world_from_camera)
        wanted = wanted or MonoWanted()
        start = time.perf_counter()
        rectifier = self._rectifiers.of_camera(frame.camera)
        rectified, covered = rectifier.rectify(frame), rectifier.covered_in(frame)
        rectify_s = time.perf_counter() - start
        timed = self.pipeline.run(rectified)
        start = time.perf_counter()
        relative = _covered(timed.result, covered)
        points = self._moving.see(rectified, world_from_camera)
        scaled = self._scaled(relative, points or reference) if wanted.depth else None
        scale_s = time.perf_counter() - start
        output = MonoOutput(
            frame=rectified,
            relative=relative,
            scaled=scaled,
            depth=self._metric(scaled.result if scaled else None),
            is_untrained=self.is_untrained,
            stages_s=MappingProxyType({'rectify': rectify_s, **timed.stages_s, 'scale': scale_s}),
            has_network=self.has_network,
        )
        if world_from_camera is not None and self.settings.refine is RefineMode.AUTO:
            output = output if self.keyframes else self._told(output, 'pose_unused', POSE_UNUSED)
        is_refined = wanted.depth and self.keyframes is not None
        return self._refined(output, world_from_camera, covered) if is_refined else output

    def _scaled(self, relative: DepthResult, reference: DepthResult | None) -> Scaled:
        """Scale the mono map; by motion only while poses explain the images."""
        if self.settings.scale.mode is ScaleMode.MOTION:
            try:
                self._moving.expect_agreement(relative.stamp_ns)
            except InputError as error:
                return Scaled(result=relative, reason=str(error), slug=error.reason)
        return self._scaler.apply(relative, reference=reference)

    def _refined(
        self, output: MonoOutput, pose: np.ndarray | None, covered: np.ndarray | None
    ) -> MonoOutput:
        """Put depth of keyframes in place of what the scale alone gives, where there is any."""
        if pose is None and self.settings.refine is RefineMode.AUTO and output.has_network:
            return output
        start = time.perf_counter()
        can_fit = output.has_network and not output.is_untrained
        try:
            found = self._moving.refined(
                output.frame,
                pose,
                output.relative if can_fit else None,
                has_network=output.has_network,
            )
        except InputError as error:
            return self._unrefined(self._told(output, error.reason, str(error)), error)
        depth = _covered(found.depth, covered)
        source = np.where(np.isfinite(depth.depth), found.source, np.uint8(DepthSource.UNKNOWN))
        stages = {**output.stages_s, 'refine': time.perf_counter() - start}
        return replace(
            self._told(output, '', ''),
            depth=self._metric(depth),
            refined=replace(found, depth=depth, source=source),
            source=source,
            stages_s=MappingProxyType(stages),
        )

    def _told(self, output: MonoOutput, slug: str, reason: str) -> MonoOutput:
        """Give keyframes' reason in place of the scale's, where no scale is asked for."""
        if output.scaled is None or self.settings.scale.mode is not ScaleMode.NONE:
            return output
        return replace(output, scaled=replace(output.scaled, slug=slug, reason=reason))

    @staticmethod
    def _unrefined(output: MonoOutput, error: InputError) -> MonoOutput:
        """Return depth in the scale of ``scale.mode`` alone, where that is known."""
        depth = output.depth
        if depth is None or output.scaled is None:
            return replace(output, refusal=(error.reason, str(error)))
        is_known = np.isfinite(depth.depth)
        sigma = None
        if output.scaled.spread is not None:
            sigma = np.where(is_known, depth.depth * np.float32(output.scaled.spread), UNKNOWN)
        source = np.where(is_known, np.uint8(DepthSource.SCALED), np.uint8(DepthSource.UNKNOWN))
        return replace(
            output,
            depth=replace(depth, sigma=sigma),
            source=source,
            refusal=(error.reason, str(error)),
        )

    def _make_scaler(self, settings: MonoSettings) -> Scaler:
        if self.is_untrained and settings.scale.mode is not ScaleMode.NONE:
            raise ParameterError(
                f'made-up weights give no metres, got scale.mode {settings.scale.mode.value!r}; '
                'set it to none, or set weights to trained ones'
            )
        if not self.has_network:
            return scaler_without_network(settings.scale.mode)
        return make_scaler(settings.scale, self._training_rig)

    def _metric(self, result: DepthResult | None) -> DepthResult | None:
        """Return depth within the range that the settings ask for, if it is metric at all."""
        if result is None or result.scale is not DepthScale.METRIC:
            return None
        depth = crop_range(
            result.depth,
            min_depth_m=self.settings.min_depth_m,
            max_depth_m=self.settings.max_depth_m,
        )
        return replace(result, depth=depth)


def open_mono(
    settings: MonoSettings | None = None,
    *,
    progress: Progress | None = None,
    is_live: bool = False,
    **given: object,
) -> MonoProcessor:
    """Open the model and its engines.

    With ``refine`` multiview the default model may be missing: depth then comes from keyframes
    alone, which the log says.

    Args:
        settings: What to run; None takes the defaults.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        is_live: Whether images come from a camera: keyframes are computed in a thread of their
            own, and ``refine`` auto does without a mono network too.
        given: Settings by name, in place of those of ``settings``, e.g. ``scale_mode='fixed'``.

    Raises:
        ParameterError: If the model does not serve mono depth, or the scale's settings are
            refused.
        WeightsError: If the model needs weights and none are available; says what to type.
        EngineError: If the runtime is missing or refuses.
    """
    settings = settings_given(settings or MonoSettings(), given)
    is_refined = settings.refine is RefineMode.MULTIVIEW
    is_refined |= is_live and settings.refine is RefineMode.AUTO
    opened = _open_network(settings, progress, may_be_missing=is_refined)
    keyframes = _open_keyframes(settings, in_background=is_live) if is_refined else None
    try:
        processor = MonoProcessor(
            opened.pipeline, settings, training_rig=opened.training_rig, keyframes=keyframes
        )
        if keyframes is not None and (
            settings.refine is RefineMode.MULTIVIEW or not processor.has_network
        ):
            keyframes.open(progress)
        return processor
    except BaseException:
        opened.pipeline.close()
        if keyframes is not None:
            keyframes.close()
        raise


def _open_network(
    settings: MonoSettings, progress: Progress | None, *, may_be_missing: bool
) -> OpenedModel:
    """Open the mono network; where it was not named and has no weights, do without."""
    try:
        return open_model(Task.MONO, settings, progress=progress)
    except WeightsError as error:
        is_named = settings.model != MonoSettings().model or bool(settings.engine.weights)
        if is_named or not may_be_missing:
            raise
        LOGGER.warning(NO_WEIGHTS, settings.model, error)
        return OpenedModel(pipeline=Pipeline(NoNetwork()))


def _open_keyframes(settings: MonoSettings, *, in_background: bool) -> KeyframeDepths:
    chosen = settings.multiview

    def open_processor(progress: Progress | None) -> MultiViewProcessor:
        return open_multiview(chosen, progress=progress)

    return KeyframeDepths(open_processor, settings.keyframes, in_background=in_background)


def _covered(result: DepthResult, covered: np.ndarray | None) -> DepthResult:
    """Make unknown what the rectified image does not show."""
    if covered is None:
        return result
    confidence = result.confidence
    if confidence is not None:
        confidence = np.where(covered, confidence, np.float32(0.0))
    return replace(result, depth=np.where(covered, result.depth, UNKNOWN), confidence=confidence)
