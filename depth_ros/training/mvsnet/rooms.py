"""Training views of drawn rooms: endless and reproducible.

Sample n of a stream depends on the seed and n only. A chunk of scenes is drawn, each several views
with depth, then every scene is used ``reuse`` times, each time with another view as reference,
other sources, another crop, mirrored or not, with other cameras and another range of depths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.models.mvsnet.projection import STRIDE
from depth_ros.scenes.chunks import Chunks
from depth_ros.scenes.layered.photometric import shoot_views
from depth_ros.scenes.rooms.draw import RoomSettings, draw_room
from depth_ros.scenes.rooms.paths import draw_intrinsics, draw_viewpoint, views_around
from depth_ros.scenes.rooms.render import Levels, RoomView, render_view, room_textures
from depth_ros.scenes.stacked import stack
from depth_ros.training.mvsnet.batch import (
    MvsBatch,
    PosedImage,
    RangeSettings,
    draw_hypotheses,
    make_sample,
)
from depth_ros.training.photos import load_photos
from depth_ros.training.task import DataFolders

Rng = np.random.Generator

CHUNKS_PER_POOL = 16
VALIDATION_SEED = 20_261_122
VALIDATION_BATCH = 4
_MIRROR = np.diag((-1.0, 1.0, 1.0, 1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomViews:
    """What the samples are like.

    Attributes:
        seed: Of everything drawn.
        room: What rooms are like.
        scene_height: Rows of the rendered views, px.
        scene_width: Columns.
        height: Rows of the samples cut out of them, a multiple of 32.
        width: Columns, as ``height``.
        focal: Shortest and longest focal length, in widths of the rendered views.
        parallax: Shortest and longest baseline, as a share of the reference's median depth.
        views: Views rendered of a scene.
        sources: Numbers of sources, one of which a batch has.
        source_chances: How often each is drawn.
        depths: Numbers of hypotheses, one of which a batch has; multiples of 8.
        ranges: How the range of the hypotheses is drawn.
        chunk: Scenes drawn at a time.
        scenes_per_room: Scenes, one after the other, that share a room.
        reuse: Times each scene is used.
        burnt: Share of samples exposed too long.
        alike: Share of samples whose cameras have the same exposure.
    """

    seed: int = 1
    room: RoomSettings = field(default_factory=RoomSettings)
    scene_height: int = 112
    scene_width: int = 144
    height: int = 96
    width: int = 128
    focal: tuple[float, float] = (0.6, 1.25)
    parallax: tuple[float, float] = (0.04, 0.25)
    views: int = 4
    sources: tuple[int, ...] = (1, 2, 3)
    source_chances: tuple[float, ...] = (0.15, 0.6, 0.25)
    depths: tuple[int, ...] = (24, 32, 48)
    ranges: RangeSettings = field(default_factory=RangeSettings)
    chunk: int = 24
    scenes_per_room: int = 3
    reuse: int = 4
    burnt: float = 0.08
    alike: float = 0.5

    def source(self, folders: DataFolders) -> RoomViewSource:
        """Return the training batches."""
        return RoomViewSource(settings=self, photos=folders.photos)

    def validation(self, folders: DataFolders, count: int) -> Sequence[MvsBatch]:
        """Return fixed samples, each of another scene, with two sources and 32 hypotheses."""
        return _validation_set(self, folders.photos, count)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomViewSource:
    """The stream of batches.

    Attributes:
        settings: What they are like.
        photos: Folders with photographs for the textures.
    """

    settings: RoomViews
    photos: tuple[Path, ...]

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[MvsBatch]:
        """Return batch after batch, beginning with number ``first``."""
        settings, number = self.settings, first
        scenes = _scenes(settings, load_photos(self.photos), first * batch_size, stream)
        while True:
            rng = np.random.default_rng((settings.seed, stream, 4, number))
            sources = int(rng.choice(settings.sources, p=settings.source_chances))
            depths = int(rng.choice(settings.depths))
            yield stack(
                [
                    take_sample(own, settings, scene, sources=sources, depths=depths)
                    for own, scene in islice(scenes, batch_size)
                ]
            )
            number += 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RoomScene:
    """Clean views of one place.

    Attributes:
        k: (3, 3) intrinsics of all.
        poses: ``camera_from_world`` of each, (4, 4) float64.
        views: Image and depth of each.
    """

    k: np.ndarray
    poses: list[np.ndarray]
    views: list[RoomView]


@lru_cache(maxsize=2)
def _validation_set(
    settings: RoomViews, photos: tuple[Path, ...], count: int
) -> Sequence[MvsBatch]:
    own = replace(
        settings,
        seed=VALIDATION_SEED,
        reuse=1,
        scenes_per_room=1,
        chunk=VALIDATION_BATCH,
        sources=(2,),
        source_chances=(1.0,),
        depths=(32,),
    )
    stream = RoomViewSource(settings=own, photos=photos).batches(batch_size=VALIDATION_BATCH)
    return list(islice(stream, max(1, count // VALIDATION_BATCH)))


def _scenes(
    settings: RoomViews, photos: Sequence[np.ndarray], skip: int, stream: int
) -> Iterator[tuple[Rng, RoomScene]]:
    """Return a scene and a generator for each sample from number ``skip`` on."""
    chunks = Chunks(
        seed=settings.seed,
        samples=settings.chunk * settings.reuse,
        chunks_per_pool=CHUNKS_PER_POOL,
        draw_pool=lambda rng: room_textures(rng, photos, settings.room.textures),
        draw_items=lambda rng, pool: _draw_chunk(rng, settings, pool),
    )
    return chunks.from_sample(skip, stream=stream)


def _draw_chunk(rng: Rng, settings: RoomViews, pool: Levels) -> list[RoomScene]:
    scenes: list[RoomScene] = []
    while len(scenes) < settings.chunk:
        left = settings.chunk - len(scenes)
        scenes += _draw_scenes(rng, settings, pool, min(left, settings.scenes_per_room))
    return scenes


def _draw_scenes(rng: Rng, settings: RoomViews, pool: Levels, count: int) -> list[RoomScene]:
    """Draw views of several places of one room; none where the room is too full."""
    room = draw_room(rng, settings.room)
    scenes: list[RoomScene] = []
    size = {'height': settings.scene_height, 'width': settings.scene_width}
    for _ in range(count):
        k = draw_intrinsics(rng, **size, focal=settings.focal)
        try:
            start = draw_viewpoint(rng, room, k, **size)
        except ParameterError:
            return scenes
        others = views_around(
            rng, room, start, k, **size, sources=settings.views - 1, parallax=settings.parallax
        )
        poses = [start.camera_from_world, *others]
        views = [render_view(room, k, pose, **size, pool=pool) for pose in poses]
        scenes.append(RoomScene(k=k, poses=poses, views=views))
    return scenes


def take_sample(
    rng: Rng, settings: RoomViews, scene: RoomScene, *, sources: int, depths: int
) -> MvsBatch:
    """Cut one sample out of a scene, mirrored at random, and shoot it."""
    chosen = rng.permutation(len(scene.views))[: 1 + sources]
    y = int(rng.integers(settings.scene_height - settings.height + 1))
    x = int(rng.integers(settings.scene_width - settings.width + 1))
    window = (slice(y, y + settings.height), slice(x, x + settings.width))
    clean = [scene.views[index].image[window] for index in chosen]
    depth = scene.views[chosen[0]].depth[window]
    poses = [scene.poses[index] for index in chosen]
    k = scene.k - np.array([[0.0, 0.0, x], [0.0, 0.0, y], [0.0, 0.0, 0.0]])
    if rng.random() < 0.5:
        # A mirrored world: rotations stay rotations, and the principal point moves.
        clean, depth = [image[:, ::-1] for image in clean], depth[:, ::-1]
        poses = [_MIRROR @ pose @ _MIRROR for pose in poses]
        k[0, 2] = settings.width - 1.0 - k[0, 2]
    truth = depth[::STRIDE, ::STRIDE]
    shots = shoot_views(rng, clean, burnt=settings.burnt, alike=settings.alike)
    views = [
        PosedImage(image=image, k=k, camera_from_world=pose)
        for image, pose in zip(shots, poses, strict=True)
    ]
    return make_sample(views, truth, *draw_hypotheses(rng, truth, depths, settings.ranges))
