"""The page in the browser: one frame's pictures, cloud and numbers, drawn with viser.

The scene is the optical frame of the reference camera (REP 103: z forward, x right, y down).
Only ``viewer.py`` imports viser; the page gets a running server handed in.
"""

from __future__ import annotations

import html
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError
from depth_ros.frames import check_rgb_image

DEFAULT_POINT_SIZE_M = 0.007
"""Fits rooms at stride 2."""
STALE_AFTER_S = 2.0
_JPEG_QUALITY = 80
_PANEL_WIDTH_PX = 340
_PLOT_SECONDS = 60
_LINE_COLORS = ('#4dabf7', '#ffa94d', '#69db7c', '#f783ac', '#b197fc', '#ffe066')


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewerFrame:
    """One frame to show; an array that is None leaves that part of the page unchanged.

    Attributes:
        left: ``(H, W, 3)`` uint8 RGB, the reference image.
        picture: ``(H, W, 3)`` uint8 RGB, depth or disparity in colours.
        picture_label: What the picture is, with its scale, e.g. ``'depth 0.6 to 4.8 m'``.
        points: ``(N, 3)`` float32 metres in the optical frame; non-finite ones are left out.
        colors: ``(N, 3)`` uint8 RGB, one for each point.
        point_size_m: Edge of a drawn point; see ``point_size_m``.
        camera: Drawn as a small pyramid at the origin.
        headline: A few words at the top of the page, plain text.
        text: Details at the bottom of the page, plain text (never read as markup).
        rates: Numbers to plot over time, e.g. ``{'depth Hz': 14.8}``.
    """

    left: np.ndarray | None = None
    picture: np.ndarray | None = None
    picture_label: str = 'depth'
    points: np.ndarray | None = None
    colors: np.ndarray | None = None
    point_size_m: float = DEFAULT_POINT_SIZE_M
    camera: PinholeCamera | None = None
    headline: str = ''
    text: str = ''
    rates: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for what, image in (('left', self.left), ('picture', self.picture)):
            if image is not None:
                check_rgb_image(image, what=what)
        if self.points is not None:
            _check_cloud(self.points, self.colors)


