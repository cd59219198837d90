"""Which views of a folder are references, and which sources each gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from depth_ros.cli.images import read_rgb
from depth_ros.errors import InputError
from depth_ros.keyframes import DepthRange, KeyframeSettings, KeyframeWindow, ViewSet, view_set
from depth_ros.posed_files.values import NS_PER_VIEW, PosedFolder, ViewFile
from depth_ros.posed_view import PosedView
from depth_ros.view_selection import choose_sources, sees

KEPT_IMAGES = 24


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlannedSet:
    """Views of one reference, with where to search.

    Attributes:
        views: Reference and sources.
        depth_range_m: Nearest and farthest depth.
        files: Image files, the reference's first.
        done: Share of the folder that this set ends, 0..1.
    """

    views: ViewSet
    depth_range_m: DepthRange
    files: tuple[Path, ...]
    done: float


class FolderPlan:
    """Goes through a folder once; views that cannot be used are told to ``refuse``."""

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
        self.refused: list[tuple[str, InputError]] = []
        self._settings = settings
        self._range_m = depth_range_m
        self._has_own_range = has_own_range
        self._files = {view.name: view for view in folder.views}
        self._read = lru_cache(KEPT_IMAGES)(self._load)

    def __iter__(self) -> Iterator[PlannedSet]:
        """Give the sets in order."""
        return self._sequence() if self.folder.is_sequence else self._listed()

    def _load(self, index: int) -> PosedView:
        file = self.folder.views[index]
        return file.view(read_rgb(file.image), stamp_ns=(index + 1) * NS_PER_VIEW)

    def _range(self, file: ViewFile) -> DepthRange:
        own = None if self._has_own_range else file.depth_range_m
        return own or self._range_m

    def _sequence(self) -> Iterator[PlannedSet]:
        """Take keyframes as they come, as the node does."""
        window = KeyframeWindow(self._settings)
        count = len(self.folder.views)
        for index in range(count):
            try:
                found = window.add(self._read(index), depth_range_m=self._range_m)
            except InputError as error:
                self.refused.append((self.folder.views[index].name, error))
                continue
            if found is not None:
                yield self._planned(found, (index + 1) / count)
        for found in window.flush(depth_range_m=self._range_m):
            yield self._planned(found, 1.0)

    def _listed(self) -> Iterator[PlannedSet]:
        """Take every view as a reference, with the sources that the folder or its points give."""
        count = len(self.folder.views)
        for index in range(count):
            try:
                found = self._sources_of(index)
            except InputError as error:
                self.refused.append((self.folder.views[index].name, error))
                continue
            yield self._planned(found, (index + 1) / count)

    def _sources_of(self, index: int) -> ViewSet:
        reference, file = self._read(index), self.folder.views[index]
        if file.sources is not None:
            chosen = file.sources[: self._settings.num_sources]
            return ViewSet(reference=reference, sources=tuple(map(self._read, chosen)))
        others = [at for at in range(len(self.folder.views)) if at != index]
        nearest = sorted(others, key=lambda at: self._distance(index, at))[: 4 * KEPT_IMAGES // 5]
        candidates = [self._read(at) for at in nearest]
        found = self._by_points(reference, candidates)
        found = found or view_set(
            reference, candidates, self._settings, depth_range_m=self._range(file)
        )
        if found is None:
            raise InputError(
                'views',
                f'view {file.name} has fewer than {self._settings.min_sources} other views that '
                'see the same at a useful angle; take more pictures of it',
            )
        return found

    def _by_points(self, reference: PosedView, candidates: list[PosedView]) -> ViewSet | None:
        """Choose by the sparse points that views share; None where there are too few."""
        points = self.folder.points
        seen = points[sees(reference, points)] if len(points) else points
        if len(seen) < 16:
            return None
        chosen = choose_sources(reference, candidates, seen, count=self._settings.num_sources)
        if len(chosen) < self._settings.min_sources:
            return None
        return ViewSet(reference=reference, sources=tuple(chosen))

    def _distance(self, first: int, second: int) -> float:
        poses = [self.folder.views[at].world_from_camera for at in (first, second)]
        turn = float(np.arccos(np.clip(poses[0][:3, 2] @ poses[1][:3, 2], -1.0, 1.0)))
        return float(np.linalg.norm(poses[0][:3, 3] - poses[1][:3, 3])) + turn

    def _planned(self, views: ViewSet, done: float) -> PlannedSet:
        names = [views.reference.name, *(source.name for source in views.sources)]
        return PlannedSet(
            views=views,
            depth_range_m=self._range(self._files[views.reference.name]),
            files=tuple(self._files[name].image for name in names),
            done=done,
        )
