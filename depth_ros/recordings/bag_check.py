"""Whether a file that ``BagWriter`` wrote still has every byte, by the checksums within it."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from mcap.opcode import Opcode

from depth_ros.errors import DepthRosError
from depth_ros.recordings.places import blocks_of, open_to_read

_DATA_END = struct.Struct('<BQI')
_FOOTER = struct.Struct('<BQQQI')
_MAGIC_BYTES = 8


def is_intact(name: str) -> bool:
    """Return whether data and summary have the checksums that were written with them.

    A file without a checksum of its data, as other writers make them, is not.

    Raises:
        InputError: Reason ``'file'``, if it cannot be opened.
        DepthRosError: If it cannot be read.
    """
    with open_to_read(name) as file:
        try:
            return _has_its_checksums(file)
        except OSError as error:
            raise DepthRosError(
                f'{name} cannot be read ({error.strerror or error}); check the disk or the '
                'network and type the same command again'
            ) from error


def _has_its_checksums(file: BinaryIO) -> bool:
    tail_bytes = _FOOTER.size + _MAGIC_BYTES
    size = file.seek(0, 2)
    if size < tail_bytes + _DATA_END.size:
        return False
    file.seek(size - tail_bytes)
    opcode, _, summary_start, _, summary_crc = _FOOTER.unpack_from(file.read(tail_bytes))
    end = summary_start - _DATA_END.size
    if opcode != Opcode.FOOTER or not 0 < end < size - tail_bytes:
        return False
    file.seek(end)
    rest = file.read(size - end)
    opcode, _, data_crc = _DATA_END.unpack_from(rest)
    checked = rest[_DATA_END.size : -(4 + _MAGIC_BYTES)]
    if opcode != Opcode.DATA_END or zlib.crc32(checked) != summary_crc:
        return False
    return _checksum(file, end) == data_crc


def _checksum(file: BinaryIO, num_bytes: int) -> int:
    file.seek(0)
    crc = 0
    for data in blocks_of(file, num_bytes):
        crc = zlib.crc32(data, crc)
    return crc
