"""Odometry end to end without ROS: camera frames in, pose and state out.

The node and ``depth-ros run odometry`` both run this, so what one shows the other shows.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from depth_ros.errors import InputError
from depth_ros.frames import CameraFrame, MonoFrame, RgbdFrame, StereoFrame
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.geometry.resample import depth_seen_by
from depth_ros.results import DepthResult
from depth_ros.tasks.call import Camera, measured_depth, mono_frame
from depth_ros.tasks.keywords import settings_given
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.networks import open_model
from depth_ros.tasks.odometry.direction import DirectionTracker, MatchedMotion, NetworkMotion
from depth_ros.tasks.odometry.frame_tracker import FrameTracker
from depth_ros.tasks.odometry.keyframe_depth import KeyframeDepth
from depth_ros.tasks.odometry.settings import OdometrySettings, Source
from depth_ros.tasks.odometry.tracker import OdometryTracker
from depth_ros.tasks.odometry.values import OdometryFrame, OdometryOutput
from depth_ros.tasks.pipeline import Pipeline
from depth_ros.tasks.processor import Processor
from depth_ros.tasks.stereo.processor import StereoProcessor, open_stereo
from depth_ros.tasks.stereo.shared import StereoLender
from depth_ros.tensors import Progress, Task


def rgbd_frame(
    image: np.ndarray, depth: np.ndarray, camera: Camera, *, stamp_ns: int
) -> RgbdFrame:
    """Make a frame of an image with depth.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        depth: ``(H, W)`` metres on the pixels of the rectified image, NaN unknown.
        camera: As ``read_camera`` gives it.
        stamp_ns: Time of the image in nanoseconds.

    Raises:
        InputError: If image, depth or camera cannot be used.
    """
    frame = mono_frame(image, camera, stamp_ns=stamp_ns)
    return RgbdFrame(image=frame, depth=measured_depth(depth, frame))


class OdometryProcessor(Processor[OdometrySettings]):
    """Rectifies, finds depth where it is needed, and tracks.

    One worker thread owns it; ``notice_silence`` and ``reset`` may come from another and wait
    for the frame under way.
    """

    opener = 'open_odometry'
    needs_another = (
        'source, model, engine and depth_model need a new processor: call open_odometry(settings)'
    )

    def __init__(
        self,
        pipeline: Pipeline,
        settings: OdometrySettings,
        *,
        tracker: FrameTracker,
        stereo: StereoProcessor | None = None,
        lender: StereoLender | None = None,
    ) -> None:
        """Take ownership of tracker and stereo.

        Args:
            pipeline: The model's.
            settings: What runs.
            tracker: Places frames, by the model.
            stereo: Gives depth of keyframes; needed for source ``STEREO``.
            lender: May have a processor of the same pairs, which is asked first.
        """
        super().__init__(pipeline, settings)
        self._tracker = tracker
        self._stereo = stereo
        self._depth = KeyframeDepth(stereo, lender) if stereo else None
        self._rectifiers = RectifierCache()
        self._lock = threading.Lock()

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """All that computes: the model's pipeline and, where depth is computed, that of depth."""
        return (self.pipeline, *([self._stereo.pipeline] if self._stereo else []))

    def describe(self) -> str:
        """Return source, model and engines in one line."""
        stereo = f', depth by {self._stereo.describe()}' if self._stereo else ''
        what = 'metres' if self.settings.is_metric else 'direction only, no metres'
        if self.is_untrained:
            what = 'UNTRAINED, made-up weights: means nothing'
        source, model = self.settings.source.value, self.settings.model
        return f'odometry from {source} by {model} ({self.identity.engine}){stereo}: {what}'

    def set_settings(self, settings: OdometrySettings) -> None:
        """Take over thresholds from the next frame on.

        Raises:
            ParameterError: If anything else changes; open another processor instead.
        """
        with self._lock:
            super().set_settings(settings)
            self._tracker.set_settings(settings.tracking)

    def __call__(self, frame: CameraFrame) -> OdometryOutput:
        """Place the next frame, as ``stereo_frame`` makes it or ``read_bag`` reads it.

        Raises:
            InputError: If the frame cannot be used or is not newer than the last one.
            EngineError: If a runtime fails.
        """
        return self.process(frame)

    def process(self, frame: CameraFrame, *, wanted: object = None) -> OdometryOutput:
        """Place one frame.

        Args:
            frame: Of the kind that the source asks for.
            wanted: Not read: every frame must be tracked, with or without subscribers.

        Raises:
            InputError: If the frame cannot be used or is not newer than the last one.
            EngineError: If a runtime fails.
        """
        self.expect_open()
        start = time.perf_counter()
        prepared = self._prepared(frame)
        rectified = time.perf_counter()
        with self._lock:
            output = self._tracker.process(prepared)
        stages = {'rectify': rectified - start, 'track': time.perf_counter() - rectified}
        return replace(output, stages_s=MappingProxyType(stages))

    def notice_silence(self, text: str) -> OdometryOutput:
        """Record that frames stopped coming; ``text`` says for how long."""
        with self._lock:
            return self._tracker.notice_silence(text)

    def reset(self) -> OdometryOutput:
        """Forget everything; the next good frame is the new origin."""
        self.expect_open()
        with self._lock:
            return self._tracker.reset()

    def close(self) -> None:
        """Close every engine."""
        self.is_closed = True
        self._tracker.close()
        if self._stereo is not None:
            self._stereo.close()

    def _prepared(self, frame: CameraFrame) -> OdometryFrame:
        """Rectify, and attach the function that computes depth."""
        source = self.settings.source
        if source is Source.STEREO and isinstance(frame, StereoFrame) and self._depth:
            return self._depth.prepared(frame)
        if source is Source.RGBD and isinstance(frame, RgbdFrame):
            return self._image_frame(frame.image, frame.depth)
        if source is Source.MONO and isinstance(frame, MonoFrame):
            return self._image_frame(frame, None)
        raise InputError(
            'frame_kind',
            f'source {source.value} cannot use a {type(frame).__name__}; set source to what the '
            'camera gives',
        )

    def _image_frame(self, frame: MonoFrame, depth: DepthResult | None) -> OdometryFrame:
        """Rectify an image whose depth is given or does not exist."""
        image = self._rectifiers.of_camera(frame.camera).rectify(frame)
        return OdometryFrame(
            image=image.image,
            camera=image.camera,
            stamp_ns=frame.stamp_ns,
            depth=lambda: None if depth is None else depth_seen_by(depth, image.camera),
        )


