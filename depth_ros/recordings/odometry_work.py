"""Odometry over a whole recording: frame after frame, as node and command compute it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np

from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.frames import CameraFrame, RgbdFrame, StereoFrame
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of_image
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.ledger import LedgerLine, refused
from depth_ros.recordings.odometry_frames import READERS, guessed_frames
from depth_ros.recordings.odometry_outputs import (
    OdometryOutputs,
    PlacedFrame,
    odometry_channels,
    odometry_messages,
)
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import OdometryTopicNames
from depth_ros.tasks.odometry.body import CAMERA_ALONE, BodyTracker
from depth_ros.tasks.odometry.processor import open_odometry
from depth_ros.tasks.odometry.settings import OdometrySettings
from depth_ros.tasks.odometry.values import OdometryOutput

TASK = 'odometry'
_WRITTEN = {True: ('poses in metres', 'poses or tf'), False: ('directions alone', 'direction')}
"""What is made with and without metres, and the outputs that write it."""


class OdometryWork:
    """An odometry processor and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named."""
        settings = cast('OdometrySettings', task.settings)
        self._outputs = cast('OdometryOutputs', task.outputs)
        self._reader = READERS[settings.source](cast('OdometryTopicNames', task.input))
        self._processor = open_odometry(with_threads(settings, task.threads))
        if not self.channels():
            known, word = _WRITTEN[self._is_metric]
            raise ParameterError(
                f'odometry of source {settings.source.value!r} makes {known}, and nothing of that '
                f'is to be written; set {word} in tasks.odometry.outputs to true'
            )
        self._body = BodyTracker(max_gap_s=settings.tracking.max_gap_s)
        self.identity = engine_identity(
            *self._processor.pipelines,
            model=self._processor.describe(),
            threads=task.threads,
            cameras=self._reader.file_cameras,
        )

    @staticmethod
    def guessed(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of the images it places."""
        return guessed_frames(task, topics, cast('OdometrySettings', task.settings).source)

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return odometry_channels(self._outputs, is_metric=self._is_metric)

    @property
    def _is_metric(self) -> bool:
        return self._processor.settings.is_metric

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads: the recording."""
        return self._reader.stretch(recording, segment, overlap_ns)

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return a pose, or why there is none, of every image; a line of every lone one."""
        self._processor.reset()
        self._body.forget()
        session = -1
        for found in self._reader.frames(stretch):
            if isinstance(found, LedgerLine):
                yield found
                continue
            image, frame = found
            try:
                output = self._processor.process(frame)
            except InputError as error:
                yield refused(image, error)
                continue
            if output.session != session:
                self._body.forget()
            session = output.session
            yield self._outcome(image, output, _seen(frame))

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    def _outcome(
        self, image: StampedMessage, output: OdometryOutput, pixels: np.ndarray
    ) -> Outcome:
        body = None
        if output.pose is not None:
            body = self._body.moved(output.pose, image.stamp_ns, CAMERA_ALONE)
        elif output.direction is None:
            reason = output.reason.value or output.state.value
            return refused(image, InputError(reason, output.text or output.state.value))
        return Made(
            reference=image,
            num_inputs=self._reader.num_inputs,
            messages=odometry_messages(
                PlacedFrame(body=body, direction=output.direction),
                self._outputs,
                stamp_ns=image.stamp_ns,
                frame_id=image.frame_id,
            ),
            figures=figures_of_image(
                pixels,
                task=TASK,
                stamp_ns=image.stamp_ns,
                log_ns=image.position.time_ns,
                num_inliers=output.counts.num_inliers,
            ),
        )


def _seen(frame: CameraFrame) -> np.ndarray:
    """Return the image that a frame is judged by."""
    if isinstance(frame, StereoFrame):
        return frame.left.image
    return frame.image.image if isinstance(frame, RgbdFrame) else frame.image
