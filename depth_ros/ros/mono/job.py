"""One image message on its way to the worker, and the metric depth that may go with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera, rectified_camera
from depth_ros.errors import InputError
from depth_ros.frames import MonoFrame
from depth_ros.messages.headers import stamp_ns
from depth_ros.results import DepthResult
from depth_ros.ros.node.camera_input import ImageMessage
from depth_ros.ros.node.image_job import JobOfImage
from depth_ros.ros.node.wrapped_processor import WrappedProcessor
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tasks.mono.values import MonoOutput, MonoWanted

NUM_REFERENCES = 30


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoInput:
    """What the processor gets.

    Attributes:
        frame: The image.
        reference: Metric depth of about the same moment, or None.
        world_from_camera: ``(4, 4)`` pose of the image, or None.
        pose_trouble: Why there is no pose, where that is known.
    """

    frame: MonoFrame
    reference: DepthResult | None
    world_from_camera: np.ndarray | None
    pose_trouble: InputError | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoJob(JobOfImage):
    """What the worker gets.

    Attributes:
        find_reference: Gives metric depth for a stamp, or None; asked when the worker begins.
        world_from_camera: ``(4, 4)`` pose of the image, or None.
        pose_trouble: Why there is no pose, where that is known.
    """

    find_reference: Callable[[int, PinholeCamera], DepthResult | None]
    world_from_camera: np.ndarray | None = None
    pose_trouble: InputError | None = None

    def decode(self) -> MonoInput:
        """Decode the image and find its reference.

        Raises:
            InputError: If the image cannot be used.
        """
        frame = self.image.decode()
        reference = self.find_reference(self.stamp_ns, rectified_camera(frame.camera))
        return MonoInput(
            frame=frame,
            reference=reference,
            world_from_camera=self.world_from_camera,
            pose_trouble=self.pose_trouble,
        )


class ReferencedProcessor(WrappedProcessor[MonoSettings]):
    """``MonoProcessor`` as the worker wants it: image and reference in one."""

    def __init__(self, processor: MonoProcessor) -> None:
        """Take ownership."""
        super().__init__(processor)
        self._processor = processor

    def process(self, frame: MonoInput, *, wanted: MonoWanted) -> MonoOutput:
        """Run one frame end to end."""
        return self._processor.process(
            frame.frame,
            wanted=wanted,
            reference=frame.reference,
            world_from_camera=frame.world_from_camera,
            pose_trouble=frame.pose_trouble,
        )


class ReferenceShelf:
    """The last metric depth images; added to by callbacks, read by the worker.

    Without a camera_info of its own the reference is taken to show what the rectified image
    shows, at another resolution.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._messages: deque[ImageMessage] = deque(maxlen=NUM_REFERENCES)

    def add(self, message: ImageMessage) -> None:
        """Keep a depth image."""
        self._messages.append(message)

    def newest(self, stamp: int) -> ImageMessage | None:
        """Return the newest depth that is not newer than a stamp in ns, or None."""
        older = [item for item in list(self._messages) if stamp_ns(item.header.stamp) <= stamp]
        if not older:
            return None
        return max(older, key=lambda item: stamp_ns(item.header.stamp))
