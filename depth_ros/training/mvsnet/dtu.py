"""Training views of the DTU set, as the paper has them (Yao et al. 2018, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError, RecipeError
from depth_ros.models.mvsnet.projection import STRIDE
from depth_ros.models.mvsnet.slabs import Sampling, depth_hypotheses
from depth_ros.scenes.stacked import stack
from depth_ros.training.datasets.dtu import (
    EVALUATION_SCANS,
    NUM_LIGHTS,
    VALIDATION_SCANS,
    DtuSet,
    open_dtu,
)
from depth_ros.training.mvsnet.batch import MvsBatch, PosedImage, make_sample
from depth_ros.training.task import DataFolders

VALIDATION_LIGHT, VALIDATION_KEY = 3, 1_000_003


@dataclass(frozen=True, kw_only=True, slots=True)
class DtuViews:
    """What the samples are like.

    Attributes:
        seed: Of the order, the crops and the hypotheses.
        height: Rows of a crop, a multiple of 32; the images have 512.
        width: Columns, as ``height``; the images have 640.
        sources: Sources of a sample.
        best: They are drawn from this many of the best ones.
        depths: Hypotheses, a multiple of 8.
        range_scale: The camera files' range of depths is made longer by this factor.
        inverse: Share of samples whose hypotheses are even in inverse depth.
    """

    seed: int = 1
    height: int = 512
    width: int = 640
    sources: int = 2
    best: int = 4
    depths: int = 192
    range_scale: float = 1.06
    inverse: float = 0.0

    def source(self, folders: DataFolders) -> DtuSource:
        """Return samples of all scans but those kept for validation and tests."""
        data = open_dtu(folders.data)
        kept = VALIDATION_SCANS | EVALUATION_SCANS
        scans = tuple(scan for scan in data.scans if scan not in kept)
        if not scans or not VALIDATION_SCANS & set(data.scans):
            raise RecipeError(
                f'expected at least one scan to train on and one of {sorted(VALIDATION_SCANS)} to '
                f'validate with in {data.folder}, found {data.scans}; unpack more scans'
            )
        return DtuSource(settings=self, folder=data.folder, scans=scans)

    def validation(self, folders: DataFolders, count: int) -> Iterator[MvsBatch]:
        """Return views of all scans of the validation split in turn, with their best sources."""
        data = open_dtu(folders.data)
        scans = [scan for scan in data.scans if scan in VALIDATION_SCANS]
        own = replace(self, best=self.sources)
        for index in range(count):
            rng = np.random.default_rng((self.seed, VALIDATION_KEY, index))
            scan = scans[index % len(scans)]
            yield stack([_drawn(rng, own, data, (scan,), light=VALIDATION_LIGHT)])


@dataclass(frozen=True, kw_only=True, slots=True)
class DtuSource:
    """The stream of batches.

    Attributes:
        settings: What they are like.
        folder: Of the data set.
        scans: Those trained on.
    """

    settings: DtuViews
    folder: Path
    scans: tuple[int, ...]

    def batches(self, *, batch_size: int, first: int = 0, stream: int = 0) -> Iterator[MvsBatch]:
        """Return batch after batch, beginning with number ``first``."""
        data, number = open_dtu((self.folder,)), first * batch_size
        while True:
            keys = [(self.settings.seed, stream, number + more) for more in range(batch_size)]
            rngs = [np.random.default_rng(key) for key in keys]
            yield stack([_drawn(rng, self.settings, data, self.scans) for rng in rngs])
            number += batch_size


def _drawn(
    rng: np.random.Generator,
    settings: DtuViews,
    data: DtuSet,
    scans: Sequence[int],
    light: int | None = None,
) -> MvsBatch:
    """Draw scan, view, light and sources, and cut all views alike."""
    scan = int(rng.choice(scans))
    reference = int(rng.choice(sorted(data.pairs)))
    sources = rng.permutation(data.pairs[reference][: settings.best])[: settings.sources]
    shown = int(rng.integers(NUM_LIGHTS)) if light is None else light
    views = [int(view) for view in (reference, *sources)]
    images = [data.image(scan, view, shown) for view in views]
    truth = data.depth(scan, reference)
    corner = _corner(rng, settings, images, truth)
    posed = [
        _cut(image, data, view, corner, settings)
        for image, view in zip(images, views, strict=True)
    ]
    top, left = (start // STRIDE for start in corner)
    truth = truth[top : top + settings.height // STRIDE, left : left + settings.width // STRIDE]
    near, far = data.cameras[reference].depth_range_m
    far = near + settings.range_scale * (far - near)
    is_inverse = rng.random() < settings.inverse
    sampling = Sampling.INVERSE if is_inverse else Sampling.LINEAR
    depths = depth_hypotheses(near, far, settings.depths, sampling)
    return make_sample(posed, truth, depths, sampling)


def _corner(
    rng: np.random.Generator, settings: DtuViews, images: Sequence[np.ndarray], truth: np.ndarray
) -> tuple[int, int]:
    """Draw the top left pixel of the crop, on the grid of the depth map."""
    expected = (STRIDE * truth.shape[0], STRIDE * truth.shape[1], 3)
    if any(image.shape != expected for image in images):
        raise InputError(
            'size_mismatch',
            f'expected DTU images of {expected[1]}x{expected[0]}, got '
            f'{[image.shape for image in images]}; unpack Rectified of the training archive',
        )
    rest = (expected[0] - settings.height, expected[1] - settings.width)
    top, left = (STRIDE * int(rng.integers(size // STRIDE + 1)) for size in rest)
    return top, left


def _cut(
    image: np.ndarray, data: DtuSet, view: int, corner: tuple[int, int], settings: DtuViews
) -> PosedImage:
    top, left = corner
    camera = data.cameras[view]
    k = camera.k - np.array([[0.0, 0.0, left], [0.0, 0.0, top], [0.0, 0.0, 0.0]])
    window = image[top : top + settings.height, left : left + settings.width]
    return PosedImage(image=window, k=k, camera_from_world=camera.camera_from_world)
