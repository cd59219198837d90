"""Size and processor time of one depth map, by encoding: zstd chunks, PNG, and RVL.

The maps are SGBM's of a rendered room, in millimetres. RVL (Wilson 2017) is written and read in
NumPy here, which is slower than the authors' C: its milliseconds are this package's own.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import cv2
import numpy as np
import zstandard

import depth_ros
from depth_ros.messages.rvl import decode_rvl
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
            if label.startswith('RVL'):
                assert np.array_equal(read(data), units), 'RVL must be lossless'
            _, read_ms = timed(lambda data=data, read=read: read(data))
            print(row(name, label, len(data), units.nbytes, f'{write_ms:.1f}', f'{read_ms:.1f}'))


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
        'RVL, in NumPy': (lambda: rvl(units), decode_rvl),
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


def rvl(units: np.ndarray) -> bytes:
    """Return a map in RVL, with the head that ``compressed_depth_image_transport`` gives it."""
    numbers = rvl_numbers(units.ravel().astype(np.int64))
    lengths = np.maximum(1, (np.frexp(numbers.astype(np.float64))[1] + 2) // 3)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    pieces = (np.repeat(numbers, lengths) >> 3 * places) & 7
    pieces |= np.where(places < np.repeat(lengths, lengths) - 1, 8, 0)
    words = np.pad(pieces, (0, -len(pieces) % 8)).reshape(-1, 8) << np.arange(28, -1, -4)
    height, width = units.shape
    return struct.pack('<II', width, height) + words.sum(axis=1).astype('<u4').tobytes()


def rvl_numbers(values: np.ndarray) -> np.ndarray:
    """Return the numbers that RVL writes: runs of zeros and of the rest, with its differences."""
    is_known = values > 0
    changes = np.flatnonzero(np.diff(is_known)) + 1
    bounds = np.concatenate([[0], changes, [values.size]])
    if is_known[0]:
        bounds = np.concatenate([[0], bounds])
    runs = np.diff(bounds)
    runs = np.pad(runs, (0, len(runs) % 2)).reshape(-1, 2)
    steps = np.diff(values[is_known], prepend=0)
    zigzag = np.where(steps >= 0, 2 * steps, -2 * steps - 1)
    # Each pair of runs is followed by as many differences as its second number says.
    ends = np.cumsum(runs[:, 1])
    at = np.concatenate([[0], ends[:-1]])
    return np.insert(zigzag, np.repeat(at, 2), runs.ravel())


def row(*cells: object) -> str:
    name, label, size, raw, *times = cells
    assert isinstance(size, int)
    assert isinstance(raw, int)
    parts = [name, label, f'{size / 1024:.0f}', f'{100 * size / raw:.0f} %', *times]
    return f'| {" | ".join(map(str, parts))} |'


if __name__ == '__main__':
    main()
