"""Output files of ``depth-ros run``, and detection of finished inputs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

import numpy as np

from depth_ros.cli.kit.arguments import add_out
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.cloud import write_depth_cloud
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.maps import write_millimetres
from depth_ros.files.whole_file import write_json
from depth_ros.pictures.panels import Scale
from depth_ros.results import DepthResult, known_share

OutputT = TypeVar('OutputT')
Record = dict[str, object]
SUMMARY = 'summary.json'
NOTHING = np.zeros(0, np.float32)
"""Depth of an input whose scale is not known."""
Write = Callable[[Path, OutputT, str], 'bool | None']


class Item(Protocol):
    """One input of a batch."""

    @property
    def name(self) -> str:
        """Name for output files, unique within the batch."""

    @property
    def files(self) -> Mapping[str, Path]:
        """What it is read from, by role, to see whether results are still good."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputKind(Generic[OutputT]):
    """One line of a table of output files.

    Attributes:
        suffix: What follows the input's name.
        write: Writes the file, of which there is none where it gives False.
        summary: One line of help.
    """

    suffix: str
    write: Write[OutputT]
    summary: str


def metric_kinds(
    depth_of: Callable[[OutputT], DepthResult | None], rgb_of: Callable[[OutputT], np.ndarray]
) -> dict[str, OutputKind[OutputT]]:
    """Return the files that any task writes of metric depth: ``depth``, ``png`` and ``cloud``.

    Args:
        depth_of: Metric depth of an output, None where its scale is not known.
        rgb_of: ``(H, W, 3)`` uint8 colours of the same pixels.
    """

    def write_if_known(write: Callable[[Path, DepthResult, OutputT], None]) -> Write[OutputT]:
        def write_known(path: Path, output: OutputT, title: str) -> bool:
            depth = depth_of(output)
            if depth is not None:
                write(path, depth, output)
            return depth is not None

        return write_known

    return {
        'depth': OutputKind(
            suffix='_depth.npy',
            write=write_if_known(lambda path, depth, output: np.save(path, depth.depth)),
            summary='float32 metres; NaN unknown, +Inf beyond range, -Inf too close',
        ),
        'png': OutputKind(
            suffix='_depth_mm.png',
            write=write_if_known(lambda path, depth, output: write_millimetres(path, depth.depth)),
            summary='16-bit millimetres; 0 unknown',
        ),
        'cloud': OutputKind(
            suffix='_cloud.ply',
            write=write_if_known(
                lambda path, depth, output: write_depth_cloud(
                    path, depth.depth, rgb_of(output), depth.camera
                )
            ),
            summary='coloured points, metres, optical frame',
        ),
    }


def add_output_arguments(
    parser: argparse.ArgumentParser,
    kinds: Mapping[str, object],
    *,
    task: str,
    files: str = 'which files',
    again: str = 'do again what is done',
) -> None:
    """Add the folder, which files to write, and whether what is done is done again."""
    add_out(parser, Path(f'{task}_out'))
    names = ','.join(kinds)
    parser.add_argument(
        '--write', default=names, metavar='LIST', help=f'{files}, out of {names} (default all)'
    )
    parser.add_argument('--overwrite', action='store_true', help=again)
    parser.add_argument(
        '--range',
        type=_depth_scale,
        metavar='NEAR:FAR',
        help='depth at the ends of the colours of every picture, e.g. 0.5:8; default its own',
    )


def _depth_scale(text: str) -> Scale:
    near, _, far = text.partition(':')
    try:
        scale = Scale(low=float(near), high=float(far))
    except ValueError:
        scale = Scale(low=0.0, high=0.0)
    if not 0.0 <= scale.low < scale.high < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is no NEAR:FAR in metres, e.g. 0.5:8')
    return scale


def expect_own_folder(folder: Path, task: str) -> None:
    """Refuse a folder with results of another task, which has files of the same names.

    Raises:
        ParameterError: Naming the other task.
    """
    try:
        other = parse_json(given_text(folder / SUMMARY))
    except (InputError, ValueError):
        return
    if isinstance(other, dict) and other.get('task', task) != task:
        raise ParameterError(
            f'{folder} holds results of run {other["task"]}; choose another --out for {task}'
        )


