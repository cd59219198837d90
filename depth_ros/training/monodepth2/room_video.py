"""Video of rendered rooms: samples with exact depth, to learn from without it and be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from depth_ros.scenes.chunks import Chunks
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.scenes.rooms.paths import draw_intrinsics, video_path
from depth_ros.scenes.rooms.places import draw_place
from depth_ros.scenes.rooms.render import Levels, render_view, room_textures
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.triples import (
    NUM_FRAMES,
    Augmentation,
    Triple,
    TripleBatch,
    augmented,
)
from depth_ros.training.photos import load_photos

CHUNKS_PER_POOL = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSettings:
    """How rooms are filmed.

    Attributes:
        rooms: What they are like.
        focal: Focal length in image widths. One for all: depth of one image is only known up to
            it.
        frames: Images per clip.
        step_m: Mean way of the camera between two images.
        turn_rad: Standard deviation of its turn.
        chunk: Clips drawn at a time.
        reuse: Times each sample is used, shaken and flipped anew.
    """

    rooms: RoomSettings = field(default_factory=lambda: RoomSettings(bare=0.05, min_contrast=0.5))
    focal: float = 0.8
    frames: int = 8
    step_m: float = 0.05
    turn_rad: float = 0.02
    chunk: int = 12
    reuse: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomVideoSource:
    """Endless clips of rooms.

    Attributes:
        clips: What they are like.
        height: Rows.
        width: Columns.
        seed: Of everything drawn.
        photos: Folders with photographs for the textures.
        augmentation: What is changed at random.
    """

    clips: ClipSettings
    height: int
    width: int
    seed: int
    photos: tuple[Path, ...] = ()
    augmentation: Augmentation = Augmentation()

    def batches(
        self, *, batch_size: int, first: int = 0, stream: int = 0
    ) -> Iterator[TripleBatch]:
        """Return batch after batch, beginning with number ``first`` of the stream."""
        drawn = self._chunks().from_sample(first * batch_size, stream=stream)
        samples = (augmented(rng, triple, self.augmentation) for rng, triple in drawn)
        while True:
            yield stack([next(samples) for _ in range(batch_size)])

    def _chunks(self) -> Chunks[Levels, Triple]:
        clips, photos = self.clips, load_photos(self.photos)
        return Chunks(
            seed=self.seed,
            samples=clips.chunk * (clips.frames - NUM_FRAMES + 1) * clips.reuse,
            chunks_per_pool=CHUNKS_PER_POOL,
            draw_pool=lambda rng: room_textures(rng, photos, clips.rooms.textures),
            draw_items=self._draw,
        )

    def _draw(self, rng: np.random.Generator, pool: Levels) -> list[Triple]:
        size = (self.height, self.width)
        drawn = [draw_clip(rng, self.clips, size, pool) for _ in range(self.clips.chunk)]
        return [triple for clip in drawn for triple in clip]


def draw_clip(
    rng: np.random.Generator, settings: ClipSettings, size: tuple[int, int], pool: Levels
) -> list[Triple]:
    """Film a new room; return ``frames`` - 2 samples in order of time."""
    height, width = size
    focal = (settings.focal, settings.focal)
    draw_k = partial(draw_intrinsics, height=height, width=width, focal=focal)
    place = draw_place(rng, settings.rooms, draw_k, size)
    room, k = place.room, place.k
    path = video_path(
        rng,
        room,
        place.start.camera_from_world,
        frames=settings.frames,
        step_m=settings.step_m,
        turn_rad=settings.turn_rad,
    )
    views = [render_view(room, k, pose, height=height, width=width, pool=pool) for pose in path]
    images = filmed(rng, [view.image for view in views])
    return [
        Triple(
            views=np.stack((images[index], images[index - 1], images[index + 1])),
            intrinsics=k,
            depth=views[index].depth,
        )
        for index in range(1, len(images) - 1)
    ]


def filmed(rng: np.random.Generator, views: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Turn clean views into what one camera records, (H, W, 3) uint8.

    Exposure and tint are one for the whole clip, since a point that changes its colour from frame
    to frame cannot be followed; the noise is each frame's own.
    """
    tint = rng.uniform(0.95, 1.05, 3) * np.exp(rng.uniform(np.log(0.6), np.log(1.2)))
    deviation = np.float32(rng.uniform(0.3, 3.0))
    noise = (deviation * rng.standard_normal(view.shape, dtype=np.float32) for view in views)
    shots = [view * tint + own + 0.5 for view, own in zip(views, noise, strict=True)]
    return [np.clip(shot, 0.0, 255.0).astype(np.uint8) for shot in shots]
