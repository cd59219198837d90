"""Views of rendered rooms with exact depth, drawn once, kept on disk, read many times.

Chunk n depends on the seed and n only, so it does not matter who drew it: the training itself, or
another process ahead of it (``fill``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.files.whole_file import whole_file
from depth_ros.scenes.rooms.draw import RoomSettings
from depth_ros.scenes.rooms.paths import draw_intrinsics, draw_viewpoint
from depth_ros.scenes.rooms.places import draw_place
from depth_ros.scenes.rooms.render import Levels, render_view, room_textures
from depth_ros.training.photos import load_photos

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderSettings:
    """What is rendered.

    Attributes:
        seed: Of everything drawn.
        room: What rooms are like.
        height: Rows of the views.
        width: Columns.
        focal: Shortest and longest focal length, in widths of the views.
        near_m: Most of each view is farther away than this.
        chunk: Views of a chunk, which share a pool of textures.
        views_per_room: Cameras in each room.
    """

    seed: int = 41
    room: RoomSettings = field(
        # Textures cost as much as views, and each chunk draws its own.
        default_factory=lambda: RoomSettings(
            textures=48, bare=0.5, min_contrast=0.15, floating=1.0
        )
    )
    height: int = 128
    width: int = 176
    focal: tuple[float, float] = (0.55, 1.0)
    near_m: float = 0.4
    chunk: int = 64
    views_per_room: int = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewChunk:
    """Views of a few rooms.

    Attributes:
        images: ``(N, H, W, 3)`` uint8 RGB, as rendered: no noise, no exposure.
        inverse_depth: ``(N, H, W)`` float16, 1 / m.
    """

    images: np.ndarray
    inverse_depth: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewStore:
    """Chunks by number.

    Attributes:
        settings: What is rendered.
        photos: Folders with photographs for the textures.
        folder: Where chunks are kept; None keeps none and renders each time.
    """

    settings: RenderSettings
    photos: tuple[Path, ...] = ()
    folder: Path | None = None

    def chunk(self, number: int) -> ViewChunk:
        """Read a chunk, or render it and keep it.

        Raises:
            DepthRosError: If it cannot be written.
        """
        if self.folder is None:
            return render_chunk(self.settings, self.photos, number)
        path = self.folder / f'views-{self.settings.seed}-{number:05d}.npz'
        if path.is_file():
            with np.load(path) as kept:
                return ViewChunk(images=kept['images'], inverse_depth=kept['inverse_depth'])
        found = render_chunk(self.settings, self.photos, number)
        with whole_file(path) as draft:
            np.savez(draft, images=found.images, inverse_depth=found.inverse_depth)
        return found

    def fill(self, numbers: Iterable[int]) -> None:
        """Render the chunks that are missing, ahead of a training that reads them."""
        for number in numbers:
            self.chunk(number)


def render_chunk(settings: RenderSettings, photos: tuple[Path, ...], number: int) -> ViewChunk:
    """Render chunk ``number``."""
    rng = np.random.default_rng((settings.seed, number))
    pool = room_textures(rng, load_photos(photos), settings.room.textures)
    images: list[np.ndarray] = []
    inverse: list[np.ndarray] = []
    while len(images) < settings.chunk:
        for image, depth in _views_of_a_room(rng, settings, pool):
            images.append(np.clip(image + 0.5, 0.0, 255.0).astype(np.uint8))
            inverse.append((1.0 / depth).astype(np.float16))
    count = settings.chunk
    return ViewChunk(images=np.stack(images[:count]), inverse_depth=np.stack(inverse[:count]))


def _views_of_a_room(
    rng: Rng, settings: RenderSettings, pool: Levels
) -> list[tuple[np.ndarray, np.ndarray]]:
    size = {'height': settings.height, 'width': settings.width}
    shape = (settings.height, settings.width)
    draw_k = partial(draw_intrinsics, height=shape[0], width=shape[1], focal=settings.focal)
    place = draw_place(rng, settings.room, draw_k, shape, near_m=settings.near_m)
    views = []
    start = place.start
    while True:
        view = render_view(place.room, place.k, start.camera_from_world, **size, pool=pool)
        views.append((view.image, view.depth))
        if len(views) == settings.views_per_room:
            return views
        try:
            start = draw_viewpoint(rng, place.room, place.k, **size, near_m=settings.near_m)
        except ParameterError:  # a full room may have had one free place only
            return views
