"""What ``depth-ros run stereo`` leaves on disk for each pair, and what it finds again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.cli.images import PairFiles
from depth_ros.errors import ParameterError
from depth_ros.geometry import organised_cloud
from depth_ros.pictures import stereo_panel, write_picture
from depth_ros.pointcloud_file import points_of_cloud, write_ply
from depth_ros.stereo import StereoOutput

MILLIMETRES_MAX = 65535
Record = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputKind:
    """One line of the table of output files.

    Attributes:
        suffix: What follows the pair's name.
        write: Writes the file.
        summary: One line of help.
    """

    suffix: str
    write: Callable[[Path, StereoOutput, str], None]
    summary: str


def depth_millimetres(depth: np.ndarray) -> np.ndarray:
    """Give ``(H, W)`` uint16 mm (REP 118); 0 is unknown, out of range or beyond 65.535 m."""
    with np.errstate(invalid='ignore'):
        millimetres = np.rint(depth.astype(np.float64) * 1000.0)
        is_known = np.isfinite(millimetres) & (millimetres > 0) & (millimetres <= MILLIMETRES_MAX)
    return np.where(is_known, millimetres, 0.0).astype(np.uint16)


def _depth_of(output: StereoOutput) -> np.ndarray:
    assert output.depth is not None, 'run asks for depth'
    return output.depth.depth


def _write_depth(path: Path, output: StereoOutput, title: str) -> None:
    np.save(path, _depth_of(output))


def _write_depth_png(path: Path, output: StereoOutput, title: str) -> None:
    _, data = cv2.imencode('.png', depth_millimetres(_depth_of(output)))
    path.write_bytes(data.tobytes())


def _write_disparity(path: Path, output: StereoOutput, title: str) -> None:
    np.save(path, output.disparity.disparity)


def _write_picture(path: Path, output: StereoOutput, title: str) -> None:
    panel = stereo_panel(
        left=output.rectified.left,
        disparity=output.disparity.disparity,
        depth=_depth_of(output),
        title=title,
    )
    write_picture(path, panel)


def _write_cloud(path: Path, output: StereoOutput, title: str) -> None:
    camera = output.rectified.camera.left
    points, colors = points_of_cloud(
        organised_cloud(_depth_of(output), output.rectified.left, camera)
    )
    write_ply(path, points, colors)


KINDS: dict[str, OutputKind] = {
    'depth': OutputKind(
        suffix='_depth.npy',
        write=_write_depth,
        summary='float32 metres; NaN unknown, +Inf beyond range, -Inf too close',
    ),
    'png': OutputKind(
        suffix='_depth_mm.png', write=_write_depth_png, summary='16-bit millimetres; 0 unknown'
    ),
    'disparity': OutputKind(
        suffix='_disparity.npy', write=_write_disparity, summary='float32 pixels; NaN unknown'
    ),
    'picture': OutputKind(
        suffix='_picture.png', write=_write_picture, summary='left, disparity and depth'
    ),
    'cloud': OutputKind(
        suffix='_cloud.ply', write=_write_cloud, summary='coloured points, metres, optical frame'
    ),
}
"""Every output file of a pair by name."""


def parse_kinds(text: str) -> tuple[str, ...]:
    """Read ``'depth,cloud'``.

    Raises:
        ParameterError: If a name is not in ``KINDS``.
    """
    names = tuple(dict.fromkeys(word.strip() for word in text.split(',') if word.strip()))
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        raise ParameterError(
            f'--write takes a list out of {",".join(KINDS)}, got {text!r}; correct it'
        )
    return names


class OutputFolder:
    """Where results go. A pair's record is written last, so it says that the pair is done."""

    def __init__(self, folder: Path, kinds: Sequence[str], identity: Mapping[str, object]) -> None:
        """Make the folder.

        Args:
            folder: Where to write.
            kinds: Names in ``KINDS``.
            identity: What results depend on besides the images; JSON values.
        """
        self.folder = folder
        self._kinds = tuple(kinds)
        self._identity = dict(identity)
        folder.mkdir(parents=True, exist_ok=True)

    def finished(self, pair: PairFiles) -> Record | None:
        """Give the record of a pair that is done with the same images and settings, else None."""
        try:
            record = json.loads(self._record_path(pair).read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return None
        if not isinstance(record, dict) or record.get('made_from') != self._made_from(pair):
            return None
        is_whole = all(self._path(pair, kind).is_file() for kind in self._kinds)
        return record if is_whole else None

    def write(
        self, pair: PairFiles, output: StereoOutput, *, title: str, ran_by: Mapping[str, str]
    ) -> Record:
        """Write every file of a pair, then its record, which is returned."""
        record_path = self._record_path(pair)
        record_path.unlink(missing_ok=True)
        for kind in self._kinds:
            KINDS[kind].write(self._path(pair, kind), output, title)
        record: Record = {
            'name': pair.name,
            'files': {kind: self._path(pair, kind).name for kind in self._kinds},
            'valid_fraction': round(output.valid_fraction, 4),
            'depth_m': depth_percentiles(_depth_of(output)),
            'stages_ms': {name: round(1e3 * s, 3) for name, s in output.stages_s.items()},
            'ran_by': dict(ran_by),
            'made_from': self._made_from(pair),
        }
        write_json(record_path, record)
        return record

    def _made_from(self, pair: PairFiles) -> Record:
        return {
            **self._identity,
            'left': file_identity(pair.left),
            'right': file_identity(pair.right),
        }

    def _path(self, pair: PairFiles, kind: str) -> Path:
        return self.folder / f'{pair.name}{KINDS[kind].suffix}'

    def _record_path(self, pair: PairFiles) -> Path:
        return self.folder / f'{pair.name}.json'


def depth_percentiles(depth: np.ndarray) -> dict[str, float | None]:
    """Give the 5th, 50th and 95th percentile of finite depth in metres, None without any."""
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return dict.fromkeys(('p5', 'p50', 'p95'))
    cuts = np.percentile(finite, (5, 50, 95))
    return {
        name: round(float(cut), 4) for name, cut in zip(('p5', 'p50', 'p95'), cuts, strict=True)
    }


def write_json(path: Path, record: Mapping[str, object]) -> None:
    """Write JSON under a temporary name and rename it, so that no half file is ever found."""
    draft = path.with_name(f'.{path.name}.part')
    draft.write_text(json.dumps(record, indent=2) + '\n', encoding='utf-8')
    draft.replace(path)


def file_identity(path: Path) -> Record:
    """Give what tells one state of a file from another without reading it."""
    status = path.stat()
    return {
        'file': str(path.resolve()),
        'bytes': status.st_size,
        'modified_ns': status.st_mtime_ns,
    }
