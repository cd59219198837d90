"""A result as single files: PNG, npy and JSON, a folder for each topic."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping

import cv2
import numpy as np

from depth_ros.recordings.places import join, write_whole
from depth_ros.recordings.result_frames import FrameValue, ResultFrame


class FilesSink:
    """Writes ``TOPIC/NUMBER_STAMP.ENDING``; see ``FrameSink``."""

    def __init__(self, folder: str, *, counts: Mapping[str, int], shard_frames: int) -> None:
        """Begin."""
        self._folder = folder
        self._numbers: Counter[str] = Counter()

    def add(self, frame: ResultFrame) -> None:
        """Write a file for every topic."""
        for topic, value in frame.values.items():
            ending, data = as_file(value)
            number = self._numbers[topic]
            self._numbers[topic] += 1
            name = f'{number:06d}_{frame.stamp_ns}.{ending}'
            write_whole(join(self._folder, topic, name), data)

    def finish(self) -> None:
        """Do nothing: every file is whole."""


def as_file(value: FrameValue) -> tuple[str, bytes]:
    """Return the ending and the content of the file of a value.

    Images and whole units are PNG, everything else that has rows is npy, the rest JSON.
    """
    if not isinstance(value, np.ndarray):
        return 'json', json.dumps(value).encode() + b'\n'
    if value.dtype == np.uint16 or (value.dtype == np.uint8 and value.ndim == 3):
        pixels = cv2.cvtColor(value, cv2.COLOR_RGB2BGR) if value.ndim == 3 else value
        _, data = cv2.imencode('.png', pixels)
        return 'png', data.tobytes()
    buffer = io.BytesIO()
    np.save(buffer, value)
    return 'npy', buffer.getvalue()
