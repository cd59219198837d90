"""Endless, reproducible synthetic pairs: rooms and planes, seen by two cameras.

Sample n of a stream depends on the seed and n only, so that a run resumed at step k sees what it
would have seen. A chunk holds a fixed number of each kind, in shuffled order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from depth_ros.geometry.rigid import inverse
from depth_ros.scenes.chunks import Chunks
from depth_ros.scenes.layered.photometric import shoot_views
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.scenes.rooms.paths import draw_intrinsics, moved, views_around
from depth_ros.scenes.rooms.places import draw_place
from depth_ros.scenes.rooms.render import Levels, render_view, room_textures
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.measured_view import MeasuredView
from depth_ros.training.loftr.correspondences import by_depth
from depth_ros.training.loftr.homographies import HomographySettings, draw_plane_pair
from depth_ros.training.loftr.pairs import CELL_PX, PairBatch, padded_pair
from depth_ros.training.photos import load_photos

CHUNKS_PER_POOL = 12
Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomPairSettings:
    """How far two views of a room may differ.

    Attributes:
        rooms: What rooms are like.
        views: Views of one room; any two of them can become a pair.
        parallax: Least and greatest baseline as a share of the median depth.
        min_overlap: Least share of the reference that the others see, 0..1.
        roll_rad: Standard deviation of further turns about the optical axis.
        zoom: Standard deviation of the logarithm of the focal length.
    """

    rooms: RoomSettings = field(default_factory=lambda: RoomSettings(min_contrast=0.5))
    views: int = 3
    parallax: tuple[float, float] = (0.05, 0.6)
    min_overlap: float = 0.35
    roll_rad: float = 0.15
    zoom: float = 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class PairSettings:
    """What the synthetic pairs are like.

    Attributes:
        seed: Of everything drawn.
        height: Size of the images, px, a multiple of 8.
        width: px.
        rooms: Rooms of a chunk.
        pairs_per_room: Pairs taken from each.
        planes: Pairs of planes in a chunk.
        room: How views of rooms differ.
        plane: How views of planes differ.
        own_light: Share of pairs whose images were taken in different light.
        padded: Share of pairs with padding, as images of another shape than the engine's have.
    """

    seed: int = 1
    height: int = 192
    width: int = 256
    rooms: int = 8
    pairs_per_room: int = 3
    planes: int = 24
    room: RoomPairSettings = field(default_factory=RoomPairSettings)
    plane: HomographySettings = field(default_factory=HomographySettings)
    own_light: float = 0.4
    padded: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticPairs:
    """A stream of synthetic pairs.

    Attributes:
        settings: What they are like.
        photos: Folders with photographs.
    """

    settings: PairSettings
    photos: tuple[Path, ...] = ()

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[PairBatch]:
        """Return batch after batch, beginning with number ``first``."""
        photos = load_photos(self.photos)
        samples = _samples(self.settings, photos, first * batch_size, stream)
        while True:
            yield stack([next(samples) for _ in range(batch_size)])


def _samples(
    settings: PairSettings, photos: Sequence[np.ndarray], skip: int, stream: int
) -> Iterator[PairBatch]:
    chunks = Chunks(
        seed=settings.seed,
        samples=settings.rooms * settings.pairs_per_room + settings.planes,
        chunks_per_pool=CHUNKS_PER_POOL,
        draw_pool=lambda rng: room_textures(rng, photos, settings.room.rooms.textures),
        draw_items=lambda rng, pool: _draw_kinds(rng, settings, pool),
    )
    for rng, views in chunks.from_sample(skip, stream=stream):
        yield _draw_pair(rng, settings, views, photos)


def _draw_kinds(
    rng: Rng, settings: PairSettings, pool: Levels
) -> list[Sequence[MeasuredView] | None]:
    """Return what each pair of a chunk is of: None for a plane, views of a room."""
    size = {'height': settings.height, 'width': settings.width}
    rooms = [draw_room_views(rng, settings.room, pool, **size) for _ in range(settings.rooms)]
    return [*[None] * settings.planes, *rooms * settings.pairs_per_room]


def _draw_pair(
    rng: Rng,
    settings: PairSettings,
    views: Sequence[MeasuredView] | None,
    photos: Sequence[np.ndarray],
) -> PairBatch:
    size = (settings.height, settings.width)
    if views is None:
        pair = draw_plane_pair(rng, settings.plane, photos, height=size[0], width=size[1])
        images, places = pair.images, pair.places
    else:
        first, second = (views[n] for n in rng.choice(len(views), 2, replace=False))
        images = (first.image, second.image)
        places = (
            by_depth(first, second, cell_px=CELL_PX, size=size),
            by_depth(second, first, cell_px=CELL_PX, size=size),
        )
    grey = photographed(rng, images, own_light=settings.own_light)
    valid = (_valid(rng, settings), _valid(rng, settings))
    return padded_pair(grey, places, valid=valid)


def draw_room_views(
    rng: Rng, settings: RoomPairSettings, pool: Levels, *, height: int, width: int
) -> list[MeasuredView]:
    """Draw a room and views of it with exact depth; images are (H, W, 3) float32, 0..255."""
    draw_k = partial(draw_intrinsics, height=height, width=width)
    place = draw_place(rng, settings.rooms, draw_k, (height, width))
    k, start = place.k, place.start
    others = views_around(
        rng,
        place.room,
        start,
        k,
        sources=settings.views - 1,
        height=height,
        width=width,
        parallax=settings.parallax,
        min_overlap=settings.min_overlap,
    )
    views = []
    for pose in (start.camera_from_world, *others):
        pose = moved(pose, roll=(0.0, 0.0, float(rng.normal(0.0, settings.roll_rad))))
        own = k * np.array((*[float(np.exp(rng.normal(0.0, settings.zoom)))] * 2, 1.0))[:, None]
        own[:2, 2] = k[:2, 2]
        seen = render_view(place.room, own, pose, height=height, width=width, pool=pool)
        view = MeasuredView(
            image=seen.image, depth=seen.depth, k=own, world_from_camera=inverse(pose)
        )
        views.append(view)
    return views


def photographed(
    rng: Rng, images: Sequence[np.ndarray], *, own_light: float
) -> tuple[np.ndarray, np.ndarray]:
    """Turn two clean views into grey camera images, (H, W) uint8.

    Args:
        rng: Where draws come from.
        images: (H, W, 3) float32 RGB, 0..255.
        own_light: Chance that they are taken in different light.
    """
    if rng.random() < own_light:
        shots = [shoot_views(rng, [image])[0] for image in images]
    else:
        shots = shoot_views(rng, images)
    first, second = (cv2.cvtColor(shot, cv2.COLOR_RGB2GRAY) for shot in shots)
    return first, second


def _valid(rng: Rng, settings: PairSettings) -> tuple[int, int]:
    """Choose how much of an image is no padding: fewer rows or fewer columns."""
    size = [settings.height // CELL_PX, settings.width // CELL_PX]
    if rng.random() < settings.padded:
        axis = int(rng.integers(2))
        size[axis] -= int(rng.integers(1, max(2, size[axis] // 3)))
    return size[0] * CELL_PX, size[1] * CELL_PX
