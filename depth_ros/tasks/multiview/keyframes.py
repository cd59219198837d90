"""Chooses keyframes from a stream of posed views, and for each reference its best sources.

The node and ``depth-ros run multiview`` on a sequence both use this, so both choose the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from depth_ros.errors import InputError
from depth_ros.frames import MultiViewFrame
from depth_ros.geometry.posed_view import PlacedViewT, PosedView, multi_view_frame
from depth_ros.tasks.multiview.settings import KeyframeSettings, ReferenceChoice
from depth_ros.tasks.multiview.view_selection import (
    choose_sources,
    is_new_view,
    sample_points,
    typical_depth,
)

DepthRange = tuple[float, float]
JUMP_REMEDY = 'check the odometry, or raise max_jump_ratio'
GAP_REMEDY = 'check which of images and poses have gaps'
GAP_S = 1.0
"""After so long without a view a camera may be elsewhere, though its poses are right."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewSet(Generic[PlacedViewT]):
    """A reference with the sources chosen for it, best first."""

    reference: PlacedViewT
    sources: tuple[PlacedViewT, ...]

    def frame(self: ViewSet[PosedView], depth_range_m: DepthRange) -> MultiViewFrame:
        """Make what the model takes."""
        return multi_view_frame(self.reference, self.sources, depth_range_m=depth_range_m)


class KeyframeWindow(Generic[PlacedViewT]):
    """Keeps the last keyframes; used by one thread."""

    def __init__(
        self,
        settings: KeyframeSettings | None = None,
        *,
        jump_remedy: str = JUMP_REMEDY,
        has_times: bool = True,
    ) -> None:
        self.settings = settings or KeyframeSettings()
        self._jump_remedy = jump_remedy
        self._has_times = has_times
        self.num_keyframes = 0
        self._keyframes: deque[PlacedViewT] = deque(maxlen=self.settings.window)
        self._last: tuple[int, np.ndarray] | None = None
        self._num_waiting = 0

    def __len__(self) -> int:
        """Number of keyframes kept."""
        return len(self._keyframes)

    def reset(self) -> None:
        """Forget every view."""
        self._keyframes.clear()
        self._last, self._num_waiting = None, 0

    def add(self, view: PlacedViewT, *, depth_range_m: DepthRange) -> ViewSet[PlacedViewT] | None:
        """Take the next view; return a set when a keyframe has enough sources.

        Args:
            view: The view.
            depth_range_m: Nearest and farthest depth that the scene is expected to have.

        Raises:
            InputError: As ``is_wanted``.
        """
        pose, stamp_ns = view.world_from_camera, view.stamp_ns
        if not self.is_wanted(pose, stamp_ns=stamp_ns, depth_range_m=depth_range_m):
            return None
        return self.keep(view, depth_range_m=depth_range_m)

    def is_wanted(self, pose: np.ndarray, *, stamp_ns: int, depth_range_m: DepthRange) -> bool:
        """Return whether a view of this pose becomes a keyframe, before its image is decoded.

        Args:
            pose: ``(4, 4)`` world from camera.
            stamp_ns: Its stamp.
            depth_range_m: As for ``add``.

        Raises:
            InputError: Reason ``'stamp_order'`` or ``'pose_jump'``: the views before are
                forgotten, and the next view is the first of a new sequence.
        """
        depth_m = typical_depth(depth_range_m)
        try:
            self._check_follows(pose, stamp_ns, depth_m)
        except InputError:
            self.reset()
            raise
        self._last = (stamp_ns, pose)
        last = self._keyframes[-1].world_from_camera if self._keyframes else None
        return is_new_view(pose, last, self.settings.policy, depth_m=depth_m)

    def keep(self, view: PlacedViewT, *, depth_range_m: DepthRange) -> ViewSet[PlacedViewT] | None:
        """Make a view a keyframe; return a set when one has enough sources."""
        self._keyframes.append(view)
        self.num_keyframes += 1
        self._num_waiting += 1
        lag = self._lag()
        if self._num_waiting <= lag:
            return None
        self._num_waiting = lag
        return self._next_set(depth_range_m, lag=lag)

    def flush(self, *, depth_range_m: DepthRange) -> list[ViewSet[PlacedViewT]]:
        """Return the sets of the keyframes that still wait for later ones, at the end of a path.

        If the path continues, none of them becomes a reference again.
        """
        lags = range(self._num_waiting)[::-1]
        self._num_waiting = 0
        sets = [self._next_set(depth_range_m, lag=lag) for lag in lags]
        return [found for found in sets if found is not None]

    def _lag(self) -> int:
        if self.settings.reference is ReferenceChoice.NEWEST:
            return 0
        return self.settings.num_sources // 2

    def _next_set(self, depth_range_m: DepthRange, *, lag: int) -> ViewSet[PlacedViewT] | None:
        if len(self._keyframes) < 1 + max(lag, self.settings.min_sources):
            return None
        reference = self._keyframes[-1 - lag]
        candidates = [view for view in self._keyframes if view is not reference]
        return view_set(reference, candidates, self.settings, depth_range_m=depth_range_m)

    def _check_follows(self, pose: np.ndarray, stamp_ns: int, depth_m: float) -> None:
        if self._last is None:
            return
        last_stamp_ns, last_pose = self._last
        if stamp_ns <= last_stamp_ns:
            raise InputError(
                'stamp_order',
                f'{_order(last_stamp_ns - stamp_ns)}; keyframes start afresh (a bag that starts '
                'again does this)',
            )
        way = float(np.linalg.norm(pose[:3, 3] - last_pose[:3, 3]))
        if way > self.settings.max_jump_ratio * depth_m:
            words, remedy = self._jump(way, (stamp_ns - last_stamp_ns) / 1e9)
            raise InputError(
                'pose_jump',
                f'the pose {words}, with the scene {depth_m:.2f} m away; keyframes start afresh: '
                f'{remedy}',
            )

    def _jump(self, way_m: float, time_s: float) -> tuple[str, str]:
        """Say how far the pose went between two views, and what to do."""
        if not self._has_times:
            return f'jumped by {way_m:.2f} m between two views', self._jump_remedy
        if time_s > GAP_S:
            return f'moved by {way_m:.2f} m in {time_s:.1f} s without a view', GAP_REMEDY
        apart = f'between two views {time_s:.2f} s apart'
        return f'jumped by {way_m:.2f} m {apart}', self._jump_remedy


def _order(back_ns: int) -> str:
    if back_ns == 0:
        return 'a view has the same stamp as the one before it'
    return f'a view came {back_ns / 1e9:.3f} s before the one before it'


def view_set(
    reference: PlacedViewT,
    candidates: Sequence[PlacedViewT],
    settings: KeyframeSettings,
    *,
    depth_range_m: DepthRange,
) -> ViewSet[PlacedViewT] | None:
    """Choose sources for a reference; None if fewer than ``min_sources`` help it."""
    points = sample_points(reference, depth_range_m)
    sources = choose_sources(reference, candidates, points, count=settings.num_sources)
    if len(sources) < settings.min_sources:
        return None
    return ViewSet(reference=reference, sources=tuple(sources))
