"""The mark of a result, ``NAME.json``: what it is made of, and hashes of every file of it.

The mark is there before the first file is, without hashes, so that whoever finds files half-way
knows whose they are.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from hashlib import sha256

from depth_ros.errors import InputError
from depth_ros.files.json_text import parse_json
from depth_ros.recordings.places import (
    blocks_of,
    files_below,
    is_there,
    join,
    open_to_read,
    read_whole,
    write_whole,
)
from depth_ros.recordings.plan import result_files
from depth_ros.recordings.sinks import SINKS

FILES = 'files'


def mark_name(out: str, name: str) -> str:
    """Return the name of a recording's mark."""
    return join(out, f'{name}.json')


def cloud_name(out: str, name: str) -> str:
    """Return the name of a recording's fused cloud."""
    return join(out, f'{name}.ply')


def read_mark(out: str, name: str) -> Mapping[str, object] | None:
    """Return the mark of a result; None where there is none or it is damaged."""
    path = mark_name(out, name)
    if not is_there(path):
        return None
    try:
        mark = parse_json(read_whole(path).decode())
    except (ValueError, InputError):
        return None
    return mark if isinstance(mark, dict) and {'recording', 'parts'} <= mark.keys() else None


def begin_mark(out: str, name: str, made_of: Mapping[str, object]) -> None:
    """Say that a result is under way; raises as ``written_whole``."""
    _write(out, name, {**made_of, FILES: None})


def finish_mark(out: str, name: str, made_of: Mapping[str, object]) -> None:
    """Say that a result is finished, with the size and hash of every file that is there."""
    _write(out, name, {**made_of, FILES: _seals(out, name)})


def is_finished(out: str, name: str, made_of: Mapping[str, object]) -> bool:
    """Return whether a result is there, made of the same, and every byte of it is as it was."""
    mark = read_mark(out, name)
    if mark is None or not mark.get(FILES):
        return False
    same = json.loads(json.dumps(made_of))
    if {key: value for key, value in mark.items() if key != FILES} != same:
        return False
    try:
        return mark[FILES] == _seals(out, name)
    except InputError:
        return False


def _write(out: str, name: str, mark: Mapping[str, object]) -> None:
    write_whole(mark_name(out, name), json.dumps(mark, indent=2).encode() + b'\n')


def _seals(out: str, name: str) -> dict[str, dict[str, object]]:
    """Return size and SHA-256 of the files of a result, by their names below ``out``."""
    files = result_files(out, name)
    paths = [files.bag, files.ledger, files.figures, cloud_name(out, name)]
    for kind in SINKS:
        folder = join(out, f'{name}.{kind}')
        paths += [join(folder, file) for file in files_below(folder)]
    skipped = len(join(out, ''))
    return {path[skipped:]: _seal(path) for path in sorted(paths) if is_there(path)}


def _seal(path: str) -> dict[str, object]:
    digest = sha256()
    with open_to_read(path) as file:
        num_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        for data in blocks_of(file, num_bytes):
            digest.update(data)
    return {'bytes': num_bytes, 'sha256': digest.hexdigest()}
