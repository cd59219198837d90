"""Collects the newest message of each topic, and makes frames for the viewer of them.

Knows ROS field names but imports no ROS, as ``messages/``. Messages are kept as they came
and decoded only when a browser is there to look.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError
from depth_ros.geometry.depth import points_of_cloud
from depth_ros.geometry.postprocess import colorize_depth
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.messages.clouds import PointCloudMessage, decode_cloud
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.headers import stamp_ns
from depth_ros.messages.images import decode_any_image, decode_image
from depth_ros.pictures.panels import Scale, value_scale
from depth_ros.viewer.page import DEFAULT_POINT_SIZE_M, ViewerFrame, point_size_m

NUM_LEFT_KEPT = 8
"""Left images kept: depth comes this many frames later at most."""

RATE_WINDOW_S = 3.0
MAX_TEXT_LINES = 120
MAX_HEADLINES = 6
_LEVELS = ('OK', 'WARN', 'ERROR', 'STALE')

PartT = TypeVar('PartT')


class Role(Enum):
    """Role of a topic in the view; the value is its default name."""

    LEFT = 'left/image_raw'
    DEPTH = 'depth/image'
    CAMERA = 'depth/camera_info'
    DISPARITY = 'disparity/color'
    POINTS = 'points'
    DIAGNOSTICS = 'diagnostics'


class KeyValueMessage(Protocol):
    """Fields of ``diagnostic_msgs/KeyValue``."""

    key: str
    value: str


class StatusMessage(Protocol):
    """Fields of ``diagnostic_msgs/DiagnosticStatus``; rclpy gives the level as one byte."""

    level: bytes | int
    name: str
    message: str
    values: Sequence[KeyValueMessage]


class ViewerInputs:
    """Collect messages in one thread, make frames in another.

    A part that cannot be decoded is left out and named in the frame's text.
    """

    def __init__(self, *, stride: int, expected: Collection[Role] = ()) -> None:
        """Start without messages.

        Args:
            stride: Every ``stride``-th point of an organised cloud is shown.
            expected: Topics whose rate is plotted, and whose silence is named.
        """
        self._stride = stride
        self._lock = threading.Lock()
        self._newest: dict[Role, Any] = {}
        self._lefts: deque[Any] = deque(maxlen=NUM_LEFT_KEPT)
        self._statuses: dict[str, StatusMessage] = {}
        self._rates = {role: _Rate() for role in expected}
        self._scale: Scale | None = None

    def keep(self, role: Role, message: Any) -> None:
        """Keep the newest message of a topic; a few of the left image, to find the right one."""
        with self._lock:
            self._newest[role] = message
            if role is Role.LEFT:
                self._lefts.append(message)
            if role is Role.DIAGNOSTICS:
                self._statuses |= {status.name: status for status in message.status}
            if role in self._rates:
                self._rates[role].count()

    def forget(self) -> None:
        """Drop every message, so that nothing old is shown after a pause."""
        with self._lock:
            self._newest.clear()
            self._lefts.clear()
            self._statuses.clear()
            self._rates = {role: _Rate() for role in self._rates}

    def make_frame(self, *, keeps_colors: bool = False) -> ViewerFrame:
        """Decode the newest messages into one frame, with the left image of the depth's stamp.

        Args:
            keeps_colors: Whether depth keeps the colours it has, once it has some.
        """
        with self._lock:
            newest, lefts = dict(self._newest), list(self._lefts)
            statuses = list(self._statuses.values())
            rates = {role.value: rate.hz() for role, rate in self._rates.items()}
            silent = [role.value for role, rate in self._rates.items() if rate.is_silent()]
        problems = [f'nothing arrives on {name}' for name in silent]
        left = _part(decode_any_image, _left_of(newest, lefts), problems)
        camera = _part(camera_from_info, newest.get(Role.CAMERA), problems)
        picture = self._picture(newest, problems, keeps_colors)
        cloud = _part(self._decode_points, newest.get(Role.POINTS), problems) or _NO_CLOUD
        return ViewerFrame(
            left=left,
            picture=picture.rgb if picture else None,
            picture_label=picture.label if picture else '',
            points=cloud.points,
            colors=cloud.colors,
            point_size_m=cloud.size_m(camera),
            camera=camera,
            headline='\n'.join([*problems, *map(_status_line, statuses)][:MAX_HEADLINES]),
            text='\n'.join(detail_lines(statuses)),
            rates=rates,
        )

    def _picture(
        self, newest: dict[Role, Any], problems: list[str], keeps_colors: bool
    ) -> _Picture | None:
        if Role.DISPARITY in newest:
            rgb = _part(decode_image, newest[Role.DISPARITY], problems)
            return None if rgb is None else _Picture(rgb=rgb, label='disparity')
        depth = _part(decode_depth, newest.get(Role.DEPTH), problems)
        if depth is None:
            return None
        if self._scale is None or not keeps_colors:
            self._scale = _steady_scale(self._scale, _depth_scale(depth[::4, ::4]))
        return _Picture(
            rgb=colorize_depth(depth, min=self._scale.low, max=self._scale.high),
            label=f'depth, red {self._scale.low:.2g} m to blue {self._scale.high:.2g} m or more',
        )

    def _decode_points(self, message: PointCloudMessage) -> _Cloud:
        points, colors = points_of_cloud(decode_cloud(message, stride=self._stride))
        return _Cloud(points=points, colors=colors, columns=-(-int(message.width) // self._stride))


def detail_lines(statuses: Sequence[StatusMessage]) -> list[str]:
    """Return names and values of ``diagnostic_msgs/DiagnosticStatus`` as plain text, cut short."""
    lines: list[str] = []
    for status in statuses:
        lines.append(status.name)
        lines += [f'  {item.key:<20} {item.value}' for item in status.values]
    if len(lines) > MAX_TEXT_LINES:
        return [*lines[:MAX_TEXT_LINES], f'... {len(lines) - MAX_TEXT_LINES} more lines']
    return lines


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Picture:
    rgb: np.ndarray
    label: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Cloud:
    """Points, colours, and how many points a row had (0 where unknown)."""

    points: np.ndarray | None
    colors: np.ndarray | None
    columns: int = 0

    def size_m(self, camera: PinholeCamera | None) -> float:
        """Size of a drawn point: the image's columns over the cloud's are its stride."""
        if camera is None or self.points is None or not 1 < self.columns <= camera.width:
            return DEFAULT_POINT_SIZE_M
        return point_size_m(
            self.points, fx=camera.fx, stride=max(1, round(camera.width / self.columns))
        )


_NO_CLOUD = _Cloud(points=None, colors=None)


class _Rate:
    """Messages per second over the last few seconds; falls to 0 when they stop."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._times: deque[float] = deque(maxlen=512)

    def count(self) -> None:
        """Count a message."""
        self._times.append(time.monotonic())

    def hz(self) -> float:
        """Return messages per second."""
        now_s = time.monotonic()
        span_s = min(RATE_WINDOW_S, max(0.5, now_s - self._start_s))
        return sum(moment > now_s - span_s for moment in self._times) / span_s

    def is_silent(self) -> bool:
        """Whether the whole window had no messages."""
        last_s = self._times[-1] if self._times else self._start_s
        return time.monotonic() - last_s > RATE_WINDOW_S


