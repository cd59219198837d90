"""Size and processor time of one depth map, by encoding: zstd chunks, PNG, and RVL by its size.

The maps are SGBM's of a rendered room, in millimetres. RVL (Wilson 2017) is counted, not written:
its nibbles follow from run lengths and differences.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import zstandard

import depth_ros
from depth_ros.recordings.bag_writer import ZSTD_LEVEL
from depth_ros.recordings.depth_encodings import whole_units
from depth_ros.scenes.solids import ideal_stereo_camera, render_stereo, room

SIZES = {'VGA': (480, 640), '720p': (720, 1280)}
REPEATS = 10


def main() -> None:
    print('| map | encoding | KiB | of raw 16UC1 | write ms | read ms |')
    print('| --- | --- | --- | --- | --- | --- |')
    for name, (height, width) in SIZES.items():
        depth = depth_of_room(height, width)
        units = whole_units(depth, 0.001)
        for label, (write, read) in codecs(depth, units).items():
            data, write_ms = timed(write)
            _, read_ms = timed(lambda data=data, read=read: read(data))
            print(row(name, label, len(data), units.nbytes, f'{write_ms:.1f}', f'{read_ms:.1f}'))
        print(row(name, 'RVL', rvl_bytes(units), units.nbytes, '-', '-'))


def codecs(
    depth: np.ndarray, units: np.ndarray
) -> dict[str, tuple[Callable[[], bytes], Callable[[bytes], object]]]:
    """Return writer and reader by name."""
    packer, unpacker = zstandard.ZstdCompressor(level=ZSTD_LEVEL), zstandard.ZstdDecompressor()

    def png(level: int) -> bytes:
        return cv2.imencode('.png', units, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()

    def unpng(data: bytes) -> object:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)

    return {
        '32FC1, zstd chunk': (lambda: packer.compress(depth.tobytes()), unpacker.decompress),
        '16UC1, zstd chunk': (lambda: packer.compress(units.tobytes()), unpacker.decompress),
        'compressedDepth (PNG, as written)': (
            lambda: cv2.imencode('.png', units)[1].tobytes(),
            unpng,
        ),
        'PNG, level 6': (lambda: png(6), unpng),
    }


def depth_of_room(height: int, width: int) -> np.ndarray:
    rig = ideal_stereo_camera(height=height, width=width)
    pair = render_stereo(room(), rig, supersample=1)
    with depth_ros.open_stereo(model='sgbm') as stereo:
        return stereo(pair.left.image, pair.right.image, rig).depth


def timed(work: Callable[[], bytes | object]) -> tuple[bytes, float]:
    """Return a result and the milliseconds of processor time of one run."""
    result = work()
    start = time.process_time()
    for _ in range(REPEATS):
        work()
    return result, 1e3 * (time.process_time() - start) / REPEATS  # type: ignore[return-value]


def rvl_bytes(units: np.ndarray) -> int:
    """Return the size of a map in RVL: variable-length words of 3 bits and a flag each."""
    values = units.ravel().astype(np.int64)
    is_known = values > 0
    changes = np.flatnonzero(np.diff(is_known))
    runs = np.diff(np.concatenate([[-1], changes, [values.size - 1]]))
    difference = np.diff(values[is_known], prepend=0)
    zigzag = (difference << 1) ^ (difference >> 63)
    return int(np.ceil((nibbles(runs) + nibbles(zigzag)) / 2))


def nibbles(values: np.ndarray) -> int:
    words = np.maximum(1, np.ceil(np.log2(values + 1) / 3))
    return int(words.sum())


def row(*cells: object) -> str:
    name, label, size, raw, *times = cells
    assert isinstance(size, int)
    assert isinstance(raw, int)
    parts = [name, label, f'{size / 1024:.0f}', f'{100 * size / raw:.0f} %', *times]
    return f'| {" | ".join(map(str, parts))} |'


if __name__ == '__main__':
    main()