def point_size_m(points: np.ndarray, *, fx: float, stride: int) -> float:
    """Return the edge at which neighbouring points just touch at the median distance.

    One pixel at distance z is ``z / fx`` wide; every ``stride``-th pixel is a point.

    Args:
        points: ``(N, 3)`` metres; non-finite ones are ignored.
        fx: Focal length in pixels of the full-resolution image.
        stride: Pixels from one point to the next.
    """
    sample = points[:: max(1, len(points) // 4096), 2]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return DEFAULT_POINT_SIZE_M
    return stride * abs(float(np.median(sample))) / fx


class Page:
    """The panels and the scene of one server; one thread draws.

    Parts appear with the first frame that has them and are then updated in place, so that a
    browser that opens late gets the newest state and nothing older.
    """

    def __init__(self, server: Any) -> None:
        """Lay out an empty page on a ``viser.ViserServer``."""
        self._server = server
        self._images: dict[str, Any] = {}
        self._cloud: Any = None
        self._camera_key: tuple[float, float] | None = None
        self._plot = _RatePlot(server.gui)
        server.scene.set_up_direction('-y')
        server.initial_camera.position = (0.0, -0.25, -0.6)
        server.initial_camera.look_at = (0.0, 0.0, 2.0)
        server.gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        server.gui.main_panel.dock_left()
        server.gui.main_panel.set_width(_PANEL_WIDTH_PX)
        self._status = server.gui.add_html(_plain('waiting for frames'), order=0)
        self._text = server.gui.add_html('', order=5)
        self._controls = _Controls(server.gui)

    def draw(self, frame: ViewerFrame) -> None:
        """Show a frame, unless the page is paused; browsers apply all of it at once."""
        if self._controls.is_paused:
            self._status.content = _plain('PAUSED\n' + frame.headline)
            return
        with self._server.atomic():
            self._draw_image('left', frame.left, label='left', order=1)
            self._draw_image('picture', frame.picture, label=frame.picture_label, order=2)
            self._draw_camera(frame.camera)
            self._draw_cloud(frame)
            self._plot.add(frame.rates)
            self._status.content = _plain(f'live\n{frame.headline}')
            self._text.content = _plain(frame.text)

    @property
    def keeps_colors(self) -> bool:
        """Whether the range of the picture's colours is to stay as it is."""
        return self._controls.keeps_colors

    def show_problem(self, text: str) -> None:
        """Show on the page why the newest frame is missing."""
        self._status.content = _plain(f'NOT SHOWN: {text}')

    def show_age(self, age_s: float) -> None:
        """Show on the page that no new frame has come, so that a stale one is recognised."""
        if age_s > STALE_AFTER_S:
            self._status.content = _plain(f'NO NEW FRAME for {age_s:.0f} s')

    def _draw_image(self, name: str, image: np.ndarray | None, *, label: str, order: int) -> None:
        if image is None:
            return
        if name in self._images:
            self._images[name].image = image
            self._images[name].label = label
            return
        self._images[name] = self._server.gui.add_image(
            image, label=label, format='jpeg', jpeg_quality=_JPEG_QUALITY, order=order
        )

    def _draw_camera(self, camera: PinholeCamera | None) -> None:
        if camera is None:
            return
        fov_rad = 2.0 * math.atan(camera.height / (2.0 * camera.fy))
        key = (fov_rad, camera.width / camera.height)
        if key != self._camera_key:
            self._camera_key = key
            self._server.scene.add_camera_frustum(
                '/camera',
                fov=key[0],
                aspect=key[1],
                scale=0.08,
                thickness=0.003,
                color=(255, 160, 0),
            )

    def _draw_cloud(self, frame: ViewerFrame) -> None:
        if frame.points is None or frame.colors is None:
            return
        is_known = np.isfinite(frame.points).all(axis=1)
        points, colors = frame.points[is_known], frame.colors[is_known]
        size_m = frame.point_size_m * self._controls.point_scale
        if self._cloud is None:
            self._cloud = self._server.scene.add_point_cloud(
                '/cloud',
                points,
                colors,
                point_size=size_m,
                point_shading='flat',
            )
            return
        self._cloud.points = points
        self._cloud.colors = colors
        # Updating in small steps would make the point size flicker with every frame.
        if not 0.8 < size_m / self._cloud.point_size < 1.25:
            self._cloud.point_size = size_m


class _Controls:
    """What whoever looks may change; it holds for every browser that is open."""

    def __init__(self, gui: Any) -> None:
        with gui.add_folder('view', order=4, expand_by_default=False):
            self._pause = gui.add_checkbox('pause', initial_value=False)
            self._size = gui.add_slider(
                'point size', min=0.25, max=4.0, step=0.25, initial_value=1.0
            )
            self._keep = gui.add_checkbox('keep the colours', initial_value=False)
            large = gui.add_checkbox('large pictures', initial_value=False)

        @large.on_update
        def _(event: object) -> None:
            gui.main_panel.set_width((1 + large.value) * _PANEL_WIDTH_PX)

    @property
    def is_paused(self) -> bool:
        """Whether the picture stands still."""
        return bool(self._pause.value)

    @property
    def keeps_colors(self) -> bool:
        """Whether the range of colours stays as it is."""
        return bool(self._keep.value)

    @property
    def point_scale(self) -> float:
        """Factor on the size of points."""
        return float(self._size.value)


class _RatePlot:
    """Lines over the last minute, one point a second."""

    def __init__(self, gui: Any) -> None:
        self._gui = gui
        self._plot: Any = None
        self._names: tuple[str, ...] = ()
        self._rows: deque[tuple[float, ...]] = deque(maxlen=_PLOT_SECONDS)
        self._start_s = time.monotonic()

    def add(self, rates: Mapping[str, float]) -> None:
        """Add the present values; a change of names restarts the plot."""
        if not rates:
            return
        now_s = time.monotonic() - self._start_s
        if tuple(rates) != self._names:
            self._restart(tuple(rates))
        if self._rows and now_s - self._rows[-1][0] < 1.0:
            return
        self._rows.append((now_s, *(float(value) for value in rates.values())))
        self._update()

    def _restart(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._rows.clear()
        if self._plot is not None:
            self._plot.remove()
            self._plot = None

    def _update(self) -> None:
        # A copy for each column: viser keeps the arrays while another thread sends them.
        columns = tuple(np.array(column) for column in zip(*self._rows, strict=True))
        if self._plot is not None:
            self._plot.data = columns
            return
        lines = [
            {'label': name, 'stroke': _LINE_COLORS[index % len(_LINE_COLORS)], 'width': 2}
            for index, name in enumerate(self._names)
        ]
        # Without time=False the x axis is read as a date.
        self._plot = self._gui.add_uplot(
            columns,
            ({'label': 's'}, *lines),
            scales={'x': {'time': False}},
            height=120,
            order=3,
        )


def _plain(text: str) -> str:
    """Return the text escaped as HTML, since topics may contain markup."""
    style = 'white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;margin:0 0.8em'
    return f'<pre style="{style}">{html.escape(text)}</pre>'


def _check_cloud(points: np.ndarray, colors: np.ndarray | None) -> None:
    is_cloud = points.ndim == 2 and points.shape[1] == 3 and points.dtype.kind == 'f'
    if not is_cloud or colors is None or colors.shape != points.shape or colors.dtype != np.uint8:
        got = 'none' if colors is None else f'{colors.dtype}{colors.shape}'
        raise ImageError(
            'shape',
            'points must be float (N, 3) with colors uint8 (N, 3), got '
            f'{points.dtype}{points.shape} with {got}; flatten an organised cloud with '
            'points_of_cloud first',
        )
