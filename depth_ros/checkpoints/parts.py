"""Checkpoints that are published as several files: a folder, or a zip archive. Needs no torch.

Monodepth2's weights are a folder of ``encoder.pth``, ``depth.pth`` and, where a pose network
belongs to them, ``pose_encoder.pth`` and ``pose.pth``; other models publish one checkpoint in a
zip archive. Archives are read in memory, never unpacked to disk.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from depth_ros.checkpoints.safetensors_header import read_header
from depth_ros.errors import WeightsError
from depth_ros.files.zip_members import ZIP_ERRORS, checked_members

PARTS = ('encoder', 'depth', 'pose_encoder', 'pose')
"""File names without ``.pth``; also, with a dot, the prefixes of the parts' names when merged."""

_TOGETHER = (('encoder', 'depth'), ('pose_encoder', 'pose'))
_CHECKPOINTS = ('.pth', '.pt', '.ckpt', '.safetensors', '.npz')
_MAX_NAMES_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointParts:
    """The files of a checkpoint.

    Attributes:
        path: The folder or zip archive.
        members: File inside by part; the one part ``''`` where a zip holds a single checkpoint.
    """

    path: Path
    members: Mapping[str, str]

    def open(self, part: str) -> IO[bytes]:
        """Open one file; those of an archive are read into memory.

        Raises:
            OSError: If it cannot be read.
            zipfile.BadZipFile: If the archive is damaged.
            ValueError: If the archive unpacks to more than is allowed.
        """
        name = self.members[part]
        if self.path.is_dir():
            return (self.path / name).open('rb')
        with zipfile.ZipFile(self.path) as archive:
            checked_members(archive)
            return io.BytesIO(archive.read(name))

    def sha256(self) -> str:
        """Hash a zip archive as a file, a folder by the parts alone."""
        if not self.path.is_dir():
            with self.path.open('rb') as file:
                return _digest(file)
        lines = []
        for part in sorted(self.members):
            with self.open(part) as file:
                lines.append(f'{part} {_digest(file)}\n')
        return hashlib.sha256(''.join(lines).encode()).hexdigest()


def find_parts(path: Path) -> CheckpointParts | None:
    """List the files of a checkpoint folder or zip archive; None for any other file.

    Raises:
        WeightsError: If files are missing, or more than one checkpoint is meant; names them.
    """
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    elif path.suffix == '.zip' and path.is_file():
        names = _archive_names(path)
    else:
        return None
    found: dict[str, str] = {}
    for name in names:
        part = _part_of(name)
        if part in found:
            raise WeightsError(
                f'{str(path)!r} holds {found[part]} and {name}; unpack it and name the folder of '
                'one checkpoint'
            )
        if part:
            found[part] = name
    if not found:
        return _single(path, names)
    _check_complete(path, found)
    return CheckpointParts(path=path, members=found)


def holds_parts(path: Path) -> bool:
    """Whether a folder holds any part of a checkpoint."""
    return path.is_dir() and any((path / f'{part}.pth').is_file() for part in PARTS)


def merged_parts(path: Path) -> frozenset[str]:
    """Return the parts whose parameters a ``.safetensors`` file holds, by its header alone.

    Empty where they have no such names, or the file is none: reading it says what is wrong.
    """
    try:
        with path.open('rb') as file:
            names = read_header(file)
    except ValueError:
        return frozenset()
    beginnings = {name.partition('.')[0] for name in names}
    return frozenset(beginnings & set(PARTS))


def _archive_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [info.filename for info in checked_members(archive)]
    except ZIP_ERRORS as error:
        raise WeightsError(
            f'{str(path)!r} cannot be read as a zip archive ({error}); it may be truncated: '
            'download it again'
        ) from error


def _part_of(name: str) -> str:
    """Return the part that a file is, or an empty text."""
    file = PurePosixPath(name)
    return file.stem if file.suffix == '.pth' and file.stem in PARTS else ''


def _single(path: Path, names: Sequence[str]) -> CheckpointParts:
    files = [PurePosixPath(name) for name in names]
    checkpoints = [
        str(file) for file in files if file.suffix in _CHECKPOINTS and file.name[0] != '.'
    ]
    if len(checkpoints) == 1 and not path.is_dir():
        return CheckpointParts(path=path, members={'': checkpoints[0]})
    more = ', ...' if len(names) > _MAX_NAMES_SHOWN else ''
    shown = ', '.join(names[:_MAX_NAMES_SHOWN]) + more
    raise WeightsError(
        f'there are no weights at {str(path)!r}: expected one checkpoint, or encoder.pth and '
        f'depth.pth, found {shown or "nothing"}; name the checkpoint file or the folder of them'
    )


def _check_complete(path: Path, found: Mapping[str, str]) -> None:
    """Refuse a depth network without its encoder and so on; a pose network may be absent."""
    needed = [part for part in _TOGETHER[0] if part not in found]
    if any(part in found for part in _TOGETHER[1]):
        needed += [part for part in _TOGETHER[1] if part not in found]
    if needed:
        raise WeightsError(
            f'{str(path)!r} has {", ".join(sorted(found.values()))} but not '
            f'{", ".join(f"{part}.pth" for part in needed)}; put all files of the checkpoint there'
        )


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
