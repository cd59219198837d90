"""Odometry of a rig over a whole recording: frame after frame, as node and command compute it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np

from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of_image
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.odometry_outputs import (
    OdometryOutputs,
    odometry_channels,
    odometry_messages,
)
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.rig_reader import RecordedPair, RigReader, guessed_pair
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import LedgerLine, Stretch, refused
from depth_ros.recordings.topics import PairTopicNames
from depth_ros.tasks.odometry.body import CAMERA_ALONE, BodyTracker
from depth_ros.tasks.odometry.processor import open_odometry
from depth_ros.tasks.odometry.settings import OdometrySettings, Source
from depth_ros.tasks.odometry.values import OdometryOutput

TASK = 'odometry'


class OdometryWork:
    """An odometry processor and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named.

        Raises:
            ParameterError: If the source is no rig.
        """
        settings = cast('OdometrySettings', task.settings)
        if settings.source is not Source.STEREO:
            raise ParameterError(
                f'a job places the frames of a rig, got source {settings.source.value!r}; set '
                f'source to {Source.STEREO.value} in tasks.odometry.settings'
            )
        self._outputs = cast('OdometryOutputs', task.outputs)
        self._reader = RigReader(cast('PairTopicNames', task.input))
        self._processor = open_odometry(with_threads(settings, task.threads))
        self._body = BodyTracker(max_gap_s=settings.tracking.max_gap_s)
        self.identity = engine_identity(
            *self._processor.pipelines,
            model=self._processor.describe(),
            threads=task.threads,
            cameras=[camera.camera for camera in self._reader.cameras],
        )

    @staticmethod
    def guessed(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of the left images."""
        return guessed_pair(task, topics)

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return odometry_channels(self._outputs)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads: the recording."""
        return self._reader.stretch(recording, segment, overlap_ns)

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return a pose, or why there is none, of every left image; a line of every lone right."""
        self._processor.reset()
        self._body.forget()
        session = -1
        for found in self._reader.pairs(stretch):
            if isinstance(found, LedgerLine):
                yield found
                continue
            try:
                frame = self._reader.frame(stretch, found)
                output = self._processor.process(frame)
            except InputError as error:
                yield refused(found.left, error)
                continue
            if output.session != session:
                self._body.forget()
            session = output.session
            yield self._outcome(found, output, frame.left.image)

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    def _outcome(self, pair: RecordedPair, output: OdometryOutput, image: np.ndarray) -> Outcome:
        left = pair.left
        if output.pose is None:
            reason = output.reason.value or output.state.value
            return refused(left, InputError(reason, output.text or output.state.value))
        body = self._body.moved(output.pose, left.stamp_ns, CAMERA_ALONE)
        return Made(
            reference=left,
            num_inputs=2,
            messages=odometry_messages(
                body, self._outputs, stamp_ns=left.stamp_ns, frame_id=left.frame_id
            ),
            figures=figures_of_image(
                image,
                task=TASK,
                stamp_ns=left.stamp_ns,
                log_ns=left.position.time_ns,
                num_inliers=output.counts.num_inliers,
            ),
        )
