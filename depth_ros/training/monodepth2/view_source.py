"""Batches of single images with exact inverse depth: cut, stretched, mirrored and shot at random.

Each batch has one size, sizes change from batch to batch. Batch n of a stream depends on the seed
and n only: chunks are read in groups, the views of a group in random order; the first pass takes
groups in their order, so that they can be rendered ahead, later ones in another order each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from depth_ros.scenes.stacked import stack
from depth_ros.training.monodepth2.rendered_views import RenderSettings, ViewChunk, ViewStore
from depth_ros.training.task import DataFolders

Rng = np.random.Generator
Size = tuple[int, int]

VALIDATION_SEED = 20_261_130


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewBatch:
    """Images with truth.

    Attributes:
        images: ``(B, H, W, 3)`` uint8 RGB.
        inverse_depth: ``(B, H, W)`` float32, 1 / m, positive everywhere.
    """

    images: np.ndarray
    inverse_depth: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedViews:
    """What the samples are like.

    Attributes:
        render: The views they are cut from.
        chunks: How many chunks there are; all are used before one is used again.
        group: Chunks whose views are mixed.
        sizes: Height and width of batches, multiples of 32.
        chances: How often each is drawn.
        zoom: Least share of the rows that a cut takes.
        stretch: Largest change of the aspect, as a natural logarithm.
        gain: Least and largest exposure.
        tint: Standard deviation of the colours' own exposures.
        grey: Share of samples without colour.
        noise: Largest standard deviation of the noise, grey levels.
        seed: Of order and changes.
    """

    render: RenderSettings = field(default_factory=RenderSettings)
    chunks: int = 408
    group: int = 6
    sizes: tuple[Size, ...] = ((96, 128), (96, 160), (64, 96))
    chances: tuple[float, ...] = (0.4, 0.1, 0.5)
    zoom: float = 0.7
    stretch: float = 0.15
    gain: tuple[float, float] = (0.75, 1.4)
    tint: float = 0.05
    grey: float = 0.1
    noise: float = 2.5
    seed: int = 1

    def source(self, folders: DataFolders) -> RenderedViewSource:
        """Return the training batches; the first folder of ``data`` keeps the renders."""
        return RenderedViewSource(settings=self, store=self._store(folders))

    def held_out(self, folders: DataFolders, size: Size, samples: int) -> list[ViewBatch]:
        """Return samples of rooms of a seed that is never trained on, one view a room."""
        render = replace(self.render, seed=VALIDATION_SEED, views_per_room=1)
        own = replace(self, render=render, sizes=(size,), chances=(1.0,))
        return _held_out(own, folders.photos, samples)

    def _store(self, folders: DataFolders) -> ViewStore:
        folder = folders.data[0] if folders.data else None
        return ViewStore(settings=self.render, photos=folders.photos, folder=folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedViewSource:
    """The stream of batches.

    Attributes:
        settings: What they are like.
        store: Where the views are.
    """

    settings: RenderedViews
    store: ViewStore

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[ViewBatch]:
        """Return batch after batch, beginning with number ``first`` of the stream."""
        settings, number = self.settings, first
        per_group = settings.group * settings.render.chunk // batch_size
        loaded, views = -1, ViewChunk(images=np.empty(0), inverse_depth=np.empty(0))
        while True:
            group, inside = divmod(number, per_group)
            if group != loaded:
                loaded, views = group, self._group(group, stream)
            order = np.random.default_rng((settings.seed, stream, 1, group))
            mixed = order.permutation(len(views.images))
            chosen = mixed[inside * batch_size : (inside + 1) * batch_size]
            yield self._batch(
                np.random.default_rng((settings.seed, stream, 2, number)), views, chosen
            )
            number += 1

    def _group(self, group: int, stream: int) -> ViewChunk:
        settings = self.settings
        count = max(1, settings.chunks // settings.group)
        epoch, place = divmod(group, count)
        rng = np.random.default_rng((settings.seed, stream, 3, epoch))
        number = int(rng.permutation(count)[place]) if epoch else place
        first = number * settings.group
        found = [self.store.chunk(first + index) for index in range(settings.group)]
        return ViewChunk(
            images=np.concatenate([chunk.images for chunk in found]),
            inverse_depth=np.concatenate([chunk.inverse_depth for chunk in found]),
        )

    def _batch(self, rng: Rng, views: ViewChunk, chosen: np.ndarray) -> ViewBatch:
        settings = self.settings
        size = settings.sizes[int(rng.choice(len(settings.sizes), p=settings.chances))]
        return stack(
            [
                take_sample(rng, settings, views.images[index], views.inverse_depth[index], size)
                for index in chosen
            ]
        )


def take_sample(
    rng: Rng, settings: RenderedViews, image: np.ndarray, inverse_depth: np.ndarray, size: Size
) -> ViewBatch:
    """Cut a window out of a view, bring it to ``size``, mirror and shoot it; no batch axis."""
    rows, columns = _window(rng, settings, (image.shape[0], image.shape[1]), size)
    if rng.random() < 0.5:
        columns = slice(columns.stop - 1, columns.start - 1 if columns.start else None, -1)
    return _shot(rng, settings, image[rows, columns], inverse_depth[rows, columns], size)


def _shot(
    rng: Rng, settings: RenderedViews, image: np.ndarray, inverse_depth: np.ndarray, size: Size
) -> ViewBatch:
    clean = cv2.resize(
        np.ascontiguousarray(image), (size[1], size[0]), interpolation=cv2.INTER_AREA
    ).astype(np.float32)
    return ViewBatch(
        images=_exposed(rng, settings, clean), inverse_depth=_nearest(inverse_depth, size)
    )


def _exposed(rng: Rng, settings: RenderedViews, clean: np.ndarray) -> np.ndarray:
    """Return what a camera records of clean colours, ``(H, W, 3)`` uint8."""
    gain = np.exp(rng.uniform(*np.log(settings.gain))) * (1.0 + rng.normal(0.0, settings.tint, 3))
    if rng.random() < settings.grey:
        clean, gain = clean.mean(-1, keepdims=True).repeat(3, -1), gain.mean()
    noise = rng.uniform(0.0, settings.noise) * rng.standard_normal(clean.shape, dtype=np.float32)
    return np.clip(clean * gain + noise + 0.5, 0.0, 255.0).astype(np.uint8)


def _nearest(values: np.ndarray, size: Size) -> np.ndarray:
    """Look up the pixel at each pixel's centre: no depth between two surfaces arises."""
    rows, columns = (
        ((np.arange(count) + 0.5) * length / count).astype(int)
        for count, length in zip(size, values.shape, strict=True)
    )
    return values[rows[:, None], columns[None]].astype(np.float32)


