"""Depth maps of the last keyframes: what is sure in each, and what a later one saw through."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from depth_ros.geometry.consistency import DepthView, agreement, lift, sample_depth
from depth_ros.geometry.consistency_settings import ConsistencySettings
from depth_ros.geometry.projection import project
from depth_ros.geometry.rigid import inverse

NUM_KEPT = 4
"""Maps that a new one is compared with; older ones hardly see the same."""
MIN_VIEWS = 2
"""Maps that must agree on a pixel, its own among them."""
SEEN_THROUGH = 0.9
"""A point nearer than this share of what a later map has behind it has gone."""
LEAST_SIGMA = 0.01
"""Of depth, relative: two maps may agree better by chance."""
LEAST_SHARED = 0.05
"""Share of an image that other maps must know, too, for their agreement to say anything."""
ALIKE = 2.0
"""Maps share their sources and are wrong alike: their deviation counts twice. Without it 42 to
49 % of the pixels of ``benchmarks/mono_refine.py`` are within one sigma of the truth, not 68 %."""
MAX_REPROJECTION_PX, MAX_DEPTH_RATIO = 1.5, 0.05
"""Wider than for a cloud: the depth is looked at once, not fused."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeyframeMap:
    """Depth of one keyframe where it may be used.

    Attributes:
        view: The map as it was computed; ``confidence`` of 0 where the network does not know.
        sure: ``(H, W)`` float32 metres, NaN where the network is not sure or no other map agrees.
        sigma: ``(H, W)`` float32 metres, standard deviation of ``sure``.
        stamp_ns: Stamp of the keyframe's image.
        agreed: Share of the pixels that other maps know, too, on which one of them agrees; NaN
            where too few are.
    """

    view: DepthView
    sure: np.ndarray
    sigma: np.ndarray
    stamp_ns: int
    agreed: float = math.nan


class KeyframeMaps:
    """Keeps the last maps; written by the thread of keyframes, read by that of images."""

    def __init__(self, *, min_confidence: float) -> None:
        """Start empty.

        Args:
            min_confidence: Photometric confidence below which a pixel is not used.
        """
        self.num_added = 0
        self._rules = ConsistencySettings(
            min_confidence=min_confidence,
            max_reprojection_px=MAX_REPROJECTION_PX,
            max_depth_ratio=MAX_DEPTH_RATIO,
        )
        self._lock = threading.Lock()
        self._maps: deque[KeyframeMap] = deque(maxlen=NUM_KEPT)

    def add(self, view: DepthView, *, stamp_ns: int) -> KeyframeMap:
        """Compare a new map with those before, keep it, and return it."""
        with self._lock:
            before = list(self._maps)
        new = compared(view, [old.view for old in before], self._rules, stamp_ns=stamp_ns)
        pruned = [without_ghosts(old, new, self._rules) for old in before]
        with self._lock:
            # Somebody may have forgotten everything meanwhile.
            is_same = len(self._maps) == len(before)
            self._maps = deque([*(pruned if is_same else []), new], maxlen=NUM_KEPT)
            self.num_added += 1
        return new

    def young(self, stamp_ns: int, *, max_age_ns: int) -> list[KeyframeMap]:
        """Return the maps of the time before a stamp, the newest first."""
        with self._lock:
            maps = list(self._maps)
        return [kept for kept in reversed(maps) if 0 <= stamp_ns - kept.stamp_ns <= max_age_ns]

    def clear(self) -> None:
        """Forget every map."""
        with self._lock:
            self._maps.clear()


def compared(
    view: DepthView, others: list[DepthView], rules: ConsistencySettings, *, stamp_ns: int
) -> KeyframeMap:
    """Return what is sure in a map: trusted by the network, and as at least one other map has it.

    Depth is the mean of the maps that agree; sigma is ``ALIKE`` times their standard deviation,
    which is taken for at least ``LEAST_SIGMA`` of the depth.
    """
    known = view.known(rules.min_confidence)
    rows, columns = np.nonzero(np.isfinite(known))
    pixels = np.stack([columns, rows], axis=1).astype(np.float64)
    depth = known[rows, columns].astype(np.float64)
    votes, total, squares = np.ones(len(depth)), depth.copy(), np.zeros(len(depth))
    is_shared = np.zeros(len(depth), bool)
    for other in others:
        found = agreement(pixels, depth, view, other, rules)
        agreed = np.where(found.is_consistent, found.depth, depth)
        votes += found.is_consistent
        is_shared |= np.isfinite(found.depth)
        total += np.where(found.is_consistent, agreed, 0.0)
        squares += (agreed - depth) ** 2
    is_sure = votes >= MIN_VIEWS
    mean = total / votes
    apart = np.sqrt(squares / np.maximum(votes - 1, 1))
    sigma = ALIKE * np.maximum(apart, LEAST_SIGMA * mean)
    sure, sigmas = (np.full(view.depth.shape, np.nan, np.float32) for _ in range(2))
    sure[rows[is_sure], columns[is_sure]] = mean[is_sure]
    sigmas[rows[is_sure], columns[is_sure]] = sigma[is_sure]
    enough = is_shared.sum() >= LEAST_SHARED * view.depth.size
    share = float(is_sure[is_shared].mean()) if enough else math.nan
    return KeyframeMap(view=view, sure=sure, sigma=sigmas, stamp_ns=stamp_ns, agreed=share)


def without_ghosts(old: KeyframeMap, new: KeyframeMap, rules: ConsistencySettings) -> KeyframeMap:
    """Return an older map without the points that a newer one sees through."""
    rows, columns = np.nonzero(np.isfinite(old.sure))
    pixels = np.stack([columns, rows], axis=1).astype(np.float64)
    new_from_old = inverse(new.view.world_from_camera) @ old.view.world_from_camera
    points = lift(old.view.camera, pixels, old.sure[rows, columns], new_from_old)
    there, depth = project(new.view.camera, points)
    behind = sample_depth(new.view.known(rules.min_confidence), there)
    with np.errstate(invalid='ignore'):
        is_ghost = depth < SEEN_THROUGH * behind
    sure = old.sure.copy()
    sure[rows[is_ghost], columns[is_ghost]] = np.nan
    return replace(old, sure=sure)
