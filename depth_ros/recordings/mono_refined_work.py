"""Mono depth refined by the camera's motion, over a whole recording: image after image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from depth_ros.errors import InputError, ParameterError
from depth_ros.recordings.camera_frames import stretch_of
from depth_ros.recordings.camera_reader import camera_source
from depth_ros.recordings.depth_frame import DepthFrame, WorldPlace
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of
from depth_ros.recordings.frame_channels import frame_channels
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.ledger import refused
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel
from depth_ros.recordings.outputs import RefinedOutputs, messages_of
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.posed_camera import guessed_posed_camera
from depth_ros.recordings.recorded_poses import RecordedPoses
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import PosedTopicNames
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode, ScaleMode
from depth_ros.tasks.mono.values import MonoOutput

TASK = 'mono_refined'


class MonoRefinedWork:
    """A mono processor with keyframes, and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named.

        Raises:
            ParameterError: If refining is switched off, or metric depth would have to come beside.
        """
        self._given = cast('PosedTopicNames', task.input)
        self._outputs = cast('RefinedOutputs', task.outputs)
        self._camera = camera_source(self._given)
        settings = with_threads(cast('MonoSettings', task.settings), task.threads)
        _expect_possible(settings)
        settings = replace(settings, refine=RefineMode.MULTIVIEW)
        self._processor: MonoProcessor = open_mono(settings)
        keyframes = self._processor.keyframes
        assert keyframes is not None, 'refine is multiview'
        self.identity = engine_identity(
            self._processor.pipeline,
            keyframes.open().pipeline,
            model=self._processor.describe(),
            threads=task.threads,
            cameras=[self._camera.camera],
        )

    guessed = staticmethod(guessed_posed_camera)

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return frame_channels(self._outputs)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads: the recording."""
        return stretch_of(
            [self._camera],
            recording,
            segment,
            overlap_ns=overlap_ns,
            pose_topics=[self._given.poses],
        )

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return depth in metres, or why there is none, of every image."""
        self._processor.forget()
        poses = RecordedPoses(stretch, self._given, task=TASK)
        for image in stretch.images[self._camera.topic]:
            yield self._outcome(stretch, image, poses)
        yield from stretch.damaged

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    def _outcome(self, stretch: Stretch, image: StampedMessage, poses: RecordedPoses) -> Outcome:
        try:
            pose, world_frame = poses.at(image)
            frame = self._camera.frame(stretch, image)
            output = self._processor.process(frame, world_from_camera=pose)
        except InputError as error:
            return refused(image, error)
        if output.depth is None:
            slug = output.refusal[0] if output.refusal else 'no_depth'
            return refused(image, InputError(slug, output.reason))
        found = _depth_frame(output, image, WorldPlace(frame=world_frame, world_from_camera=pose))
        return Made(
            reference=image,
            num_inputs=1,
            messages=messages_of(found, self._outputs),
            figures=figures_of(found, task=TASK, log_ns=image.position.time_ns),
        )


def _expect_possible(settings: MonoSettings) -> None:
    if settings.refine is RefineMode.NONE:
        raise ParameterError(
            "mono_refined refines, got refine 'none'; leave it out, or name the task mono"
        )
    if settings.scale.mode is ScaleMode.REFERENCE_DEPTH:
        raise ParameterError(
            "a job has no reference depth, got scale.mode 'reference_depth'; set it to none, "
            'motion or another'
        )


def _depth_frame(output: MonoOutput, image: StampedMessage, place: WorldPlace) -> DepthFrame:
    depth = output.depth
    assert depth is not None, 'only asked where there are metres'
    return DepthFrame(
        stamp_ns=image.stamp_ns,
        frame_id=image.frame_id,
        image=output.frame.image,
        camera=output.frame.camera,
        depth=depth.depth,
        sigma=depth.sigma,
        place=place,
    )
