"""Runs the references of a plan, resumes an earlier run, and fuses all maps."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache

from depth_ros.cli.kit.batch import BatchRunner
from depth_ros.cli.kit.outputs import Record
from depth_ros.cli.run.multiview_outputs import MapFolder
from depth_ros.cli.run.multiview_plan import NUM_NEIGHBOURS, FolderPlan, PlannedSet
from depth_ros.errors import InputError
from depth_ros.geometry.consistency import DepthView
from depth_ros.geometry.posed_view import PosedView
from depth_ros.geometry.rectify import RectifierCache
from depth_ros.tasks.multiview.fusion import DepthFusion
from depth_ros.tasks.multiview.processor import MultiViewProcessor
from depth_ros.tasks.multiview.reconstruction import depth_view
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tensors import Progress

OpenMultiView = Callable[..., MultiViewProcessor]


@dataclass(slots=True, eq=False)
class ViewTally:
    """Counts of the references by result; updated while running."""

    fusion: DepthFusion
    records: list[Record] = field(default_factory=list)
    skipped: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class ReferenceRunner(BatchRunner[MultiViewProcessor]):
    """Runs references."""

    def __init__(
        self,
        settings: MultiViewSettings,
        maps: MapFolder,
        progress: Progress,
        *,
        open_processor: OpenMultiView,
    ) -> None:
        super().__init__(lambda: open_processor(settings, progress=progress))
        self.progress = progress
        self.maps = maps
        self._rectifiers = RectifierCache(num_kept=NUM_NEIGHBOURS)

    def found(self, planned: PlannedSet) -> tuple[Record, DepthView] | None:
        """Return the stored result of a reference, None if it must be computed."""
        record = self.maps.finished(planned)
        view = self.view_of(planned.views.reference) if record is not None else None
        return None if record is None or view is None else (record, view)

    def view_of(self, reference: PosedView) -> DepthView | None:
        """Return the maps of a reference as they are on disk; None where they are not whole."""
        maps = self.maps.load(reference.name)
        frame = self._rectifiers.of_camera(reference.frame.camera).rectify(reference.frame)
        if maps is None or any(values.shape != frame.image.shape[:2] for values in maps):
            return None
        return DepthView(
            depth=maps[0],
            confidence=maps[1],
            image=frame.image,
            camera=frame.camera,
            world_from_camera=reference.world_from_camera,
        )

    def run(self, planned: PlannedSet) -> tuple[Record, DepthView]:
        """Compute and write one reference.

        Raises:
            InputError: If its views cannot be used.
        """
        processor = self._processor()
        output = processor.process(planned.views.frame(planned.depth_range_m))
        view = depth_view(output, planned.views.reference.world_from_camera)
        near, far = planned.depth_range_m
        ran_by = processor.identity
        title = (
            f'{planned.views.reference.name} with {len(planned.views.sources)} sources | '
            f'{ran_by.model} {ran_by.size} {ran_by.precision} on {ran_by.engine} | '
            f'{near:.2f} to {far:.2f} m'
        )
        details = {
            'stages_ms': {name: round(1e3 * s, 3) for name, s in output.stages_s.items()},
            'ran_by': asdict(ran_by),
        }
        return self.maps.write(planned, view, title=title, details=details), view


def run_plan(
    plan: FolderPlan, runner: ReferenceRunner, fusion: DepthFusion, *, is_again: bool
) -> ViewTally:
    """Run or load every reference and fuse it; a bad one is reported and counted.

    The maps of a sequence are fused as they come, as the node does it; those of photographs in
    no order afterwards, each among its neighbours.
    """
    tally = ViewTally(fusion=fusion)
    neighbours: dict[str, tuple[str, ...]] = {}
    for planned in plan:
        start = time.perf_counter()
        name = planned.views.reference.name
        done = None if is_again else runner.found(planned)
        try:
            record, view = done or runner.run(planned)
        except InputError as error:
            tally.refused[error.reason] += 1
            _warn(name, error)
            continue
        if plan.folder.is_sequence:
            record = {**record, 'new_points': fusion.add(view)}
        neighbours[name] = planned.neighbours
        tally.records.append(record)
        tally.skipped += done is not None
        tally.seconds += time.perf_counter() - start
        runner.progress('depth', planned.done)
    for name, refusal in plan.refused:
        _warn(name, refusal)
    if not plan.folder.is_sequence:
        _fuse_among_neighbours(plan, runner, tally, neighbours)
    return tally


def _fuse_among_neighbours(
    plan: FolderPlan,
    runner: ReferenceRunner,
    tally: ViewTally,
    neighbours: dict[str, tuple[str, ...]],
) -> None:
    """Fuse every map among the maps of its neighbours, read back from disk."""
    load = lru_cache(2 * NUM_NEIGHBOURS)(lambda name: runner.view_of(plan.view(name)))
    start = time.perf_counter()
    for index, record in enumerate(tally.records):
        name = str(record['name'])
        view = load(name)
        found = [load(other) for other in neighbours[name] if other in neighbours]
        others = [other for other in found if other is not None]
        added = tally.fusion.add_among(view, others) if view is not None else 0
        tally.records[index] = {**record, 'new_points': added}
        runner.progress('fusion', (index + 1) / len(tally.records))
    tally.seconds += time.perf_counter() - start


def _warn(name: str, error: InputError) -> None:
    print(f'depth-ros: {name} left out: {error}', file=sys.stderr)