def _part(decode: Callable[[Any], PartT], message: Any, problems: list[str]) -> PartT | None:
    """Decode a message if there is one; add its error to ``problems``."""
    if message is None:
        return None
    try:
        return decode(message)
    except InputError as error:
        problems.append(str(error))
        return None


def _left_of(newest: dict[Role, Any], lefts: list[Any]) -> Any:
    """Find the left image that the depth was made of, else the newest one."""
    anchor = next((newest[role] for role in (Role.DEPTH, Role.DISPARITY) if role in newest), None)
    if anchor is not None:
        wanted_ns = stamp_ns(anchor.header.stamp)
        for left in reversed(lefts):
            if stamp_ns(left.header.stamp) == wanted_ns:
                return left
    return newest.get(Role.LEFT)


def _depth_scale(depth: np.ndarray) -> Scale:
    """Find a scale that resolves near depths, even if most of the image is far away."""
    scale = value_scale(depth, high_percent=95.0)
    finite = depth[np.isfinite(depth)]
    if not finite.size:
        return scale
    return Scale(low=scale.low, high=min(scale.high, scale.low + 1.5 * float(np.median(finite))))


def _steady_scale(last: Scale | None, present: Scale) -> Scale:
    """Keep the last scale while it fits, so that colours do not flicker."""
    if last is None:
        return present
    slack = 0.2 * (last.high - last.low)
    is_near = abs(present.low - last.low) < slack and abs(present.high - last.high) < slack
    return last if is_near else present


def _status_line(status: StatusMessage) -> str:
    level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
    word = _LEVELS[level] if level < len(_LEVELS) else str(level)
    return f'{status.name}: {word} {status.message}'
