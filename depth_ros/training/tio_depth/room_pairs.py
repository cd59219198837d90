"""Rendered pairs of rooms with exact disparity, all taken by one rig, so that one image tells it.

Layered scenes (``training/samples.py``) would not do: in them a thing's disparity follows from
nothing that a single image shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.scenes.layered.photometric import shoot_views
from depth_ros.scenes.rooms.draw import RoomSettings, draw_room
from depth_ros.scenes.rooms.paths import draw_viewpoint, stereo_pair
from depth_ros.scenes.rooms.render import Levels, render_view, room_textures
from depth_ros.scenes.rooms.solids import Room
from depth_ros.training.datasets.crestereo_set import TruePair
from depth_ros.training.photos import load_photos
from depth_ros.training.tio_depth.pairs import Changes, StereoPairBatch, changed, stack

SAMPLES_PER_POOL = 1024
_TRIES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class StereoRoomSettings:
    """What the rendered pairs are like.

    Attributes:
        seed: Of everything drawn.
        height: px.
        width: px.
        focal_over_width: Focal length in image widths; that of KITTI's rig.
        baseline_m: Between the cameras.
        near_m: Most of a view is farther away than this.
        burnt: Share of pairs exposed too long.
        alike: Share of pairs whose cameras have one gain; self-supervision compares colours.
        rooms: What the rooms are like.
        changes: What is changed at random.
    """

    seed: int = 1
    height: int = 192
    width: int = 640
    focal_over_width: float = 0.58
    baseline_m: float = 0.15
    near_m: float = 0.5
    burnt: float = 0.05
    alike: float = 0.9
    rooms: RoomSettings = RoomSettings()
    changes: Changes = Changes()

    @property
    def intrinsics(self) -> np.ndarray:
        """(3, 3) float64; pixel centres are at integers."""
        focal = self.focal_over_width * self.width
        x, y = (self.width - 1) / 2.0, (self.height - 1) / 2.0
        return np.array([[focal, 0.0, x], [0.0, focal, y], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomSource:
    """Endless pairs: sample n of a stream depends on the seed, the stream and n only.

    Attributes:
        pairs: What they are like.
        photos: Folders with photographs for the textures.
    """

    pairs: StereoRoomSettings
    photos: tuple[Path, ...]

    def batches(
        self, *, batch_size: int, first: int = 0, stream: int = 0
    ) -> Iterator[StereoPairBatch]:
        """Return batch after batch, beginning with number ``first``."""
        photos = load_photos(self.photos)
        number, pool, pool_number = first * batch_size, (), -1
        while True:
            if number // SAMPLES_PER_POOL != pool_number:
                pool_number = number // SAMPLES_PER_POOL
                pool = self._pool(photos, stream, pool_number)
            numbers = range(number, number + batch_size)
            yield stack([self._sample(pool, stream, own) for own in numbers])
            number += batch_size

    def _pool(self, photos: Sequence[np.ndarray], stream: int, number: int) -> Levels:
        rng = np.random.default_rng((self.pairs.seed, stream, number, 1))
        return room_textures(rng, photos, self.pairs.rooms.textures)

    def _sample(self, pool: Levels, stream: int, number: int) -> StereoPairBatch:
        rng = np.random.default_rng((self.pairs.seed, stream, number, 2))
        return changed(rng, draw_pair(rng, self.pairs, pool), self.pairs.changes)


def draw_pair(rng: np.random.Generator, settings: StereoRoomSettings, pool: Levels) -> TruePair:
    """Draw a room and a rig in it, and shoot both views, with the disparity of each."""
    room, left = _draw_place(rng, settings)
    size = {'height': settings.height, 'width': settings.width}
    poses = (left, stereo_pair(left, settings.baseline_m))
    views = [render_view(room, settings.intrinsics, pose, **size, pool=pool) for pose in poses]
    images = [view.image for view in views]
    shots = shoot_views(rng, images, burnt=settings.burnt, alike=settings.alike)
    strength = np.float32(settings.intrinsics[0, 0] * settings.baseline_m)
    return TruePair(
        left=shots[0],
        right=shots[1],
        disparity=strength / views[0].depth,
        right_disparity=strength / views[1].depth,
    )


def _draw_place(rng: np.random.Generator, settings: StereoRoomSettings) -> tuple[Room, np.ndarray]:
    """Draw rooms until one has a free viewpoint; nearly always the first."""
    size = {'height': settings.height, 'width': settings.width, 'near_m': settings.near_m}
    for _ in range(_TRIES):
        room = draw_room(rng, settings.rooms)
        try:
            place = draw_viewpoint(rng, room, settings.intrinsics, **size)
        except ParameterError:
            continue
        return room, place.camera_from_world
    raise ParameterError(
        f'found no free viewpoint in {_TRIES} rooms; use a lower RoomSettings.density or near_m'
    )