def _window(rng: Rng, settings: RenderedViews, shape: Size, size: Size) -> tuple[slice, slice]:
    """Draw the rows and columns of a cut, about as wide for its height as ``size``."""
    aspect = size[1] / size[0] * float(np.exp(rng.uniform(-settings.stretch, settings.stretch)))
    largest = min(float(shape[0]), shape[1] / aspect)
    height = largest * float(rng.uniform(settings.zoom, 1.0))
    cut = (max(1, round(height)), max(1, min(shape[1], round(height * aspect))))
    y, x = (int(rng.integers(whole - part + 1)) for whole, part in zip(shape, cut, strict=True))
    return slice(y, y + cut[0]), slice(x, x + cut[1])


@lru_cache(maxsize=2)
def _held_out(settings: RenderedViews, photos: tuple[Path, ...], samples: int) -> list[ViewBatch]:
    """Return whole views, cut to the aspect of the size, shot but not zoomed or mirrored."""
    store = ViewStore(settings=settings.render, photos=photos)
    plain = replace(settings, zoom=1.0, stretch=0.0)
    found: list[ViewBatch] = []
    for number in range(-(-samples // settings.render.chunk)):
        chunk = store.chunk(number)
        for index, image in enumerate(chunk.images[: samples - len(found)]):
            rng = np.random.default_rng((settings.seed, number, index))
            size = settings.sizes[0]
            rows, columns = _window(rng, plain, (image.shape[0], image.shape[1]), size)
            cut = chunk.inverse_depth[index][rows, columns]
            found.append(stack([_shot(rng, plain, image[rows, columns], cut, size)]))
    return found
