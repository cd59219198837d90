"""Matching over a segment: each image with one before it, as the node's topic has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.frames import ImagePair
from depth_ros.messages.headers import fill_header
from depth_ros.messages.images import decode_any_image, fill_image
from depth_ros.messages.matches import fill_matches
from depth_ros.messages.topic_names import check_namespace
from depth_ros.pictures.matches import match_picture
from depth_ros.recordings.camera_frames import stretch_of
from depth_ros.recordings.camera_reader import camera_source, guessed_camera
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of_image
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.ledger import FIRST_IMAGE, LedgerLine, line_of, refused
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel, wanted_channels
from depth_ros.recordings.outputs import expect_outputs
from depth_ros.recordings.pairing import StampedMessage, is_near
from depth_ros.recordings.recording import Position, Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import MatchTopicNames
from depth_ros.recordings.wire import IMAGE, MATCHES, blank, parsed
from depth_ros.settings import Settings, described
from depth_ros.tasks.matching.matcher import open_matcher
from depth_ros.tasks.matching.question import MatchAnswer, MatchQuestion
from depth_ros.tasks.matching.settings import MatchSettings

TASK = 'match'
POINTS, PICTURE = 0, 1
"""Places of the channels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchOutputs(Settings):
    """What is written."""

    namespace: str = described('matcher', 'First part of the names of the topics.')
    matches: bool = described(True, 'Points of both images, confidences, inliers: matches.')
    picture: bool = described(False, 'Both images with lines between: matches/image.')

    def check_together(self) -> None:
        """Refuse a namespace that is none, and a task that writes nothing."""
        check_namespace(self.namespace)
        expect_outputs(self, ('matches', 'picture'))


class MatchWork:
    """A matcher and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named."""
        settings = cast('MatchSettings', task.settings)
        self._given = cast('MatchTopicNames', task.input)
        self._outputs = cast('MatchOutputs', task.outputs)
        self._camera = camera_source(self._given)
        self._matcher = open_matcher(with_threads(settings, task.threads))
        self._decoded: dict[Position, np.ndarray] = {}
        self.identity = engine_identity(
            self._matcher.pipeline,
            model=settings.model,
            threads=task.threads,
            cameras=[self._camera.camera],
        )

    @staticmethod
    def guessed(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of the images."""
        return guessed_camera(task, topics, needs_calibration=False)

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return wanted_channels(
            self._outputs.namespace,
            {
                POINTS: (self._outputs.matches, 'matches', MATCHES),
                PICTURE: (self._outputs.picture, 'matches/image', IMAGE),
            },
        )

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads of a segment and, for the images before its own, beside it."""
        return stretch_of([self._camera], recording, segment, overlap_ns=overlap_ns)

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return matches, or why there are none, of every image."""
        images, step = stretch.images[self._camera.topic], self._given.pair_step
        for number, image in enumerate(images):
            if not image.is_own:
                continue
            before = images[number - step] if number >= step else None
            if before is None or not is_near(before, image, stretch.overlap_ns):
                yield self._alone(stretch, image)
                continue
            try:
                yield self._outcome(stretch, before, image)
            except InputError as error:
                yield refused(image, error)
            self._forget(images[max(0, number - step + 1)].position)
        self._decoded.clear()
        yield from stretch.damaged

    def close(self) -> None:
        """Free the engines."""
        self._matcher.close()

    def _alone(self, stretch: Stretch, image: StampedMessage) -> LedgerLine:
        step, images = self._given.pair_step, stretch.images[image.topic]
        if image in images[:step] and stretch.begins(image.topic):
            text = 'nothing was recorded before it that it could be matched with'
            return line_of(image, FIRST_IMAGE, text)
        return line_of(image, 'no_earlier_image', _no_earlier(step))

    def _outcome(self, stretch: Stretch, first: StampedMessage, second: StampedMessage) -> Made:
        pair = ImagePair(first=self._image(stretch, first), second=self._image(stretch, second))
        answer = self._matcher.process(
            MatchQuestion(
                pair=pair,
                first_camera=self._calibration(stretch, first),
                second_camera=self._calibration(stretch, second),
                ticket=(first, second),
            )
        )
        makers = {POINTS: _points, PICTURE: _picture}
        return Made(
            reference=second,
            num_inputs=2,
            messages={place: makers[place](answer) for place in self.channels()},
            figures=figures_of_image(
                pair.second,
                task=TASK,
                stamp_ns=second.stamp_ns,
                log_ns=second.position.time_ns,
                num_inliers=answer.geometry.num_inliers,
            ),
        )

    def _image(self, stretch: Stretch, image: StampedMessage) -> np.ndarray:
        """Return an image as RGB; each is decoded once."""
        if image.position not in self._decoded:
            kind = stretch.recording.kind_of(image.topic)
            self._decoded[image.position] = decode_any_image(parsed(stretch.data_of(image), kind))
        return self._decoded[image.position]

    def _forget(self, before: Position) -> None:
        for position in [known for known in self._decoded if known < before]:
            del self._decoded[position]

    def _calibration(self, stretch: Stretch, image: StampedMessage) -> PinholeCamera | None:
        if self._camera.camera is not None or not self._given.info:
            return self._camera.camera
        return stretch.calibrations.at(self._given.info, image.position)


Answer = MatchAnswer[tuple[StampedMessage, StampedMessage]]


def _points(answer: Answer) -> Any:
    message, pair = blank(MATCHES), answer.question.pair
    fill_matches(message, answer)
    first, second = answer.question.ticket
    for header, image in ((message.first_header, first), (message.header, second)):
        fill_header(header, stamp_ns=image.stamp_ns, frame_id=image.frame_id)
    message.inliers = np.asarray(answer.geometry.inliers, bool)
    message.first_height, message.first_width = pair.first.shape[:2]
    message.second_height, message.second_width = pair.second.shape[:2]
    return message


def _picture(answer: Answer) -> Any:
    message, second = blank(IMAGE), answer.question.ticket[1]
    picture = match_picture(answer.question.pair, answer.result, is_inlier=answer.geometry.inliers)
    fill_image(message, np.ascontiguousarray(picture), 'rgb8')
    fill_header(message.header, stamp_ns=second.stamp_ns, frame_id=second.frame_id)
    return message


def _no_earlier(step: int) -> str:
    which = 'before it' if step == 1 else f'{step} places before it'
    return (
        f'no image {which} was recorded within segments.overlap_s; raise that if the camera is '
        'slower'
    )
