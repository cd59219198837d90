"""Three consecutive frames of one camera: the samples of self-supervised training on video.

From Godard et al. 2019 (arXiv 1806.01260), section 3 and section 4 ("Implementation details"):
random flips, and colours shaken alike for all frames that the networks see, while the loss
compares the unshaken ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from depth_ros.scenes.stacked import stack
from depth_ros.training.colour_jitter import draw_jitter, shake_colours

NUM_FRAMES = 3
"""Target, the frame before it, the frame after it: in this order everywhere."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Triple:
    """One sample.

    Attributes:
        views: ``(N, H, W, 3)`` uint8 RGB: target, frame before, frame after and, where there is
            one, the image of a stereo partner taken together with the target.
        intrinsics: ``(3, 3)`` float64, px at H x W; pixel centres are at integers.
        partner_x_m: x of a point in the partner's axes minus its x in the target's, m: minus the
            baseline where the partner stands to the right. 0 without a partner.
        depth: ``(H, W)`` float32, m, of the target, where truth is known; else None.
    """

    views: np.ndarray
    intrinsics: np.ndarray
    partner_x_m: float = 0.0
    depth: np.ndarray | None = None

    def flipped(self) -> Triple:
        """Mirror left and right, camera included."""
        width = self.views.shape[2]
        intrinsics = self.intrinsics.copy()
        intrinsics[0, 2] = width - 1 - intrinsics[0, 2]
        return replace(
            self,
            views=self.views[:, :, ::-1],
            intrinsics=intrinsics,
            partner_x_m=-self.partner_x_m,
            depth=None if self.depth is None else self.depth[:, ::-1],
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TripleBatch:
    """Samples stacked.

    Attributes:
        views: ``(B, N, H, W, 3)`` uint8 RGB, as in ``Triple``: what the loss compares.
        seen: ``(B, 3, H, W, 3)`` uint8 RGB, colours shaken: what the networks see.
        intrinsics: ``(B, 3, 3)`` float32.
        partner_x_m: ``(B,)`` float32.
        depth: ``(B, H, W)`` float32 m, or None.
    """

    views: np.ndarray
    seen: np.ndarray
    intrinsics: np.ndarray
    partner_x_m: np.ndarray
    depth: np.ndarray | None = None


class TripleReader(Protocol):
    """Where a sample comes from, e.g. files; it pickles."""

    def read(self, size: tuple[int, int]) -> Triple:
        """Read the sample at ``size`` (height, width).

        Raises:
            InputError: If it cannot be read; names the file.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """What is changed at random.

    Attributes:
        flip: Share of mirrored samples.
        jitter: Share of samples whose colours are shaken.
    """

    flip: float = 0.5
    jitter: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TripleSource:
    """Batches of a fixed set of samples, in another order each time through it.

    Attributes:
        readers: The samples.
        height: Rows of the batches.
        width: Columns.
        seed: Of order and changes.
        augmentation: Which changes.
    """

    readers: Sequence[TripleReader]
    height: int
    width: int
    seed: int = 1
    augmentation: Augmentation = Augmentation()

    def batches(
        self, *, batch_size: int, first: int = 0, stream: int = 0
    ) -> Iterator[TripleBatch]:
        """Return batch after batch, beginning with number ``first`` of the stream."""
        number = first * batch_size
        while True:
            yield stack([self._sample(stream, number + index) for index in range(batch_size)])
            number += batch_size

    def _sample(self, stream: int, number: int) -> TripleBatch:
        epoch, place = divmod(number, len(self.readers))
        order = np.random.default_rng((self.seed, stream, epoch, 1)).permutation(len(self.readers))
        triple = self.readers[order[place]].read((self.height, self.width))
        return augmented(
            np.random.default_rng((self.seed, stream, number, 2)), triple, self.augmentation
        )


def augmented(rng: np.random.Generator, triple: Triple, augmentation: Augmentation) -> TripleBatch:
    """Flip and shake a sample at random; return it without batch axis."""
    if rng.random() < augmentation.flip:
        triple = triple.flipped()
    shaken = triple.views[:NUM_FRAMES]
    if rng.random() < augmentation.jitter:
        jitter = draw_jitter(rng)
        shaken = np.stack([shake_colours(view, jitter) for view in shaken])
    return _unbatched(triple, shaken)


def plain(triple: Triple) -> TripleBatch:
    """Return a sample unchanged and without batch axis."""
    return _unbatched(triple, triple.views[:NUM_FRAMES])


def _unbatched(triple: Triple, seen: np.ndarray) -> TripleBatch:
    return TripleBatch(
        views=np.ascontiguousarray(triple.views),
        seen=np.ascontiguousarray(seen),
        intrinsics=triple.intrinsics.astype(np.float32),
        partner_x_m=np.asarray(triple.partner_x_m, np.float32),
        depth=None if triple.depth is None else np.ascontiguousarray(triple.depth),
    )
