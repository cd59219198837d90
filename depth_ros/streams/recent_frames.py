"""The last frames of a camera by their stamps, bounded in number and memory. Thread-safe."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from depth_ros.errors import InputError

FrameT = TypeVar('FrameT')


class RecentFrames(Generic[FrameT]):
    """Keeps the newest frames in the order they came; the oldest go first."""

    def __init__(self, *, max_frames: int, max_bytes: int) -> None:
        """Start empty.

        Args:
            max_frames: Frames to keep, at least 1.
            max_bytes: Memory they may hold; the newest frame is always kept.
        """
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._frames: OrderedDict[int, tuple[FrameT, int]] = OrderedDict()
        self._num_bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def set_limits(self, *, max_frames: int, max_bytes: int) -> None:
        """Change the limits; frames beyond them are dropped at once."""
        with self._lock:
            self._max_frames, self._max_bytes = max_frames, max_bytes
            self._trim()

    def add(self, stamp_ns: int, frame: FrameT, *, num_bytes: int) -> None:
        """Add a frame; it replaces one with the same stamp."""
        with self._lock:
            self._num_bytes += num_bytes - self._frames.pop(stamp_ns, (None, 0))[1]
            self._frames[stamp_ns] = (frame, num_bytes)
            self._trim()

    def at(self, stamp_ns: int) -> FrameT:
        """Return the frame of exactly this stamp.

        Raises:
            InputError: With reason ``'unknown_stamp'``, saying which stamps there are.
        """
        with self._lock:
            if stamp_ns in self._frames:
                return self._frames[stamp_ns][0]
            stamps = list(self._frames)
        if not stamps:
            raise InputError(
                'unknown_stamp',
                f'there is no frame of stamp {_text(stamp_ns)}: none has been received; check '
                'that images arrive on image_raw, or send the image itself',
            )
        raise InputError(
            'unknown_stamp',
            f'there is no frame of stamp {_text(stamp_ns)}; the last {len(stamps)} frames go from '
            f'{_text(min(stamps))} to {_text(max(stamps))}: take the stamp of one of them, send '
            'the image itself, or raise recent_frames',
        )

    def before_newest(self, steps: int) -> FrameT | None:
        """Return the frame that came ``steps`` before the newest; None if there is none."""
        with self._lock:
            stamps = list(self._frames)
            return self._frames[stamps[-1 - steps]][0] if steps < len(stamps) else None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._frames.clear()
            self._num_bytes = 0

    def _trim(self) -> None:
        while len(self._frames) > 1 and (
            len(self._frames) > self._max_frames or self._num_bytes > self._max_bytes
        ):
            _, (_, num_bytes) = self._frames.popitem(last=False)
            self._num_bytes -= num_bytes


def _text(stamp_ns: int) -> str:
    return f'{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d}'
