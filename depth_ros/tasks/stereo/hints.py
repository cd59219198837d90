"""Where hints come from: a disparity for the pair at hand, made without the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import cv2
import numpy as np

from depth_ros.camera import scaled_camera, stereo_camera
from depth_ros.errors import ParameterError
from depth_ros.frames import DisparityHint, RectifiedStereo
from depth_ros.geometry.hint_check import confirmed
from depth_ros.geometry.hints import combined, dense_hint, depth_hint, nothing_known
from depth_ros.geometry.moved_disparity import seen_depth
from depth_ros.geometry.postprocess import remove_speckles
from depth_ros.models.registry import hinted_models
from depth_ros.models.sgbm.model import SgbmModel
from depth_ros.tasks.stereo.previous_hints import PreviousHints
from depth_ros.tasks.stereo.settings import (
    AUTO_HINTS,
    DEPTH_HINTS,
    PREVIOUS_HINTS,
    SGBM_HINTS,
    StereoSettings,
)

SPECKLE_PX, SPECKLE_STEP_PX = 100, 1.0
"""Islands of at most so many pixels are no hint: most of them are wrong."""
MOST_VALUES = 3 * 500_000
"""Larger pairs are matched at half their size: what SGBM takes grows with every pixel."""
REACH = 0.02
"""A measured point speaks for pixels within this share of the image's width, at least
``LEAST_REACH_PX``: half the distance between the rows of a scanner of 32 beams."""
LEAST_REACH_PX = 4.0


class HintSource(Protocol):
    """Makes hints for pairs, one after another."""

    @property
    def used(self) -> float | None:
        """Share of what another sensor measured of the last pair that was told on, 0..1.

        What the pair speaks against was left out. None where no other sensor is asked.
        """

    @property
    def is_evidence(self) -> bool:
        """Whether a result that agrees with the hint is the surer for it."""

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Return what is known of the disparity of the pair's left image."""

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Take notice of what came out for a pair, (H, W) float32 px, NaN unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SgbmHints:
    """Semi-global matching of the same pair, at its own size or, if that is large, at half of it.

    Attributes:
        model: The matcher.
        speckle_px: Largest island that is dropped, px.
    """

    is_evidence: ClassVar[bool] = True
    used: ClassVar[float | None] = None

    model: SgbmModel
    speckle_px: int = SPECKLE_PX

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Match the pair; what is short and unknown is filled from the background of its row."""
        seen = pair
        while seen.left.size > MOST_VALUES:
            seen = _halved(seen)
        prepared = self.model.preprocess(seen)
        found = self.model.postprocess(self.model.infer({}, prepared), prepared, seen)
        kept = remove_speckles(
            found.disparity, max_size_px=self.speckle_px, max_difference_px=SPECKLE_STEP_PX
        )
        hint = dense_hint(kept)
        return hint if seen is pair else _enlarged(hint, pair.left.shape[:2])

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Every pair is matched anew."""


def _halved(pair: RectifiedStereo) -> RectifiedStereo:
    """Return the pair at half its size."""
    height, width = (side // 2 for side in pair.left.shape[:2])
    left, right = (
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        for image in (pair.left, pair.right)
    )
    camera = stereo_camera(
        scaled_camera(pair.camera.left, height=height, width=width),
        scaled_camera(pair.camera.right, height=height, width=width),
    )
    return RectifiedStereo(left=left, right=right, camera=camera)


def _enlarged(hint: DisparityHint, shape: tuple[int, ...]) -> DisparityHint:
    """Bring a hint to another size (H, W), without mixing."""
    size = (shape[1], shape[0])
    disparity, trust = (
        cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST_EXACT)
        for plane in (hint.disparity, hint.trust)
    )
    factor = np.float32(shape[1] / hint.disparity.shape[1])
    return DisparityHint(disparity=disparity * factor, trust=trust)


class DepthHints:
    """Points that another sensor measured, as the left camera sees them, without the hidden ones.

    Points that the pair itself speaks against are dropped: of another moment, another place, or
    by a wrong mounting.
    """

    is_evidence = False

    def __init__(self) -> None:
        """Have used nothing."""
        self.used: float | None = None

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Project the points beside the pair; nothing is known where there are none."""
        points = pair.beside.points_m
        self.used = None if points is None else 0.0
        if points is None or not len(points):
            return nothing_known(pair.left.shape[:2])
        reach_px = max(LEAST_REACH_PX, REACH * pair.left.shape[1])
        depth = seen_depth(points, pair.camera.left, window_px=round(2 * reach_px))
        told = depth_hint(depth, pair.camera, reach_px=reach_px)
        kept = confirmed(told, pair.left, pair.right)
        num_told = int(np.count_nonzero(told.trust > 0))
        self.used = int(np.count_nonzero(kept.trust > 0)) / max(1, num_told)
        return kept

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Every pair has points of its own."""


class GivenHints:
    """The hint that comes with the pair, without what the pair itself speaks against."""

    is_evidence = False
    used = None

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Return the pair's own hint."""
        if pair.hint is None:
            return nothing_known(pair.left.shape[:2])
        return confirmed(pair.hint, pair.left, pair.right)

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Every pair brings its own."""


class CombinedHints:
    """Several sources in the order of their precedence; see ``geometry.hints.combined``."""

    def __init__(self, sources: Sequence[HintSource]) -> None:
        """Take the sources, the first first."""
        self._sources = tuple(sources)
        self.is_evidence = any(source.is_evidence for source in sources)

    @property
    def used(self) -> float | None:
        """As of the source that asks another sensor."""
        found = (source.used for source in self._sources)
        return next((share for share in found if share is not None), None)

    def hint(self, pair: RectifiedStereo) -> DisparityHint:
        """Ask all and combine their answers."""
        return combined([source.hint(pair) for source in self._sources])

    def learn(self, pair: RectifiedStereo, disparity: np.ndarray) -> None:
        """Tell all."""
        for source in self._sources:
            source.learn(pair, disparity)


SOURCES: dict[str, Callable[[StereoSettings], HintSource]] = {
    SGBM_HINTS: lambda settings: SgbmHints(model=SgbmModel(settings.sgbm)),
    PREVIOUS_HINTS: lambda settings: PreviousHints(),
    DEPTH_HINTS: lambda settings: DepthHints(),
}
"""Makes a source, by the word of the setting ``hints``."""


def hint_source(settings: StereoSettings) -> HintSource | None:
    """Return where hints come from; None if none are wanted, or the model takes none.

    Raises:
        ParameterError: If hints are asked for by name and the model takes none.
    """
    able = hinted_models()
    takes_hint = settings.model in able
    is_auto = settings.hints == AUTO_HINTS
    words = settings.hint_words
    if not words or (is_auto and not takes_hint):
        return None
    if not takes_hint:
        raise ParameterError(
            f'hints {settings.hints!r} need a model that takes hints, got model '
            f'{settings.model!r}; set hints to auto or none, or model to {", ".join(able)}'
        )
    sources = [SOURCES[word](settings) for word in words]
    return sources[0] if len(sources) == 1 else CombinedHints(sources)
