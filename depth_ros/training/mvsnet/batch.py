"""What a training step of MVSNet takes: posed views, hypotheses, the depth of the first view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from depth_ros.models.mvsnet.projection import STRIDE, relative_projections
from depth_ros.models.mvsnet.slabs import Sampling, depth_hypotheses
from depth_ros.training.task import BatchSource, DataFolders

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MvsBatch:
    """Samples stacked.

    Attributes:
        images: (B, V, H, W, 3) uint8 RGB; view 0 is the reference.
        transforms: (B, V - 1, 3, 4) float32, source from reference pixels at 1/4; see
            ``models.mvsnet.projection``.
        depths: (B, D) float32 hypotheses, metres, ascending.
        is_inverse: (B,) bool: hypotheses are even in inverse depth, not in depth.
        truth: (B, H/4, W/4) float32, metres, NaN unknown: the depth at image pixel (4x, 4y), where
            the network's pixel (x, y) lies.
    """

    images: np.ndarray
    transforms: np.ndarray
    depths: np.ndarray
    is_inverse: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PosedImage:
    """One view of a sample.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        k: (3, 3) float64 intrinsics of the image.
        camera_from_world: (4, 4) float64, metres.
    """

    image: np.ndarray
    k: np.ndarray
    camera_from_world: np.ndarray


class SourceViews(Protocol):
    """SourceViews to train and to validate with; a part of a task, and so of a recipe."""

    def source(self, folders: DataFolders) -> BatchSource:
        """Return the training batches.

        Raises:
            RecipeError: If a folder that is needed is absent or holds nothing usable.
        """
        ...

    def validation(self, folders: DataFolders, count: int) -> Iterable[MvsBatch]:
        """Return about ``count`` fixed samples that no training batch shares."""
        ...


def make_sample(
    views: Sequence[PosedImage], truth: np.ndarray, depths: np.ndarray, sampling: Sampling
) -> MvsBatch:
    """Join the parts of one sample, without batch axis.

    Args:
        views: The reference first; all images of one size.
        truth: (H/4, W/4) depth of the reference, metres, NaN unknown.
        depths: (D,) hypotheses.
        sampling: How they are spread.
    """
    projections = np.stack([_projection(view) for view in views])
    transforms = relative_projections(projections[0], projections[1:])
    return MvsBatch(
        images=np.stack([view.image for view in views]),
        transforms=transforms.astype(np.float32),
        depths=depths.astype(np.float32),
        is_inverse=np.array(sampling is Sampling.INVERSE),
        truth=np.ascontiguousarray(truth, np.float32),
    )


def _projection(view: PosedImage) -> np.ndarray:
    """Return the (4, 4) projection at 1/4, without a half-pixel shift as inference has it."""
    scale = np.diag((1.0 / STRIDE, 1.0 / STRIDE, 1.0))
    projection = view.camera_from_world.copy()
    projection[:3] = scale @ view.k @ view.camera_from_world[:3]
    return projection


@dataclass(frozen=True, kw_only=True, slots=True)
class RangeSettings:
    """How nearest and farthest hypothesis are drawn, as users give them: rarely exactly.

    Attributes:
        inverse: Share of samples whose hypotheses are even in inverse depth.
        closest: Smallest ratio of the nearest hypothesis to the nearest true depth.
        farthest: Largest ratio of the farthest hypothesis to the farthest true depth.
        cut: Share of samples whose range leaves out the nearest and farthest few pixels.
    """

    inverse: float = 0.5
    closest: float = 0.4
    farthest: float = 1.8
    cut: float = 0.25


def draw_hypotheses(
    rng: Rng, truth: np.ndarray, count: int, settings: RangeSettings
) -> tuple[np.ndarray, Sampling]:
    """Draw ``count`` depths about a depth map, metres, ascending, and say how they are spread."""
    share = rng.uniform(0.0, 0.06) if rng.random() < settings.cut else 0.0
    low, high = np.nanquantile(truth, (share, 1.0 - share))
    near = float(low * np.exp(rng.uniform(np.log(settings.closest), 0.0)))
    far = float(high * np.exp(rng.uniform(0.0, np.log(settings.farthest))))
    sampling = Sampling.INVERSE if rng.random() < settings.inverse else Sampling.LINEAR
    return depth_hypotheses(near, max(far, 1.05 * near), count, sampling), sampling
