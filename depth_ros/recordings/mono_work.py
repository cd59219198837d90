"""Mono depth over a segment: every image alone, as node and command compute it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_topics import BagTopic, mono_topics
from depth_ros.files.calibration import read_mono_calibration
from depth_ros.recordings.camera_frames import (
    FROM_FILE,
    CameraSource,
    info_topics_of,
    taken_as,
    with_file_topic,
)
from depth_ros.recordings.depth_frame import DepthFrame
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of
from depth_ros.recordings.frame_channels import frame_channels
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel
from depth_ros.recordings.outputs import MonoOutputs, messages_of
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch, refused
from depth_ros.recordings.topics import CameraTopicNames
from depth_ros.tasks.mono.processor import MonoOutput, MonoWanted, open_mono
from depth_ros.tasks.mono.settings import MonoSettings, ScaleMode

TASK = 'mono'
ALONE = (ScaleMode.NONE, ScaleMode.FIXED, ScaleMode.TRAINING_RIG)
"""Scales that know nothing of the frames before: with others, segments would differ."""


class MonoWork:
    """A mono processor and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named.

        Raises:
            ParameterError: If the scale of a frame depends on those before it.
        """
        given = cast('CameraTopicNames', task.input)
        settings = cast('MonoSettings', task.settings)
        if settings.scale.mode not in ALONE:
            known = ', '.join(mode.value for mode in ALONE)
            raise ParameterError(
                f'scale.mode {settings.scale.mode.value!r} follows the frames before, and a job '
                f'cuts recordings into segments; set it to one of: {known}'
            )
        self._outputs = cast('MonoOutputs', task.outputs)
        calibration = given.calibration
        self._camera = CameraSource(
            topic=given.image,
            info_topic=given.info,
            camera=read_mono_calibration(calibration).camera if calibration else None,
            is_rectified=given.images == 'rectified',
        )
        self._processor = open_mono(with_threads(settings, task.threads))
        self.identity = engine_identity(
            self._processor.pipeline,
            model=settings.model,
            threads=task.threads,
            cameras=[self._camera.camera],
        )

    @staticmethod
    def guessed(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of the images."""
        given = cast('CameraTopicNames', task.input)
        found = mono_topics(
            with_file_topic(topics, given.calibration),
            image_topic=given.image,
            info_topic=FROM_FILE if given.calibration else given.info,
        )
        is_rectified = found.is_rectified
        if given.calibration:
            is_rectified = read_mono_calibration(given.calibration).is_rectified
        known = replace(
            given,
            image=found.image.name,
            info=found.info.name,
            images=taken_as(given.images, is_rectified=is_rectified),
        )
        return replace(task, input=known), found.image.name

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return frame_channels(self._outputs)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads of a segment; images stand alone, so nothing lies beside it."""
        return Stretch(
            recording,
            segment,
            topics=[self._camera.topic],
            info_topics=info_topics_of([self._camera]),
            overlap_ns=0,
        )

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return an output or a refusal of every image."""
        for image in stretch.images[self._camera.topic]:
            if image.is_own:
                yield self._outcome(stretch, image)
        yield from stretch.damaged

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    def _outcome(self, stretch: Stretch, image: StampedMessage) -> Outcome:
        wanted = MonoWanted(depth=self._outputs.depth or self._outputs.points)
        try:
            frame = self._camera.frame(stretch, image)
            output = self._processor.process(frame, wanted=wanted)
        except InputError as error:
            return refused(image, error)
        result = _depth_frame(output, image)
        return Made(
            reference=image,
            num_inputs=1,
            messages=messages_of(result, self._outputs),
            figures=figures_of(result, task=TASK, log_ns=image.position.time_ns),
        )


def _depth_frame(output: MonoOutput, image: StampedMessage) -> DepthFrame:
    return DepthFrame(
        stamp_ns=image.stamp_ns,
        frame_id=image.frame_id,
        image=output.frame.image,
        camera=output.frame.camera,
        depth=output.depth.depth if output.depth else None,
        relative=output.relative.depth,
        confidence=output.relative.confidence,
    )
