"""Rendered pairs of rooms with exact disparity, all taken by one rig, so that one image tells it.

Layered scenes (``scenes/layered``) would not do: in them a thing's disparity follows from
nothing that a single image shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.scenes.chunks import Chunks
from depth_ros.scenes.layered.photometric import shoot_views
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.scenes.rooms.paths import stereo_pair
from depth_ros.scenes.rooms.places import draw_place
from depth_ros.scenes.rooms.render import Levels, render_view, room_textures
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.crestereo_set import TruePair
from depth_ros.training.photos import load_photos
from depth_ros.training.tio_depth.pairs import Changes, StereoPairBatch, changed

SAMPLES_PER_POOL = 1024


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
        photos, pairs = load_photos(self.photos), self.pairs
        chunks = Chunks(
            seed=pairs.seed,
            samples=1,
            chunks_per_pool=SAMPLES_PER_POOL,
            draw_pool=lambda rng: room_textures(rng, photos, pairs.rooms.textures),
            draw_items=lambda rng, pool: [draw_pair(rng, pairs, pool)],
        )
        drawn = chunks.from_sample(first * batch_size, stream=stream)
        samples = (changed(rng, pair, pairs.changes) for rng, pair in drawn)
        while True:
            yield stack([next(samples) for _ in range(batch_size)])


def draw_pair(rng: np.random.Generator, settings: StereoRoomSettings, pool: Levels) -> TruePair:
    """Draw a room and a rig in it, and shoot both views, with the disparity of each."""
    k, size = settings.intrinsics, (settings.height, settings.width)
    place = draw_place(rng, settings.rooms, lambda _: k, size, near_m=settings.near_m)
    left = place.start.camera_from_world
    poses = (left, stereo_pair(left, settings.baseline_m))
    views = [
        render_view(place.room, k, pose, height=size[0], width=size[1], pool=pool)
        for pose in poses
    ]
    images = [view.image for view in views]
    shots = shoot_views(rng, images, burnt=settings.burnt, alike=settings.alike)
    strength = np.float32(k[0, 0] * settings.baseline_m)
    return TruePair(
        left=shots[0],
        right=shots[1],
        disparity=strength / views[0].depth,
        right_disparity=strength / views[1].depth,
    )
