"""Which recordings of a folder of results a job has begun and not finished."""

from __future__ import annotations

import json
from collections.abc import Mapping

from depth_ros.errors import InputError
from depth_ros.files.json_text import parse_json
from depth_ros.recordings.places import is_there, join, read_whole, remove, write_whole
from depth_ros.recordings.plan import PARTS

FILE = 'unfinished.json'


def write_unfinished(out: str, recordings: Mapping[str, str]) -> None:
    """Note what is still to be done; nothing leaves no file.

    Args:
        out: Folder of results.
        recordings: Paths of the recordings by the names of their results.

    Raises:
        DepthRosError: If the disk is full.
    """
    if recordings:
        write_whole(_name(out), json.dumps(recordings, indent=2).encode() + b'\n')
    else:
        remove(_name(out))


def read_unfinished(out: str) -> dict[str, str]:
    """Return the paths of unfinished recordings by the names of their results."""
    if not is_there(_name(out)):
        return {}
    try:
        found = parse_json(read_whole(_name(out)).decode())
    except (ValueError, InputError):
        return {}
    return (
        {str(name): str(path) for name, path in found.items()} if isinstance(found, dict) else {}
    )


def _name(out: str) -> str:
    return join(out, PARTS, FILE)
