"""Zip archives within bounds: what is small on the disk may unpack to anything."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence

MAX_MEMBER_BYTES = 1 << 30
MAX_ARCHIVE_BYTES = 4 << 30
"""All members together: entries of an archive may overlap in the file."""

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
    KeyError,
    IndexError,
    AttributeError,
)
"""What reading an altered archive raises; RuntimeError includes passwords and features unknown to
Python."""


def checked_members(archive: zipfile.ZipFile) -> Sequence[zipfile.ZipInfo]:
    """Return what an archive holds, folders left out.

    Raises:
        ValueError: If a member, or all of them, unpack to more than is allowed, or if one is
            compressed in a way that no writer of arrays or weights uses.
    """
    members = [info for info in archive.infolist() if not info.is_dir()]
    for info in members:
        if info.file_size > MAX_MEMBER_BYTES:
            raise ValueError(
                f'{info.filename!r} in it unpacks to {info.file_size >> 20} MiB, at most '
                f'{MAX_MEMBER_BYTES >> 20} MiB are unpacked'
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f'{info.filename!r} in it is neither stored nor deflated')
    total = sum(info.file_size for info in members)
    if total > MAX_ARCHIVE_BYTES:
        raise ValueError(
            f'it unpacks to {total >> 20} MiB, at most {MAX_ARCHIVE_BYTES >> 20} MiB are unpacked'
        )
    return members
