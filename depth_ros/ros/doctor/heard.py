"""What comes on one topic, kept within bounds, and turned into plain values at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError, InputError
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.messages.depth import decode_any_depth
from depth_ros.messages.headers import stamp_ns
from depth_ros.messages.images import announced_size, decode_image
from depth_ros.ros.doctor.snapshot import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGES,
    HeardHeader,
    HeardImage,
    HeardTopic,
)

MAX_IMAGES = 20
"""Messages that are taken of a topic of images; then the doctor unsubscribes."""

MAX_OTHERS = 500
LONGEST_NAME = 200
FLOATS, STEPS = ('32FC1', '64FC1'), ('16UC1', 'mono16')


@dataclass(eq=False)
class Listening:
    """A topic while it is listened to.

    Attributes:
        topic: Full name.
        kind: Message type.
        clock_ns: Returns the newest ``/clock``, 0 without one.
    """

    topic: str
    kind: str
    clock_ns: Callable[[], int]
    headers: list[HeardHeader] = field(default_factory=list)
    _newest: Any = None
    _begun_s: float = field(default_factory=time.monotonic)

    @property
    def is_enough(self) -> bool:
        """Whether no further message is needed."""
        return len(self.headers) >= (MAX_IMAGES if self.kind in IMAGES else MAX_OTHERS)

    def is_heard(self, *, has_clock: bool) -> bool:
        """Whether it said something, and where there is a ``/clock`` since that was heard."""
        last = self.headers[-1] if self.headers else None
        return last is not None and (not has_clock or last.clock_ns > 0 or self.is_enough)

    def take(self, message: Any) -> None:
        """Keep the header of a message, and the newest message."""
        if self.is_enough:
            return
        header = message.header
        self.headers.append(
            HeardHeader(
                arrival_s=time.monotonic(),
                stamp_ns=stamp_ns(header.stamp),
                wall_ns=time.time_ns(),
                clock_ns=self.clock_ns(),
                frame_id=header.frame_id[:LONGEST_NAME],
            )
        )
        self._newest = message

    def result(self) -> HeardTopic:
        """Return what came, the newest message decoded."""
        camera, problem = self._camera()
        now_s = time.monotonic()
        return HeardTopic(
            topic=self.topic,
            kind=self.kind,
            listened_s=now_s - self._begun_s,
            heard_s=now_s - self.headers[0].arrival_s if self.headers else 0.0,
            headers=tuple(self.headers),
            image=self._image(),
            camera=camera,
            problem=problem,
        )

    def _camera(self) -> tuple[PinholeCamera | None, InputError | None]:
        if self.kind != CAMERA_INFO or self._newest is None:
            return None, None
        try:
            return camera_from_info(self._newest), None
        except InputError as error:
            return None, error

    def _image(self) -> HeardImage | None:
        message = self._newest
        if self.kind not in IMAGES or message is None:
            return None
        if self.kind == COMPRESSED:
            return self._compressed()
        name = message.encoding[:LONGEST_NAME]
        problem, depth = None, float('nan')
        try:
            if self._is_depth(name):
                depth = middle(decode_any_depth(message, unit_m=1.0))
            else:
                decode_image(message)
        except ImageError as error:
            problem = error
        return HeardImage(
            height=int(message.height),
            width=int(message.width),
            encoding=name,
            num_bytes=len(message.data),
            problem=problem,
            depth_median=depth,
        )

    def _compressed(self) -> HeardImage:
        message = self._newest
        height = width = 0
        problem, depth = None, float('nan')
        try:
            if 'compresseddepth' in message.format.lower():
                values = decode_any_depth(message, unit_m=1.0)
                (height, width), depth = values.shape[:2], middle(values)
            else:
                height, width = announced_size(message)
        except ImageError as error:
            problem = error
        return HeardImage(
            height=height,
            width=width,
            encoding=message.format.partition(';')[0][:LONGEST_NAME],
            num_bytes=len(message.data),
            problem=problem,
            depth_median=depth,
        )

    def _is_depth(self, encoding: str) -> bool:
        return encoding in FLOATS or (encoding in STEPS and 'depth' in self.topic)


def middle(depth: np.ndarray) -> float:
    """Return the median of the positive finite values, 0 where there is none."""
    known = depth[np.isfinite(depth) & (depth > 0.0)]
    return float(np.median(known)) if known.size else 0.0
