"""Keyframes of a recording, chosen so that where it is cut into segments changes nothing.

``KeyframeWindow`` depends on every view before. Here a recording is divided into blocks of one
length from its beginning; what is a keyframe in a block, and with which sources, is decided by a
window that begins with the block before it and ends with the one behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.recordings.ledger import PASSED_OVER
from depth_ros.recordings.pairing import StampedMessage
from depth_ros.recordings.recording import Position
from depth_ros.tasks.multiview.keyframes import KeyframeWindow, ViewSet
from depth_ros.tasks.multiview.settings import KeyframeSettings

ALONE = 'few_sources'
TEXTS = {
    PASSED_OVER: 'the camera had not moved enough since the keyframe before it',
    ALONE: 'too few other keyframes around it see the same',
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordedView:
    """An image with calibration and pose, not decoded; see ``PlacedView``.

    Attributes:
        image: Where it is.
        camera: Its calibration.
        world_from_camera: ``(4, 4)`` float64.
        world_frame: Frame of the poses.
    """

    image: StampedMessage
    camera: PinholeCamera
    world_from_camera: np.ndarray
    world_frame: str

    @property
    def center_m(self) -> np.ndarray:
        """``(3,)`` position of the camera in the world, metres."""
        return np.asarray(self.world_from_camera[:3, 3])

    @property
    def stamp_ns(self) -> int:
        """Stamp of the image."""
        return self.image.stamp_ns


Choice = ViewSet[RecordedView] | InputError
"""A reference with its sources, or why an image is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """How a recording is divided.

    Attributes:
        start_ns: Its first time of recording.
        length_ns: Length of a block.
    """

    start_ns: int
    length_ns: int

    def of(self, image: StampedMessage) -> int:
        """Return the number of the block in which an image was recorded."""
        return (image.position.time_ns - self.start_ns) // self.length_ns


def choices(
    images: Sequence[StampedMessage],
    place: Callable[[StampedMessage], RecordedView],
    *,
    blocks: Blocks,
    settings: KeyframeSettings,
    depth_range_m: tuple[float, float],
) -> dict[Position, Choice]:
    """Return what becomes of each own image of a segment, by its position.

    Args:
        images: Those of the segment, and those of a block and more beside it, in order.
        place: Finds calibration and pose of an image; raises ``InputError``.
        blocks: How the recording is divided.
        settings: How keyframes and sources are chosen.
        depth_range_m: Nearest and farthest depth that the scene is expected to have.
    """
    numbers = [blocks.of(image) for image in images]
    placed: dict[Position, RecordedView | InputError] = {}

    def placed_at(image: StampedMessage) -> RecordedView:
        if image.position not in placed:
            try:
                placed[image.position] = place(image)
            except InputError as error:
                placed[image.position] = error
        found = placed[image.position]
        if isinstance(found, InputError):
            raise found
        return found

    result: dict[Position, Choice] = {}
    for block in sorted({n for n, image in zip(numbers, images, strict=True) if image.is_own}):
        near = [image for n, image in zip(numbers, images, strict=True) if abs(n - block) <= 1]
        chosen = _chosen(near, placed_at, KeyframeWindow(settings), depth_range_m)
        own = [image for image in near if image.is_own and blocks.of(image) == block]
        result.update({image.position: chosen[image.position] for image in own})
    return result


def _chosen(
    images: Sequence[StampedMessage],
    place: Callable[[StampedMessage], RecordedView],
    window: KeyframeWindow[RecordedView],
    depth_range_m: tuple[float, float],
) -> dict[Position, Choice]:
    """Run a window over images from an empty one to its end."""
    found: dict[Position, Choice] = {}
    sets: list[ViewSet[RecordedView]] = []
    for image in images:
        reason = PASSED_OVER
        try:
            view = place(image)
            pose, stamp_ns = view.world_from_camera, view.stamp_ns
            if window.is_wanted(pose, stamp_ns=stamp_ns, depth_range_m=depth_range_m):
                reason = ALONE
                kept = window.keep(view, depth_range_m=depth_range_m)
                sets += [kept] if kept is not None else []
            found[image.position] = InputError(reason, TEXTS[reason])
        except InputError as error:
            found[image.position] = error
    sets += window.flush(depth_range_m=depth_range_m)
    found.update({one.reference.image.position: one for one in sets})
    return found
