"""Metres of an image of one camera: of its keyframes where they are known, else by the scale."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from depth_ros.engines.recipe import TrainingRig
from depth_ros.errors import InputError, ParameterError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.depth import crop_range
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.moving_camera import MovingCamera
from depth_ros.tasks.mono.refine import DepthSource, RefinedDepth
from depth_ros.tasks.mono.scale import Scaled, Scaler, make_scaler, scaler_without_network
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode, ScaleMode

UNKNOWN = np.float32(np.nan)
POSE_UNUSED = (
    'depth is relative: a pose came with the image, but refine auto takes poses of live cameras '
    'only; set refine to multiview to get metres'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MapOrigin:
    """What the mono maps are of.

    Attributes:
        has_network: Whether there is a mono network; without one they are all NaN.
        is_untrained: Whether its weights are made up.
        training_rig: That of the weights, where the recipe states one.
    """

    has_network: bool
    is_untrained: bool
    training_rig: TrainingRig | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PosedMap:
    """A mono map and what is known beside it.

    Attributes:
        frame: Rectified image.
        relative: The mono map, NaN where ``covered`` is false.
        covered: ``(H, W)`` bool, what the rectified image shows; None for all of it.
        reference: Metric depth of about the same moment, or None.
        world_from_camera: ``(4, 4)``, metres; None where nobody knows.
        pose_trouble: Why nobody knows, where that is known.
    """

    frame: MonoFrame
    relative: DepthResult
    covered: np.ndarray | None = None
    reference: DepthResult | None = None
    world_from_camera: np.ndarray | None = None
    pose_trouble: InputError | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MetricDepth:
    """Metres of one image, or why there are none; fields as those of ``MonoOutput``."""

    scaled: Scaled | None = None
    depth: DepthResult | None = None
    refined: RefinedDepth | None = None
    source: np.ndarray | None = None
    refusal: tuple[str, str] | None = None
    stages_s: Mapping[str, float] = field(default_factory=dict)


NOT_WANTED = MetricDepth()


class MetricDepths:
    """Gives the metres of one image after another; one worker owns it."""

    def __init__(
        self, settings: MonoSettings, origin: MapOrigin, keyframes: KeyframeDepths | None
    ) -> None:
        """Take ownership of the keyframes.

        Raises:
            ParameterError: As ``scaler_of``.
        """
        self._settings, self._origin = settings, origin
        self._scaler = scaler_of(settings, origin)
        self._moving = MovingCamera(settings, keyframes)

    @property
    def keyframes(self) -> KeyframeDepths | None:
        """Depth of keyframes; None where ``refine`` is none."""
        return self._moving.keyframes

    def set_settings(self, settings: MonoSettings) -> None:
        """Take over settings that need no other engine; another scale starts anew."""
        if settings.scale != self._settings.scale:
            self._scaler = scaler_of(settings, self._origin)
        self._settings = settings
        self._moving.set_settings(settings)

    def forget(self) -> None:
        """Forget the images before, for others that do not follow them."""
        self._scaler = scaler_of(self._settings, self._origin)
        self._moving.forget()

    def close(self) -> None:
        """Stop computing keyframes."""
        self._moving.close()

    def of(self, image: PosedMap, *, is_wanted: bool) -> MetricDepth:
        """Return metres; points are followed also where none are wanted."""
        start = time.perf_counter()
        points = self._moving.see(image.frame, image.world_from_camera)
        found = self._by_scale(image, points or image.reference) if is_wanted else NOT_WANTED
        middle = time.perf_counter()
        if is_wanted and self._is_refined(image):
            found = self._by_keyframes(image, found)
        stages_s = {'scale': middle - start}
        if found.refined is not None:
            stages_s['refine'] = time.perf_counter() - middle
        return replace(found, stages_s=MappingProxyType(stages_s))

    def _by_scale(self, image: PosedMap, reference: DepthResult | None) -> MetricDepth:
        """Scale the mono map; by motion only while poses explain the images."""
        if self._settings.scale.mode is ScaleMode.MOTION and self._origin.has_network:
            try:
                self._moving.expect_agreement(image.frame.stamp_ns)
                if image.world_from_camera is None and image.pose_trouble is not None:
                    raise image.pose_trouble
            except InputError as error:
                refused = Scaled(result=image.relative, reason=str(error), slug=error.reason)
                return MetricDepth(scaled=refused)
        found = self._scaler.apply(image.relative, reference=reference)
        is_unused = image.world_from_camera is not None and not self.keyframes
        is_unused &= self._settings.refine is RefineMode.AUTO
        scaled = self._told(found, 'pose_unused', POSE_UNUSED) if is_unused else found
        return MetricDepth(scaled=scaled, depth=self._in_range(found.result))

    def _is_refined(self, image: PosedMap) -> bool:
        """Whether keyframes are asked: with ``refine`` auto not for every image without a pose."""
        if self.keyframes is None:
            return False
        is_relative = self._settings.refine is RefineMode.AUTO and self._origin.has_network
        return image.world_from_camera is not None or not is_relative

    def _by_keyframes(self, image: PosedMap, scaled: MetricDepth) -> MetricDepth:
        """Put depth of keyframes in place of what the scale alone gives, where there is any."""
        origin = self._origin
        try:
            found = self._moving.refined(
                image.frame,
                image.world_from_camera,
                image.relative if origin.has_network and not origin.is_untrained else None,
                has_network=origin.has_network,
                pose_trouble=image.pose_trouble,
            )
        except InputError as error:
            return self._by_scale_alone(scaled, error)
        depth = covered_depth(found.depth, image.covered)
        source = np.where(np.isfinite(depth.depth), found.source, np.uint8(DepthSource.UNKNOWN))
        return MetricDepth(
            scaled=self._told(scaled.scaled, '', ''),
            depth=self._in_range(depth),
            refined=replace(found, depth=depth, source=source),
            source=source,
        )

    def _by_scale_alone(self, found: MetricDepth, error: InputError) -> MetricDepth:
        """Say why keyframes gave nothing; each pixel of the scale alone gets source and sigma."""
        scaled = self._told(found.scaled, error.reason, str(error))
        refused = replace(found, scaled=scaled, refusal=(error.reason, str(error)))
        depth = found.depth
        if depth is None:
            return refused
        is_known = np.isfinite(depth.depth)
        sigma = None
        if scaled is not None and scaled.spread is not None:
            sigma = np.where(is_known, depth.depth * np.float32(scaled.spread), UNKNOWN)
        source = np.where(is_known, np.uint8(DepthSource.SCALED), np.uint8(DepthSource.UNKNOWN))
        return replace(refused, depth=replace(depth, sigma=sigma), source=source)

    def _told(self, scaled: Scaled | None, slug: str, reason: str) -> Scaled | None:
        """Give keyframes' reason in place of the scale's, where no scale is asked for."""
        if scaled is None or self._settings.scale.mode is not ScaleMode.NONE:
            return scaled
        return replace(scaled, slug=slug, reason=reason)

    def _in_range(self, result: DepthResult) -> DepthResult | None:
        """Return depth within the range that the settings ask for, if it is metric at all."""
        if result.scale is not DepthScale.METRIC:
            return None
        depth = crop_range(
            result.depth,
            min_depth_m=self._settings.min_depth_m,
            max_depth_m=self._settings.max_depth_m,
        )
        return replace(result, depth=depth)


def scaler_of(settings: MonoSettings, origin: MapOrigin) -> Scaler:
    """Make the scaler that the settings ask for.

    Raises:
        ParameterError: If they are refused, or the weights are made up and metres asked for.
    """
    if origin.is_untrained and settings.scale.mode is not ScaleMode.NONE:
        raise ParameterError(
            f'made-up weights give no metres, got scale.mode {settings.scale.mode.value!r}; '
            'set it to none, or set weights to trained ones'
        )
    if not origin.has_network:
        return scaler_without_network(settings.scale.mode)
    return make_scaler(settings.scale, origin.training_rig)


def covered_depth(result: DepthResult, covered: np.ndarray | None) -> DepthResult:
    """Return depth that is unknown where the rectified image shows nothing.

    Args:
        result: ``(H, W)``.
        covered: ``(H, W)`` bool, what it shows; None for all of it.
    """
    if covered is None:
        return result
    confidence = result.confidence
    if confidence is not None:
        confidence = np.where(covered, confidence, np.float32(0.0))
    return replace(result, depth=np.where(covered, result.depth, UNKNOWN), confidence=confidence)
