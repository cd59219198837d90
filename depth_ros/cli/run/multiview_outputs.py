"""Output files of ``depth-ros run multiview``, and detection of finished references."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from depth_ros.cli.kit.outputs import OutputKind, Record, depth_percentiles, file_identity
from depth_ros.cli.run.multiview_plan import PlannedSet
from depth_ros.errors import InputError
from depth_ros.files.arrays import read_array
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.pfm import write_pfm
from depth_ros.files.whole_file import whole_file, write_json
from depth_ros.geometry.consistency import DepthView
from depth_ros.pictures.panels import Scale, depth_panel, write_picture
from depth_ros.results import known_share

DEPTH, CONFIDENCE = '_depth.npy', '_confidence.npy'


def _write_pfm(path: Path, view: DepthView, title: str) -> None:
    with whole_file(path) as draft:
        write_pfm(draft, np.where(np.isfinite(view.depth), view.depth, np.float32(0.0)))


def _write_picture(
    path: Path, view: DepthView, title: str, *, depth_scale: Scale | None = None
) -> None:
    panel = depth_panel(
        image=view.image,
        depth=view.depth,
        confidence=view.confidence,
        title=title,
        depth_scale=depth_scale,
    )
    with whole_file(path) as draft:
        write_picture(draft, panel)


KINDS: dict[str, OutputKind[DepthView]] = {
    'pfm': OutputKind(
        suffix='_depth.pfm',
        write=_write_pfm,
        summary='float32 depth, 0 unknown, as data sets have it',
    ),
    'picture': OutputKind(
        suffix='_picture.png', write=_write_picture, summary='image, depth and confidence'
    ),
}
"""Files beside ``_depth.npy`` and ``_confidence.npy``, which are always written."""


class MapFolder:
    """Depth maps on disk; a reference's record is written last and says that it is done."""

    def __init__(
        self,
        folder: Path,
        kinds: Mapping[str, OutputKind[DepthView]],
        identity: Mapping[str, object],
    ) -> None:
        """Make the folder.

        Args:
            folder: Where to write.
            kinds: Files to write.
            identity: What maps depend on besides images and poses; JSON values.
        """
        self.folder = folder
        self._kinds = tuple(kinds.values())
        self._identity = dict(identity)
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return depth and confidence of a view; None where they are missing or cut short."""
        try:
            depth = read_array(self._path(name, DEPTH))
            confidence = read_array(self._path(name, CONFIDENCE))
        except InputError:
            return None
        return depth, confidence

    def finished(self, planned: PlannedSet) -> Record | None:
        """Return the record of a reference that is done with the same inputs, else None."""
        name = planned.views.reference.name
        try:
            record = parse_json(given_text(self._path(name, '.json')))
        except (InputError, ValueError):
            return None
        if not isinstance(record, dict) or record.get('made_from') != self._made_from(planned):
            return None
        if not all(self._path(name, kind.suffix).is_file() for kind in self._kinds):
            return None
        return record

    def write(
        self, planned: PlannedSet, view: DepthView, *, title: str, details: Mapping[str, object]
    ) -> Record:
        """Write every file of a reference, then its record, which is returned."""
        name = planned.views.reference.name
        self._path(name, '.json').unlink(missing_ok=True)
        for suffix, values in ((DEPTH, view.depth), (CONFIDENCE, view.confidence)):
            with whole_file(self._path(name, suffix)) as draft, draft.open('wb') as stream:
                np.save(stream, values)
        for kind in self._kinds:
            kind.write(self._path(name, kind.suffix), view, title)
        record: Record = {
            'name': name,
            'sources': [source.name for source in planned.views.sources],
            'depth_range_m': list(planned.depth_range_m),
            'valid_fraction': round(known_share(view.depth), 4),
            'depth_m': depth_percentiles(view.depth),
            **details,
            'made_from': self._made_from(planned),
        }
        write_json(self._path(name, '.json'), record)
        return record

    def _made_from(self, planned: PlannedSet) -> Record:
        views = planned.views
        poses = [view.world_from_camera for view in (views.reference, *views.sources)]
        cameras = [view.frame.camera for view in (views.reference, *views.sources)]
        return {
            **self._identity,
            'images': [file_identity(path) for path in planned.files],
            'poses': [pose.tolist() for pose in poses],
            'cameras': [camera.fingerprint().hex() for camera in cameras],
            'depth_range_m': list(planned.depth_range_m),
        }

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / f'{name}{suffix}'