def open_odometry(
    settings: OdometrySettings | None = None,
    *,
    progress: Progress | None = None,
    lender: StereoLender | None = None,
    **given: object,
) -> OdometryProcessor:
    """Open matcher, stereo matcher and their engines.

    Args:
        settings: What to run; None takes the defaults.
        progress: Called with a phase and a fraction (None where unknown) during long work.
        lender: Of a process that computes stereo too; None where nothing is shared.
        given: Settings by name, in place of those of ``settings``, e.g. ``source='rgbd'``.

    Raises:
        ParameterError: If a setting is unknown or two contradict each other.
        WeightsError: If a network needs weights and none are available; says what to type.
        EngineError: If a runtime is missing or refuses.
    """
    settings = settings_given(settings or OdometrySettings(), given)
    opener = _open_pose_network if settings.is_pose_network else _open_matching
    tracker, pipeline = opener(settings, progress)
    try:
        is_stereo = settings.source is Source.STEREO
        stereo = (
            open_stereo(settings.stereo, progress=progress, is_live=True) if is_stereo else None
        )
        return OdometryProcessor(pipeline, settings, tracker=tracker, stereo=stereo, lender=lender)
    except BaseException:
        tracker.close()
        raise


def _open_matching(
    settings: OdometrySettings, progress: Progress | None
) -> tuple[FrameTracker, Pipeline]:
    matcher = open_matcher(settings.matching, progress=progress)
    if settings.is_metric:
        return OdometryTracker(matcher, settings.tracking), matcher.pipeline
    estimator = MatchedMotion(matcher, settings.tracking)
    return DirectionTracker(estimator, settings.tracking), matcher.pipeline


def _open_pose_network(
    settings: OdometrySettings, progress: Progress | None
) -> tuple[FrameTracker, Pipeline]:
    pipeline = open_model(Task.MOTION, settings, progress=progress).pipeline
    return DirectionTracker(NetworkMotion(pipeline), settings.tracking), pipeline
