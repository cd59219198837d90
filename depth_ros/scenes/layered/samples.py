"""Endless, reproducible training batches: scenes drawn in chunks, each used several times.

Sample n of a stream depends on the seed and n only, so that a run resumed at step k sees what it
would have seen. A chunk of scenes is drawn, then used ``reuse`` times in shuffled order, each time
with another crop, mirrored or not, flipped or not, and with other cameras.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from depth_ros.scenes.chunks import Chunks
from depth_ros.scenes.layered.composition import SceneSize, draw_scene
from depth_ros.scenes.layered.photometric import NOISE, reflect, shoot
from depth_ros.scenes.layered.render import LayeredView, RowShift, render
from depth_ros.scenes.layered.textures import texture_pool
from depth_ros.scenes.stacked import stack

CHUNKS_PER_POOL = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleSettings:
    """What the samples are like.

    Attributes:
        seed: Of everything drawn.
        scene_height: Size of the drawn scenes, px.
        scene_width: px.
        height: Size of the samples cut out of them, px.
        width: px.
        max_disparity: Largest disparity drawn, px.
        chunk: Scenes drawn at a time.
        reuse: Times each is used.
        textures: Size of the texture pool.
        bare: Share of scenes whose walls are nearly without contrast.
        min_contrast: Weakest contrast of all other surfaces.
        crowding: Chances of few things, a normal room and a crowd.
        deep: Share of scenes that use the disparity range up.
        burnt: Share of pairs exposed too long.
        mirrored: Share of pairs with a reflection that has a disparity of its own.
        plain: Share of objects nearly without contrast, whatever is behind them.
        blades: Share of objects that are long and narrow.
        grainy: Share of textures with fine grain.
        texels: Fewest and most texels of a texture per px.
        noise: Least and largest standard deviation of a camera's noise, grey levels.
        row_shift: Standard deviation of the right camera's vertical shift, px, in half the scenes.
    """

    seed: int = 1
    scene_height: int = 160
    scene_width: int = 320
    height: int = 128
    width: int = 256
    max_disparity: float = 100.0
    chunk: int = 48
    reuse: int = 3
    textures: int = 160
    bare: float = 0.25
    min_contrast: float = 0.3
    crowding: tuple[float, float, float] = (0.15, 0.60, 0.25)
    deep: float = 0.0
    burnt: float = 0.2
    mirrored: float = 0.0
    plain: float = 0.0
    blades: float = 0.0
    grainy: float = 0.0
    texels: tuple[float, float] = (0.25, 1.4)
    noise: tuple[float, float] = NOISE
    row_shift: float = 0.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Samples stacked.

    Attributes:
        left: (B, H, W, 3) uint8 RGB.
        right: The same.
        disparity: (B, H, W) float32 px, of the left image.
        is_occluded: (B, H, W) bool: not visible in the right image.
        hint: (B, 2, H, W) float32, a disparity for the left image, px, below 0 where unknown,
            and the trust in it, 0..1; None where no network asks for it.
    """

    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray
    is_occluded: np.ndarray
    hint: np.ndarray | None = None


def batches(
    settings: SampleSettings,
    photos: Sequence[np.ndarray],
    *,
    batch_size: int,
    first: int = 0,
    stream: int = 0,
) -> Iterator[Batch]:
    """Return batch after batch, beginning with number ``first`` of the stream."""
    skip = first * batch_size
    samples = _samples(settings, photos, skip, stream)
    while True:
        yield stack([next(samples) for _ in range(batch_size)])


def _samples(
    settings: SampleSettings, photos: Sequence[np.ndarray], skip: int, stream: int
) -> Iterator[Batch]:
    chunks = Chunks(
        seed=settings.seed,
        samples=settings.chunk * settings.reuse,
        chunks_per_pool=CHUNKS_PER_POOL,
        draw_pool=lambda rng: texture_pool(rng, photos, settings.textures, grainy=settings.grainy),
        draw_items=lambda rng, pool: [
            _draw_views(rng, settings, pool) for _ in range(settings.chunk)
        ],
    )
    for rng, views in chunks.from_sample(skip, stream=stream):
        yield take_sample(rng, settings, *views)


def _draw_views(
    rng: np.random.Generator, settings: SampleSettings, pool: torch.Tensor
) -> tuple[LayeredView, LayeredView]:
    size = SceneSize(
        height=settings.scene_height,
        width=settings.scene_width,
        max_disparity=settings.max_disparity,
        textures=settings.textures,
        bare=settings.bare,
        min_contrast=settings.min_contrast,
        crowding=settings.crowding,
        deep=settings.deep,
        plain=settings.plain,
        blades=settings.blades,
        texels=settings.texels,
    )
    shift = RowShift()
    if rng.random() < 0.5:
        shift = RowShift(
            offset=float(rng.normal(0.0, settings.row_shift)),
            turn=float(rng.normal(0.0, settings.row_shift)) / settings.scene_width,
            stretch=float(rng.normal(0.0, settings.row_shift)) / settings.scene_height,
        )
    layers = draw_scene(rng, size)
    return render(layers, pool, height=size.height, width=size.width, row_shift=shift)


def take_sample(
    rng: np.random.Generator, settings: SampleSettings, left: LayeredView, right: LayeredView
) -> Batch:
    """Cut one sample out of a scene, mirrored or flipped at random, and shoot it.

    Mirroring swaps the cameras: the mirrored right view is the left view of a mirrored world.
    """
    if rng.random() < 0.5:
        left, right = _mirrored(right), _mirrored(left)
    y = int(rng.integers(settings.scene_height - settings.height + 1))
    x = int(rng.integers(settings.scene_width - settings.width + 1))
    rows = slice(y, y + settings.height)
    step = -1 if rng.random() < 0.3 else 1
    window = (rows, slice(x, x + settings.width))
    images = [view.image[window].numpy()[::step] for view in (left, right)]
    disparity = left.disparity[window].numpy()[::step]
    hidden = left.is_occluded[window].numpy()[::step]
    hidden = hidden | (np.arange(settings.width, dtype=np.float32) - disparity < 0.0)
    if settings.mirrored and rng.random() < settings.mirrored:
        images = list(reflect(rng, images[0], images[1], settings.max_disparity))
    shots = shoot(rng, images[0], images[1], burnt=settings.burnt, noise=settings.noise)
    return Batch(
        left=shots[0],
        right=shots[1],
        disparity=np.ascontiguousarray(disparity),
        is_occluded=hidden,
    )


def _mirrored(view: LayeredView) -> LayeredView:
    return LayeredView(
        image=view.image.flip(1),
        disparity=view.disparity.flip(1),
        is_occluded=view.is_occluded.flip(1),
    )
