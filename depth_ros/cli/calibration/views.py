"""Pictures of a board: a folder of one camera or of pairs, two folders, or a bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.cli.kit.batch import warn
from depth_ros.cli.kit.images import find_images, find_pairs
from depth_ros.errors import ImageError, InputError
from depth_ros.files.bag_images import read_bag_images
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.bag_topics import board_topics
from depth_ros.files.bags import bag_topics
from depth_ros.files.image import read_rgb
from depth_ros.geometry.boards import Board, Corners, find_corners, same_way

BAG_STEP_NS = 500_000_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BoardView:
    """One moment: an image, or two, in which the board was found.

    Attributes:
        name: Of the image.
        corners: Of each camera: one, or left and right.
    """

    name: str
    corners: tuple[Corners, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BoardViews:
    """What was found.

    Attributes:
        views: Moments with the board in every image.
        size: ``(height, width)`` of all images.
        num_seen: Moments looked at.
    """

    views: tuple[BoardView, ...]
    size: tuple[int, int]
    num_seen: int

    @property
    def is_rig(self) -> bool:
        """Whether there are two cameras."""
        return bool(self.views) and len(self.views[0].corners) == 2

    def of_side(self, index: int) -> list[Corners]:
        """Return the corners of one camera in every view."""
        return [view.corners[index] for view in self.views]

    def pairs(self) -> list[tuple[Corners, Corners]]:
        """Return the corners of both cameras in every view."""
        return [(view.corners[0], view.corners[1]) for view in self.views]


def find_views(paths: list[Path], board: Board) -> BoardViews:
    """Look for the board in every image; those without it are named on stderr.

    Raises:
        InputError: If there are no images, or they differ in size.
    """
    views: list[BoardView] = []
    size, num_seen = (0, 0), 0
    for name, images in _moments(paths):
        num_seen += 1
        size = _same_size(name, images, size if num_seen > 1 else images[0].shape[:2])
        corners = [found for image in images if (found := find_corners(image, board))]
        if len(corners) < len(images):
            warn(f'{name} left out: the board was not found in it')
            continue
        if len(corners) == 2 and not board.is_charuco:
            corners[1] = same_way(corners[0], corners[1])
        views.append(BoardView(name=name, corners=tuple(corners)))
    return BoardViews(views=tuple(views), size=size, num_seen=num_seen)


def _same_size(name: str, images: list[np.ndarray], size: tuple[int, ...]) -> tuple[int, int]:
    for image in images:
        if image.shape[:2] != tuple(size):
            raise ImageError(
                'size_mismatch',
                f'{name} is {image.shape[1]}x{image.shape[0]} and others are {size[1]}x{size[0]}; '
                'calibrate with images of one resolution',
            )
    return int(size[0]), int(size[1])


def _moments(paths: list[Path]) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Give name and images of every moment."""
    if len(paths) == 1 and is_bag(paths[0]):
        yield from _bag_moments(paths[0])
        return
    left, right = paths[0], paths[-1]
    if not left.is_dir() or not right.is_dir():
        missing = left if not left.is_dir() else right
        raise InputError(
            'file', f'{missing} must be a folder of images, or a bag; give one, or LEFT and RIGHT'
        )
    if len(paths) == 1 and not any('left' in item.path.name for item in find_images(left)):
        for item in find_images(left):
            yield item.path.name, [read_rgb(item.path)]
        return
    for pair in find_pairs(left, right).pairs:
        yield pair.left.name, [read_rgb(pair.left), read_rgb(pair.right)]


def _bag_moments(path: Path) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Give moments of a bag at least ``BAG_STEP_NS`` apart: a board does not move faster."""
    last_ns = -BAG_STEP_NS
    for stamp_ns, images in read_bag_images(path, board_topics(bag_topics(path))):
        if abs(stamp_ns - last_ns) >= BAG_STEP_NS:
            last_ns = stamp_ns
            yield str(stamp_ns), images
