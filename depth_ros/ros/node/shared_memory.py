"""Says, once the size of the images is known, whether shared memory is sized for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from depth_ros.ros.fastdds import (
    MIB,
    SHARED_MEMORY,
    free_bytes,
    profile_segment_bytes,
    segment_bytes,
)

REASON = 'shared_memory'


class SharedMemoryTeller:
    """Compares the segment of the Fast DDS profile with what images need, once a size."""

    def __init__(
        self,
        log: Callable[[str], object],
        warn: Callable[[str, str], None],
        *,
        environment: Mapping[str, str] = os.environ,
        shared_memory: Path = SHARED_MEMORY,
    ) -> None:
        """Say nothing yet.

        Args:
            log: Takes what is fine.
            warn: Takes reason and text of what is not.
            environment: Names the profile, or none.
            shared_memory: Where shared memory is mounted.
        """
        self._log = log
        self._warn = warn
        self._segment = profile_segment_bytes(environment)
        self._shared_memory = shared_memory
        self._size = (0, 0)

    def look(self, height: int, width: int) -> None:
        """Take the size of an image; say nothing of a known one, or without a profile."""
        if self._segment is None or (height, width) == self._size:
            return
        self._size = height, width
        needed, segment = segment_bytes(height, width), self._segment
        free = free_bytes(self._shared_memory)
        size = f'{width}x{height}'
        if needed > segment:
            self._warn(
                REASON,
                f'clouds of {size} need a segment of {needed // MIB} MiB and the Fast DDS profile '
                f'has {segment // MIB} MiB, so some get lost between processes: launch with '
                f'image_size:={size}, or raise segment_size and maxMessageSize in the profile',
            )
        elif free < needed:
            self._warn(
                REASON,
                f'{self._shared_memory} has {free // MIB} MiB free, and a process that reads '
                f'images of {size} takes {segment // MIB} MiB of it: those that start now fall '
                'back to UDP and lose large messages; free what killed processes left (fastdds '
                'shm clean) or enlarge it (docker run --shm-size=1g)',
            )
        else:
            self._log(
                f'shared memory: this process has a segment of {segment // MIB} MiB, images of '
                f'{size} need {needed // MIB} MiB (image_size:={size} in launch); '
                f'{self._shared_memory} has {free // MIB} MiB free'
            )
