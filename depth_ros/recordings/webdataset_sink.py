"""A result as shards of WebDataset: tar files whose members of one stem are one sample.

The format is that of the package ``webdataset``; writing it takes the standard library alone.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack
from typing import BinaryIO, cast

from depth_ros.recordings.files_sink import as_file
from depth_ros.recordings.places import join, stem_of, written_whole
from depth_ros.recordings.result_frames import ResultFrame


class WebDatasetSink:
    """Writes ``NAME-000000.tar`` and so on; see ``FrameSink``."""

    def __init__(self, folder: str, *, counts: Mapping[str, int], shard_frames: int) -> None:
        """Begin."""
        self._folder = folder
        self._shard_frames = shard_frames
        self._number = 0
        self._open = ExitStack()
        self._tar: tarfile.TarFile | None = None

    def add(self, frame: ResultFrame) -> None:
        """Append a sample; each topic is a member, its slashes become underscores."""
        if self._number % self._shard_frames == 0:
            self._begin_shard()
        assert self._tar is not None
        key = f'{self._number:09d}'
        self._number += 1
        about = {
            'task': frame.task,
            'stamp_ns': frame.stamp_ns,
            'log_ns': frame.log_ns,
            'frame_id': frame.frame_id,
            'units_m': frame.units_m,
        }
        self._put(f'{key}.json', json.dumps(about).encode() + b'\n')
        for topic, value in frame.values.items():
            ending, data = as_file(value)
            self._put(f'{key}.{topic.replace("/", "_")}.{ending}', data)

    def finish(self) -> None:
        """Close the last shard."""
        self._open.close()

    def _begin_shard(self) -> None:
        self._open.close()
        number = self._number // self._shard_frames
        name = join(self._folder, f'{stem_of(self._folder)}-{number:06d}.tar')
        sink = self._open.enter_context(written_whole(name))
        self._tar = self._open.enter_context(
            tarfile.TarFile.open(
                fileobj=cast(BinaryIO, sink), mode='w|', format=tarfile.USTAR_FORMAT
            )
        )

    def _put(self, name: str, data: bytes) -> None:
        assert self._tar is not None
        member = tarfile.TarInfo(name)
        member.size = len(data)  # owner, mode and time stay those of every other member
        self._tar.addfile(member, io.BytesIO(data))
