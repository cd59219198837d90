"""The cameras of a node, subscribed to together: all rectified, or all raw."""

from __future__ import annotations

from collections.abc import Sequence

from depth_ros.ros.node.camera_input import IMAGE_NAMES, CameraInput
from depth_ros.ros.node.roles import InputTopic
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings


class Cameras:
    """Chooses which images to take, and says what is missing.

    Attributes:
        kind: ``'raw'`` or ``'rectified'``; empty before ``subscribe`` has succeeded.
    """

    def __init__(
        self, cameras: Sequence[CameraInput], warn: ThrottledWarnings, *, images: str = 'images'
    ) -> None:
        """Prepare; ``images`` is what is waited for, in words."""
        self.kind = ''
        self._cameras = tuple(cameras)
        self._warn = warn
        self._images = images

    @property
    def is_rectified(self) -> bool:
        """Whether rectified images are taken."""
        return self.kind == 'rectified'

    def choose(self, wanted: str) -> str:
        """Return ``'raw'`` or ``'rectified'``, or say that nobody publishes and return nothing.

        Args:
            wanted: One of these, or ``'auto'`` for what all cameras publish.
        """
        if wanted != 'auto':
            return wanted
        for kind in ('rectified', 'raw'):
            if all(camera.has_publisher(kind) for camera in self._cameras):
                return kind
        names = ' or '.join(self._cameras[0].topic_for(kind) for kind in IMAGE_NAMES)
        self._warn('no_publisher', f'input is auto and nobody publishes {names} yet')
        return ''

    def subscribe(self, kind: str) -> None:
        """Subscribe to what ``choose`` gave."""
        for camera in self._cameras:
            camera.subscribe(kind)
        self.kind = kind

    def describe(self) -> str:
        """Return the subscribed topics in words."""
        topics = ' and '.join(camera.image_topic for camera in self._cameras)
        return f'subscribed to {self.kind} images on {topics}'

    def topics(self) -> list[InputTopic]:
        """Return what is subscribed to."""
        return [topic for camera in self._cameras for topic in camera.topics()]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""
        if not self.kind:
            return [('no_publisher', f'waiting for a publisher of {self._images}')]
        return [entry for camera in self._cameras for entry in camera.missing()]
