"""One camera end to end without ROS: raw image in, relative and, where it is known, metric depth.

The node and ``depth-ros run mono`` both run this, so both give equal results. Depth from
one image has no scale of its own: ``metric_depth`` beside this says where metres come from.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.engines.recipe import TrainingRig
from depth_ros.errors import CalibrationError, InputError
from depth_ros.frames import MonoFrame
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.results import DepthMap, DepthResult, depth_map
from depth_ros.tasks.call import (
    Camera,
    expect_frame,
    given_pose,
    measured_depth,
    mono_frame,
    rgb_image,
)
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.metric_depth import (
    MapOrigin,
    MetricDepths,
    PosedMap,
    covered_depth,
    scaler_of,
)
from depth_ros.tasks.mono.no_network import NO_NETWORK
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode
from depth_ros.tasks.mono.values import MonoOutput, MonoWanted
from depth_ros.tasks.pipeline import Identity, Pipeline
from depth_ros.tasks.processor import Processor

MonoPipeline = Pipeline[MonoFrame, DepthResult]
STEP_NS = 100_000_000
"""Time from one posed image to the next where a call states none: ten images a second."""


class MonoProcessor(Processor[MonoSettings]):
    """Rectifier, pipeline and metres of one camera; one worker thread owns it."""

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
        self._metric = MetricDepths(settings, self._origin, keyframes)
        self._next_ns = STEP_NS
        self._rectifiers = RectifierCache()

    @property
    def has_network(self) -> bool:
        """Whether there is a mono network; without one keyframes alone give depth."""
        return self.pipeline.model.name != NO_NETWORK

    @property
    def keyframes(self) -> KeyframeDepths | None:
        """Depth of keyframes; None where ``refine`` is none."""
        return self._metric.keyframes

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
        self._metric.close()

    @property
    def has_training_rig(self) -> bool:
        """Whether ``scale.mode`` ``training_rig`` is available with these weights."""
        return self._training_rig is not None

    def check_settings(self, settings: MonoSettings) -> None:
        """Raise what ``set_settings`` would raise about the scale, and change nothing."""
        scaler_of(settings, self._origin)

    def set_settings(self, settings: MonoSettings) -> None:
        """Take over settings that need no new pipeline; another scale starts anew.

        Raises:
            ParameterError: If they need another pipeline, or the scale's are refused.
        """
        super().set_settings(settings)
        self._metric.set_settings(settings)

    def forget(self) -> None:
        """Forget the images before, for others that do not follow them."""
        self._metric.forget()

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
        pose_trouble: InputError | None = None,
    ) -> MonoOutput:
        """Run one frame end to end.

        Args:
            frame: Raw or rectified image.
            wanted: What will be looked at; None wants metric depth.
            reference: Metric depth of about the same moment, for ``scale.mode``
                ``reference_depth``.
            world_from_camera: ``(4, 4)`` pose of the optical axes of the rectified image; None
                where nobody knows.
            pose_trouble: Why nobody knows, where that is known: the reason of what then has no
                metres.

        Raises:
            InputError: If the image, its calibration or its pose cannot be used.
            EngineError: If the runtime fails.
        """
        self.expect_open()
        expect_frame(frame)
        if world_from_camera is not None:
            world_from_camera = given_pose(world_from_camera)
        start = time.perf_counter()
        rectifier = self._rectifiers.of_camera(frame.camera)
        rectified, covered = rectifier.rectify(frame), rectifier.covered_in(frame)
        rectify_s = time.perf_counter() - start
        timed = self.pipeline.run(rectified)
        image = PosedMap(
            frame=rectified,
            relative=covered_depth(timed.result, covered),
            covered=covered,
            reference=reference,
            world_from_camera=world_from_camera,
            pose_trouble=pose_trouble,
        )
        metric = self._metric.of(image, is_wanted=(wanted or MonoWanted()).depth)
        return MonoOutput(
            frame=rectified,
            relative=image.relative,
            scaled=metric.scaled,
            depth=metric.depth,
            refined=metric.refined,
            source=metric.source,
            refusal=metric.refusal,
            is_untrained=self.is_untrained,
            has_network=self.has_network,
            stages_s=MappingProxyType({'rectify': rectify_s, **timed.stages_s, **metric.stages_s}),
        )

    @property
    def _origin(self) -> MapOrigin:
        return MapOrigin(
            has_network=self.has_network,
            is_untrained=self.is_untrained,
            training_rig=self._training_rig,
        )
