"""Stereo over a segment: pairs, each to depth as node and command compute it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.recordings.depth_frame import DepthFrame
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of
from depth_ros.recordings.flicker import FlickerWatch
from depth_ros.recordings.frame_channels import frame_channels
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.ledger import LedgerLine, refused
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel
from depth_ros.recordings.outputs import PairOutputs, messages_of
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.rig_reader import RecordedPair, RigReader, guessed_pair
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import PairTopicNames
from depth_ros.tasks.stereo.processor import StereoOutput, Wanted, open_stereo
from depth_ros.tasks.stereo.settings import DEPTH_HINTS, PREVIOUS_HINTS, StereoSettings

TASK = 'stereo'


class StereoWork:
    """A stereo processor and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named.

        Raises:
            ParameterError: If hints take more than the pair.
        """
        self._reader = RigReader(cast('PairTopicNames', task.input))
        self._outputs = cast('PairOutputs', task.outputs)
        settings = cast('StereoSettings', task.settings)
        if not {PREVIOUS_HINTS, DEPTH_HINTS}.isdisjoint(settings.hint_words):
            raise ParameterError(
                f'hints {settings.hints!r} follow the pair before or another sensor, and a job '
                'cuts recordings into segments of pairs; set hints to auto, sgbm or none in '
                'tasks.stereo.settings'
            )
        self._processor = open_stereo(with_threads(settings, task.threads), is_live=True)
        self._flicker = FlickerWatch(self._outputs.flicker_every)
        self._wanted = Wanted(
            depth=self._outputs.depth or self._outputs.points,
            confidence=self._outputs.confidence,
            sigma=self._outputs.sigma,
        )
        self.identity = engine_identity(
            self._processor.pipeline,
            model=settings.model,
            threads=task.threads,
            cameras=[camera.camera for camera in self._reader.cameras],
        )

    @staticmethod
    def guessed(task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of the left images."""
        return guessed_pair(task, topics)

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return frame_channels(self._outputs)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads of a segment."""
        return self._reader.stretch(recording, segment, overlap_ns)

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return an output or a refusal of every left image, and a refusal of every lone right."""
        self._flicker.forget()
        for found in self._reader.pairs(stretch):
            if isinstance(found, LedgerLine):
                yield found
            else:
                yield self._outcome(stretch, found)

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    def _outcome(self, stretch: Stretch, pair: RecordedPair) -> Outcome:
        left, before = pair.left, pair.before
        try:
            output = self._computed(stretch, pair)
        except InputError as error:
            return refused(left, error)
        frame = _depth_frame(output, left)
        change = self._flicker.look(
            frame,
            left,
            number=pair.number,
            before=before.left if before else None,
            compute=lambda: self._frame_of(stretch, before or pair),
        )
        every = self._outputs.row_error_every
        pair_seen = output.rectified if every and pair.number % every == 0 else None
        return Made(
            reference=left,
            num_inputs=2,
            messages=messages_of(frame, self._outputs),
            figures=figures_of(
                frame,
                task=TASK,
                log_ns=left.position.time_ns,
                pair=pair_seen,
                flicker=change,
            ),
        )

    def _frame_of(self, stretch: Stretch, pair: RecordedPair) -> DepthFrame:
        return _depth_frame(self._computed(stretch, pair), pair.left)

    def _computed(self, stretch: Stretch, pair: RecordedPair) -> StereoOutput:
        return self._processor.process(self._reader.frame(stretch, pair), wanted=self._wanted)


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