def chosen_kinds(
    arguments: argparse.Namespace,
    kinds: Mapping[str, OutputKind[OutputT]],
    *,
    is_required: bool = True,
) -> dict[str, OutputKind[OutputT]]:
    """Read ``--write depth,cloud`` and ``--range`` of the pictures.

    Raises:
        ParameterError: If a name is not in ``kinds``, or there is none and one is required, or
            the folder is another task's.
    """
    text = arguments.write
    expect_own_folder(arguments.out, arguments.task)
    names = tuple(dict.fromkeys(word.strip() for word in text.split(',') if word.strip()))
    if any(name not in kinds for name in names) or (is_required and not names):
        raise ParameterError(
            f'--write takes a list out of {",".join(kinds)}, got {text!r}; correct it'
        )
    chosen = {name: kinds[name] for name in names}
    if arguments.range and 'picture' in chosen:
        drawn = chosen['picture']
        write = cast('Callable[..., bool | None]', drawn.write)
        write = partial(write, depth_scale=arguments.range)
        chosen['picture'] = replace(drawn, write=write)
    return chosen


class OutputFolder(Generic[OutputT]):
    """Folder of results. A record is written last, so its presence marks a finished input."""

    def __init__(
        self,
        folder: Path,
        kinds: Mapping[str, OutputKind[OutputT]],
        identity: Mapping[str, object],
    ) -> None:
        """Make the folder.

        Args:
            folder: Where to write.
            kinds: Which files.
            identity: What results depend on besides the images; JSON values.
        """
        self.folder = folder
        self._kinds = dict(kinds)
        self._identity = dict(identity)
        folder.mkdir(parents=True, exist_ok=True)

    def finished(self, item: Item) -> Record | None:
        """Return the record of what is done with the same inputs and settings, else None."""
        try:
            record = parse_json(given_text(self._record_path(item)))
        except (InputError, ValueError):
            return None
        if not isinstance(record, dict) or record.get('made_from') != self._made_from(item):
            return None
        if record.get('asked_for') != list(self._kinds):
            return None
        files = record['files'].values()
        return record if all((self.folder / name).is_file() for name in files) else None

    def write(self, item: Item, output: OutputT, *, title: str, facts: Record) -> Record:
        """Write every file of an input, then its record, which is returned.

        What another run left under the input's name goes: files made from other inputs or with
        other settings, and those that there are none of now.
        """
        record_path = self._record_path(item)
        self._forget_others(item)
        record_path.unlink(missing_ok=True)
        files = {}
        for name, kind in self._kinds.items():
            path = self.folder / f'{item.name}{kind.suffix}'
            if kind.write(path, output, title) is False:
                path.unlink(missing_ok=True)
            else:
                files[name] = path.name
        record: Record = {
            'name': item.name,
            'files': files,
            **facts,
            'asked_for': list(self._kinds),
            'made_from': self._made_from(item),
        }
        write_json(record_path, record)
        return record

    def _forget_others(self, item: Item) -> None:
        """Remove the files that a record of other inputs or settings names."""
        try:
            record = parse_json(given_text(self._record_path(item)))
        except (InputError, ValueError):
            return
        if not isinstance(record, dict) or record.get('made_from') == self._made_from(item):
            return
        files = record.get('files')
        for name in files.values() if isinstance(files, dict) else ():
            is_own = isinstance(name, str) and name.startswith(item.name)
            if is_own and Path(name).name == name:
                (self.folder / name).unlink(missing_ok=True)

    def _made_from(self, item: Item) -> Record:
        sources = {role: file_identity(path) for role, path in item.files.items()}
        return {**self._identity, **sources}

    def _record_path(self, item: Item) -> Path:
        return self.folder / f'{item.name}.json'


def run_facts(
    *,
    valid_fraction: float,
    depth: np.ndarray,
    stages_s: Mapping[str, float],
    ran_by: Mapping[str, str],
) -> Record:
    """Return what a record says of any run.

    Args:
        valid_fraction: Share of what was computed that is known, for an output without metres.
        depth: Metres, ``(H, W)`` float32, or ``NOTHING``.
        stages_s: Seconds by stage.
        ran_by: Model, engine, precision and size in words.
    """
    share = known_share(depth) if depth.size else valid_fraction
    return {
        'valid_fraction': round(share, 4),
        'depth_m': depth_percentiles(depth),
        'stages_ms': {name: round(1e3 * seconds, 3) for name, seconds in stages_s.items()},
        'ran_by': dict(ran_by),
    }


def depth_percentiles(depth: np.ndarray) -> dict[str, float | None]:
    """Return the 5th, 50th and 95th percentile of finite depth in metres, None without any."""
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return dict.fromkeys(('p5', 'p50', 'p95'))
    cuts = np.percentile(finite, (5, 50, 95))
    return {
        name: round(float(cut), 4) for name, cut in zip(('p5', 'p50', 'p95'), cuts, strict=True)
    }


def file_identity(path: Path) -> Record:
    """Return the identity of a file's state (without reading its content)."""
    status = path.stat()
    return {
        'file': str(path.resolve()),
        'bytes': status.st_size,
        'modified_ns': status.st_mtime_ns,
    }
