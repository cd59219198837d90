"""A result as a Zarr group (format 2): arrays of ``(frames, H, W)``, chunked by frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from depth_ros.errors import DepthRosError
from depth_ros.recordings.places import join, write_whole
from depth_ros.recordings.result_frames import FrameValue, ResultFrame

STAMPS = 'stamp_ns'
LISTS = ('/points', '/matches')
"""Topics whose number of rows differs from frame to frame; an array has one shape."""
FORMAT = 2


def expect_library() -> None:
    """Require the package zarr.

    Raises:
        DepthRosError: Saying how to install it.
    """
    try:
        import zarr

        is_new = int(str(zarr.__version__).partition('.')[0]) >= 3
    except ImportError:
        is_new = False
    if not is_new:
        raise DepthRosError(
            "sinks.zarr needs the package zarr, 3 or newer; type: pip install 'zarr>=3' (Python "
            '3.11 or newer), or set sinks.zarr to false'
        )


class ZarrSink:
    """Writes every topic of arrays of one shape; see ``FrameSink``.

    Zarr itself encodes, into memory; what it made is written out after every frame.
    """

    def __init__(self, folder: str, *, counts: Mapping[str, int], shard_frames: int) -> None:
        """Begin."""
        expect_library()
        import zarr

        self._folder = folder
        self._counts = counts
        self._made: dict[str, Any] = {}
        self._group = zarr.open_group(
            zarr.storage.MemoryStore(self._made), mode='w', zarr_format=FORMAT
        )
        self._arrays: dict[str, Any] = {}
        self._stamps: dict[str, np.ndarray] = {}
        self._numbers: dict[str, int] = {}
        self._records: set[str] = set()

    def add(self, frame: ResultFrame) -> None:
        """Write maps and poses of a frame, and the first calibration.

        Raises:
            DepthRosError: If a map has another size than those before it.
        """
        for topic, value in frame.values.items():
            if topic.endswith(LISTS):
                continue
            rows = _as_rows(value)
            if rows is not None:
                self._put(topic, rows, frame)
            elif topic not in self._records:
                self._records.add(topic)
                text = json.dumps(value).encode() + b'\n'
                write_whole(join(self._folder, f'{topic.replace("/", "_")}.json'), text)
        self._flush()

    def finish(self) -> None:
        """Write stamps, and the metadata of the group."""
        for topic, stamps in self._stamps.items():
            self._array(f'{topic}_{STAMPS}', stamps.shape, stamps.shape, stamps.dtype)[:] = stamps
        self._flush()

    def _put(self, topic: str, value: np.ndarray, frame: ResultFrame) -> None:
        if topic not in self._arrays:
            count = self._counts[topic]
            self._arrays[topic] = self._array(
                topic, (count, *value.shape), (1, *value.shape), value.dtype
            )
            unit_m = frame.units_m.get(topic)
            if unit_m is not None:
                self._arrays[topic].attrs['unit_m'] = unit_m
            self._stamps[topic] = np.zeros(count, np.int64)
            self._numbers[topic] = 0
        array, number = self._arrays[topic], self._numbers[topic]
        if array.shape[1:] != value.shape:
            raise DepthRosError(
                f'{topic} changes its size from {array.shape[1:]} to {value.shape} within the '
                'recording, and an array has one; set sinks.zarr to false'
            )
        array[number] = value
        self._stamps[topic][number] = frame.stamp_ns
        self._numbers[topic] += 1

    def _array(
        self, topic: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any
    ) -> Any:
        return self._group.create_array(
            topic.replace('/', '_'), shape=shape, chunks=chunks, dtype=dtype, fill_value=0
        )

    def _flush(self) -> None:
        """Write out what Zarr made; descriptions stay in memory too, as it reads them again."""
        for key in sorted(self._made):
            write_whole(join(self._folder, key), self._made[key].to_bytes())
            if not key.rpartition('/')[2].startswith('.z'):
                del self._made[key]


def _as_rows(value: FrameValue) -> np.ndarray | None:
    """Return a map as it is and a pose as its matrix; None for other records."""
    if isinstance(value, np.ndarray):
        return value
    return np.array(value['matrix'], np.float64) if 'matrix' in value else None
