"""Which views of a folder are references, and which sources each gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.image import read_rgb
from depth_ros.files.posed.values import NS_PER_VIEW, PosedFolder, ViewFile
from depth_ros.geometry.posed_view import PosedView
from depth_ros.tasks.multiview.keyframes import (
    DepthRange,
    KeyframeWindow,
    ViewSet,
)
from depth_ros.tasks.multiview.settings import KeyframeSettings
from depth_ros.tasks.multiview.view_selection import choose_sources, sample_points, sees

NUM_NEIGHBOURS = 10
"""Views that a map is compared with when photographs are fused, as in MVSNet's lists."""
MIN_POINTS, MAX_POINTS = 16, 400
"""Sparse points used to choose sources; more do not change the choice."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlannedSet:
    """Views of one reference, with where to search.

    Attributes:
        views: Reference and sources.
        depth_range_m: Nearest and farthest depth.
        files: Image files, the reference's first.
        done: Share of the folder that this set ends, 0..1.
        neighbours: Names of the views whose maps it is fused with; empty in a sequence, where
            maps are fused as they come.
    """

    views: ViewSet[PosedView]
    depth_range_m: DepthRange
    files: tuple[Path, ...]
    done: float
    neighbours: tuple[str, ...] = ()


class FolderPlan:
    """Goes through a folder once; unusable views are skipped and reported.

    Attributes:
        folder: What is gone through.
        refused: Name and reason of each view that was left out so far.
        num_near: Views of a sequence that were too near the last keyframe to be one.
    """

    def __init__(
        self,
        folder: PosedFolder,
        settings: KeyframeSettings,
        *,
        depth_range_m: DepthRange,
        has_own_range: bool,
    ) -> None:
        """Remember the folder.

        Args:
            folder: What was read.
            settings: How keyframes and sources are chosen.
            depth_range_m: Where to search if the folder does not say.
            has_own_range: Whether ``depth_range_m`` was asked for and goes before the folder's.
        """
        self.folder = folder
        self.refused: list[tuple[str, InputError]] = list(folder.refused)
        self.num_near = 0
        self._settings = settings
        self._range_m = depth_range_m
        self._has_own_range = has_own_range
        self._index = {view.name: at for at, view in enumerate(folder.views)}
        self._read = lru_cache(2 * (1 + settings.num_sources))(self._load)
        self._outlined: list[PosedView | None] = []

    def __iter__(self) -> Iterator[PlannedSet]:
        """Return the sets in order."""
        return self._sequence() if self.folder.is_sequence else self._listed()

    def view(self, name: str) -> PosedView:
        """Read a view again."""
        return self._read(self._index[name])

    def _load(self, index: int) -> PosedView:
        file = self.folder.views[index]
        return file.view(read_rgb(file.image), stamp_ns=(index + 1) * NS_PER_VIEW)

    def _range(self, file: ViewFile) -> DepthRange:
        own = None if self._has_own_range else file.depth_range_m
        return own or self._range_m

    def _sequence(self) -> Iterator[PlannedSet]:
        """Take keyframes as they come, as the node does."""
        window: KeyframeWindow[PosedView] = KeyframeWindow(self._settings, has_times=False)
        count = len(self.folder.views)
        for index in range(count):
            before = window.num_keyframes
            try:
                found = window.add(self._load(index), depth_range_m=self._range_m)
            except InputError as error:
                self.refused.append((self.folder.views[index].name, error))
                continue
            self.num_near += window.num_keyframes == before
            if found is not None:
                yield self._planned(found, (index + 1) / count)
        for found in window.flush(depth_range_m=self._range_m):
            yield self._planned(found, 1.0)

    def _listed(self) -> Iterator[PlannedSet]:
        """Take every view as a reference, with the sources that the folder or its points give."""
        count = len(self.folder.views)
        for index, file in enumerate(self.folder.views):
            try:
                reference = self._read(index)
                ranked = self._ranked(index)
                sources = self._readable(file, ranked)
            except InputError as error:
                self.refused.append((file.name, error))
                continue
            names = [self.folder.views[at].name for at in ranked[:NUM_NEIGHBOURS]]
            views = ViewSet(reference=reference, sources=sources)
            yield self._planned(views, (index + 1) / count, neighbours=names)

    def _readable(self, file: ViewFile, ranked: Sequence[int]) -> tuple[PosedView, ...]:
        """Read the best sources; one that cannot be read gives way to the next.

        Raises:
            InputError: Reason ``'views'`` if too few are left.
        """
        sources: list[PosedView] = []
        for index in ranked:
            if len(sources) == self._settings.num_sources:
                break
            try:
                sources.append(self._read(index))
            except InputError:
                continue  # It is reported when its turn as the reference comes.
        if len(sources) < self._settings.min_sources:
            raise InputError(
                'views',
                f'view {file.name} has {len(sources)} other views that see the same at a useful '
                f'angle, needed are {self._settings.min_sources}; take more pictures of it',
            )
        return tuple(sources)

    def _ranked(self, index: int) -> Sequence[int]:
        """Return the indices of a reference's sources, best first."""
        file = self.folder.views[index]
        if file.sources is not None:
            return file.sources
        outlines = self._outlines()
        reference = outlines[index]
        if reference is None:
            return ()
        others = [view for at, view in enumerate(outlines) if view is not None and at != index]
        points = self._points(reference) if len(self.folder.points) else np.empty((0, 3))
        if len(points) < MIN_POINTS:
            points = sample_points(reference, self._range(file))
        count = max(NUM_NEIGHBOURS, self._settings.num_sources)
        chosen = choose_sources(reference, others, points, count=count)
        return [self._index[view.name] for view in chosen]

    def _points(self, reference: PosedView) -> np.ndarray:
        """Return some of the sparse points that a reference sees, ``(N, 3)``."""
        seen = np.flatnonzero(sees(reference, self.folder.points))
        step = max(1, -(-len(seen) // MAX_POINTS))
        return self.folder.points[seen[::step]]

    def _outlines(self) -> list[PosedView | None]:
        """Return every view with its camera and pose but no pixels; None where they are bad."""
        if not self._outlined:
            self._outlined = [_outline(file) for file in self.folder.views]
        return self._outlined

    def _planned(
        self, views: ViewSet, done: float, *, neighbours: Sequence[str] = ()
    ) -> PlannedSet:
        names = [views.reference.name, *(source.name for source in views.sources)]
        files = [self.folder.views[self._index[name]] for name in names]
        return PlannedSet(
            views=views,
            depth_range_m=self._range(files[0]),
            files=tuple(file.image for file in files),
            done=done,
            neighbours=tuple(neighbours),
        )


def _outline(file: ViewFile) -> PosedView | None:
    """Make a view without reading its image: one black pixel stands for all."""
    if file.size is None:
        return None
    try:
        return file.view(np.broadcast_to(np.uint8(0), (*file.size, 3)), stamp_ns=0)
    except InputError:
        return None
