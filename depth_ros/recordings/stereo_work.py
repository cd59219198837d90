"""Stereo over a segment: pairs, each to depth as node and command compute it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from depth_ros.errors import InputError
from depth_ros.files.bag_topics import BagTopic, stereo_topics
from depth_ros.files.calibration import read_rig
from depth_ros.frames import StereoFrame
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
from depth_ros.recordings.outputs import PairOutputs, messages_of
from depth_ros.recordings.pairing import StampedMessage, partners
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import LedgerLine, Stretch
from depth_ros.recordings.topics import PairTopicNames
from depth_ros.tasks.stereo.processor import StereoOutput, Wanted, open_stereo
from depth_ros.tasks.stereo.settings import StereoSettings

TASK = 'stereo'


class StereoWork:
    """A stereo processor and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named."""
        self._input = cast('PairTopicNames', task.input)
        self._outputs = cast('PairOutputs', task.outputs)
        self._cameras = _cameras(self._input)
        settings = cast('StereoSettings', task.settings)
        self._processor = open_stereo(with_threads(settings, task.threads))
        self._wanted = Wanted(
            depth=self._outputs.depth or self._outputs.points,
            confidence=self._outputs.confidence,
            sigma=self._outputs.sigma,
        )
        self.identity = engine_identity(
            self._processor.pipeline,
            model=settings.model,
            threads=task.threads,
            cameras=[camera.camera for camera in self._cameras],
        )

    @staticmethod
    def guessed(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of the left images."""
        given = cast('PairTopicNames', task.input)
        info = FROM_FILE if given.calibration else ''
        left, right = stereo_topics(
            with_file_topic(topics, given.calibration),
            left_topic=given.left,
            right_topic=given.right,
            left_info_topic=info or given.left_info,
            right_info_topic=info or given.right_info,
        )
        is_rectified = left.is_rectified
        if given.calibration:
            is_rectified = read_rig(given.calibration).is_rectified
        known = replace(
            given,
            left=left.image.name,
            right=right.image.name,
            left_info=left.info.name,
            right_info=right.info.name,
            images=taken_as(given.images, is_rectified=is_rectified),
        )
        return replace(task, input=known), left.image.name

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return frame_channels(self._outputs)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads of a segment."""
        return Stretch(
            recording,
            segment,
            topics=[camera.topic for camera in self._cameras],
            info_topics=info_topics_of(self._cameras),
            overlap_ns=overlap_ns,
        )

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return an output or a refusal of every left image, and a refusal of every lone right."""
        left, right = (stretch.images[camera.topic] for camera in self._cameras)
        found = partners(
            left,
            right,
            max_difference_ns=round(self._input.max_stamp_difference_s * 1e9),
            overlap_ns=stretch.overlap_ns,
        )
        number = stretch.segment.first_frame
        for image in sorted([*left, *right], key=lambda image: image.position):
            partner = found.get(image.position)
            is_left = image.topic == self._cameras[0].topic
            if not image.is_own or (partner is not None and not is_left):
                continue
            if partner is None:
                yield _alone(image, 'left' if is_left else 'right')
            else:
                yield self._outcome(stretch, image, partner, number)
            number += is_left
        yield from stretch.damaged

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    def _outcome(
        self, stretch: Stretch, left: StampedMessage, right: StampedMessage, number: int
    ) -> Outcome:
        try:
            pair = StereoFrame(
                left=self._cameras[0].frame(stretch, left),
                right=self._cameras[1].frame(stretch, right),
            )
            output = self._processor.process(pair, wanted=self._wanted)
        except InputError as error:
            return LedgerLine(
                topic=left.topic,
                stamp_ns=left.stamp_ns,
                log_ns=left.position.time_ns,
                reason=error.reason,
                text=str(error),
            )
        frame = _depth_frame(output, left)
        every = self._outputs.row_error_every
        pair_seen = output.rectified if every and number % every == 0 else None
        return Made(
            reference=left,
            num_inputs=2,
            messages=messages_of(frame, self._outputs),
            figures=figures_of(frame, task=TASK, log_ns=left.position.time_ns, pair=pair_seen),
        )


def _cameras(given: PairTopicNames) -> tuple[CameraSource, CameraSource]:
    rig = read_rig(given.calibration) if given.calibration else None
    is_rectified = given.images == 'rectified'
    return (
        CameraSource(
            topic=given.left,
            info_topic=given.left_info,
            camera=rig.left if rig else None,
            is_rectified=is_rectified,
        ),
        CameraSource(
            topic=given.right,
            info_topic=given.right_info,
            camera=rig.right if rig else None,
            is_rectified=is_rectified,
        ),
    )


def _depth_frame(output: StereoOutput, left: StampedMessage) -> DepthFrame:
    depth = output.depth
    return DepthFrame(
        stamp_ns=left.stamp_ns,
        frame_id=left.frame_id,
        image=output.rectified.left,
        camera=output.rectified.camera.left,
        depth=depth.depth if depth else None,
        disparity=output.disparity,
        confidence=output.disparity.confidence,
        sigma=depth.sigma if depth else None,
    )


def _alone(image: StampedMessage, side: str) -> LedgerLine:
    other = {'left': 'right', 'right': 'left'}[side]
    return LedgerLine(
        topic=image.topic,
        stamp_ns=image.stamp_ns,
        log_ns=image.position.time_ns,
        reason=f'no_partner_{side}',
        text=f'no {other} image of this moment was recorded near it',
    )
