"""Multi-view depth over a segment: keyframes with their sources, as the node computes them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import cast

from depth_ros.errors import InputError
from depth_ros.geometry.posed_view import PosedView
from depth_ros.recordings.camera_frames import stretch_of
from depth_ros.recordings.camera_reader import camera_source
from depth_ros.recordings.depth_frame import DepthFrame, WorldPlace
from depth_ros.recordings.engine_identity import engine_identity, with_threads
from depth_ros.recordings.figures import figures_of
from depth_ros.recordings.frame_channels import frame_channels
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.keyframe_blocks import Blocks, RecordedView, choices
from depth_ros.recordings.ledger import refused
from depth_ros.recordings.multiview_settings import SegmentedViewSettings
from depth_ros.recordings.outcome import Made, Outcome, OutputChannel
from depth_ros.recordings.outputs import PosedOutputs, messages_of
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.posed_camera import guessed_posed_camera
from depth_ros.recordings.recorded_poses import RecordedPoses
from depth_ros.recordings.recording import Position, Recording
from depth_ros.recordings.segments import Segment
from depth_ros.recordings.stretch import Stretch
from depth_ros.recordings.topics import KeyframeTopicNames
from depth_ros.tasks.multiview.keyframes import ViewSet
from depth_ros.tasks.multiview.processor import MultiViewOutput, MultiViewWanted, open_multiview

TASK = 'multiview'
NUM_DECODED = 12
"""Decoded images that are kept: neighbouring references share their sources."""


class MultiviewWork:
    """A multi-view processor and what a job wants of it."""

    def __init__(self, task: JobTask) -> None:
        """Open the engines; the topics of the task must be named."""
        self._given = cast('KeyframeTopicNames', task.input)
        self._settings = cast('SegmentedViewSettings', task.settings)
        self._outputs = cast('PosedOutputs', task.outputs)
        self._camera = camera_source(self._given)
        self._processor = open_multiview(with_threads(self._settings, task.threads))
        self._views: OrderedDict[Position, PosedView] = OrderedDict()
        self.identity = engine_identity(
            self._processor.pipeline,
            model=self._settings.model,
            threads=task.threads,
            cameras=[self._camera.camera],
        )

    guessed = staticmethod(guessed_posed_camera)

    def channels(self) -> Mapping[int, OutputChannel]:
        """Return what it writes."""
        return frame_channels(self._outputs)

    def stretch(self, recording: Recording, segment: Segment, overlap_ns: int) -> Stretch:
        """Return what it reads: the segment, and two blocks on both sides."""
        return stretch_of(
            [self._camera],
            recording,
            segment,
            overlap_ns=overlap_ns,
            pose_topics=[self._given.poses],
            reach_ns=2 * self._block_ns + 2 * overlap_ns,
        )

    def outcomes(self, stretch: Stretch) -> Iterator[Outcome]:
        """Return depth, or why there is none, of every image."""
        poses = RecordedPoses(stretch, self._given, task=TASK)
        start_ns = min(chunk.start_ns for chunk in stretch.recording.chunks)
        images = stretch.images[self._camera.topic]

        def place(image: StampedMessage) -> RecordedView:
            camera = self._camera.calibration(stretch, image)
            pose, world_frame = poses.at(image)
            return RecordedView(
                image=image, camera=camera, world_from_camera=pose, world_frame=world_frame
            )

        found = choices(
            images,
            place,
            blocks=Blocks(start_ns=start_ns, length_ns=self._block_ns),
            settings=self._settings.keyframes,
            depth_range_m=self._settings.search.range_m,
        )
        for image in images:
            choice = found.get(image.position)
            if isinstance(choice, InputError):
                yield refused(image, choice)
            elif choice is not None:
                yield self._outcome(stretch, choice)
        self._views.clear()
        yield from stretch.damaged

    def close(self) -> None:
        """Free the engines."""
        self._processor.close()

    @property
    def _block_ns(self) -> int:
        return round(1e9 * self._given.block_s)

    def _outcome(self, stretch: Stretch, views: ViewSet[RecordedView]) -> Outcome:
        image = views.reference.image
        wanted = MultiViewWanted(confidence=self._outputs.confidence)
        try:
            known = ViewSet(
                reference=self._view(stretch, views.reference),
                sources=tuple(self._view(stretch, source) for source in views.sources),
            )
            output = self._processor.process(
                known.frame(self._settings.search.range_m), wanted=wanted
            )
        except InputError as error:
            return refused(image, error)
        frame = _depth_frame(output, views.reference)
        return Made(
            reference=image,
            num_inputs=1 + len(views.sources),
            messages=messages_of(frame, self._outputs),
            figures=figures_of(frame, task=TASK, log_ns=image.position.time_ns),
        )

    def _view(self, stretch: Stretch, view: RecordedView) -> PosedView:
        """Return a view with its image; the last few stay decoded."""
        position = view.image.position
        if position not in self._views:
            frame = self._camera.frame(stretch, view.image)
            self._views[position] = PosedView(
                frame=frame, world_from_camera=view.world_from_camera, name=view.image.frame_id
            )
            while len(self._views) > NUM_DECODED:
                self._views.popitem(last=False)
        return self._views[position]


def _depth_frame(output: MultiViewOutput, view: RecordedView) -> DepthFrame:
    reference = output.frame.reference
    return DepthFrame(
        stamp_ns=view.stamp_ns,
        frame_id=view.image.frame_id,
        image=reference.image,
        camera=reference.camera,
        depth=output.depth.depth,
        confidence=output.depth.confidence,
        place=WorldPlace(frame=view.world_frame, world_from_camera=view.world_from_camera),
    )
