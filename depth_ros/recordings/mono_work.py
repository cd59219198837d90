"""Mono depth over a segment: every image alone, as node and command compute it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.recordings.camera_frames import stretch_of
from depth_ros.recordings.camera_reader import camera_source, guessed_camera
from depth_ros.recordings.depth_frame import DepthFrame
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of
from depth_ros.recordings.flicker import FlickerWatch
from depth_ros.recordings.frame_channels import frame_channels
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.ledger import refused
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel
from depth_ros.recordings.outputs import MonoOutputs, messages_of
from depth_ros.recordings.pairing import StampedMessage, is_near
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import CameraTopicNames
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode, ScaleMode
from depth_ros.tasks.mono.values import MonoOutput, MonoWanted

TASK = 'mono'
ALONE = (ScaleMode.NONE, ScaleMode.FIXED, ScaleMode.TRAINING_RIG)
"""Scales that know nothing of the frames before: with others, segments would differ."""


class MonoWork:
    """A mono processor and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named.

        Raises:
            ParameterError: If the depth of a frame depends on those before it.
        """
        given = cast('CameraTopicNames', task.input)
        settings = cast('MonoSettings', task.settings)
        if settings.scale.mode not in ALONE:
            known = ', '.join(mode.value for mode in ALONE)
            raise ParameterError(
                f'scale.mode {settings.scale.mode.value!r} follows the frames before, and a job '
                f'cuts recordings into segments; set it to one of: {known}'
            )
        if settings.refine is RefineMode.MULTIVIEW:
            raise ParameterError(
                'refine multiview follows the frames before and needs their poses: name the task '
                'mono_refined instead of mono, with poses in its input, or set refine to none'
            )
        self._outputs = cast('MonoOutputs', task.outputs)
        self._camera = camera_source(given)
        self._flicker = FlickerWatch(self._outputs.flicker_every)
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
        return guessed_camera(task, topics)

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return frame_channels(self._outputs)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads of a segment, and what stamps and depth are compared with."""
        return stretch_of([self._camera], recording, segment, overlap_ns=overlap_ns)

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return an output or a refusal of every image."""
        self._flicker.forget()
        number, before = stretch.segment.first_frame, None
        for image in stretch.images[self._camera.topic]:
            if image.is_own:
                known = before and is_near(before, image, stretch.overlap_ns)
                yield self._outcome(stretch, image, number, before if known else None)
                number += 1
            before = image
        yield from stretch.damaged

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    def _outcome(
        self, stretch: Stretch, image: StampedMessage, number: int, before: StampedMessage | None
    ) -> Outcome:
        try:
            frame = self._computed(stretch, image)
        except InputError as error:
            return refused(image, error)
        change = self._flicker.look(
            frame,
            image,
            number=number,
            before=before,
            compute=lambda: self._computed(stretch, before or image),
        )
        return Made(
            reference=image,
            num_inputs=1,
            messages=messages_of(frame, self._outputs),
            figures=figures_of(frame, task=TASK, log_ns=image.position.time_ns, flicker=change),
        )

    def _computed(self, stretch: Stretch, image: StampedMessage) -> DepthFrame:
        wanted = MonoWanted(depth=self._outputs.depth or self._outputs.points)
        frame = self._camera.frame(stretch, image)
        return _depth_frame(self._processor.process(frame, wanted=wanted), image)


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
