"""A live view in the browser: pictures, coloured cloud and rates, on this machine only.

Serves with viser (an extra: ``pip install depth_ros[viewer]``), tightened in three ways that
viser 1.1 leaves open: it listens on loopback alone, it refuses web pages of other origins
(RFC 6455, section 10.2), and its tunnel to a public address is switched off.

Callers pass frames without waiting; the viewer's thread draws the newest one while a browser
is connected and drops the others.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from depth_ros.errors import ParameterError, ViewerError
from depth_ros.viewer.page import Page, ViewerFrame

__all__ = ['FrameMaker', 'Viewer', 'ViewerFrame', 'open_viewer']

FrameMaker = Callable[[], ViewerFrame]
"""Makes a frame; called in the viewer's thread while a browser is connected."""

HOST = '127.0.0.1'
_FOREIGN_ORIGIN = 'http://foreign.invalid'
_INSTALL = "pip install 'depth_ros[viewer]'"
_TICK_S = 1.0
_JOIN_TIMEOUT_S = 5.0

_log = logging.getLogger(__name__)
_opening = threading.Lock()


def open_viewer(port: int = 8080, *, stride: int = 2, max_rate_hz: float = 5.0) -> Viewer:
    """Serve the view on loopback.

    Args:
        port: TCP port from 1024; 0 takes a free one (see ``Viewer.address``).
        stride: Pixels from one cloud point to the next, for whoever makes frames.
        max_rate_hz: Frames drawn per second at most.

    Raises:
        ViewerError: If viser is missing or unfit, the port is taken, or the server would accept
            foreign origins.
        ParameterError: If an argument is out of range.
    """
    if not (port == 0 or 1024 <= port <= 65535) or stride < 1 or not max_rate_hz > 0.0:
        raise ParameterError(
            'the viewer needs port 0 or 1024..65535, stride >= 1 and max_rate_hz > 0, '
            f'got port {port!r}, stride {stride!r}, max_rate_hz {max_rate_hz!r}'
        )
    server = _open_guarded_server(port)
    return Viewer(server, stride=stride, max_rate_hz=max_rate_hz)


class Viewer:
    """A running view; ``show`` may be called from any thread."""

    def __init__(self, server: Any, *, stride: int, max_rate_hz: float) -> None:
        """Take ownership of a guarded ``viser.ViserServer``; use ``open_viewer``."""
        self.stride = stride
        self._server = server
        self._page = Page(server)
        self._period_s = 1.0 / max_rate_hz
        self._newest: ViewerFrame | FrameMaker | None = None
        self._frame_time_s = time.monotonic()
        self._num_drawn = 0
        self._num_failed = 0
        self._last_error = ''
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._run, name='viewer', daemon=True)
        server.on_client_connect(self._wake)
        self._worker.start()

    @property
    def address(self) -> str:
        """Address for a browser on this machine."""
        return f'http://{HOST}:{self._server.get_port()}'

    @property
    def num_clients(self) -> int:
        """Browsers connected now."""
        return len(self._server.get_clients())

    @property
    def keeps_colors(self) -> bool:
        """Whether somebody asked on the page that the range of colours stays as it is."""
        return self._page.keeps_colors

    @property
    def num_drawn(self) -> int:
        """Frames drawn so far; none is drawn while no browser is connected."""
        return self._num_drawn

    @property
    def num_failed(self) -> int:
        """Frames that could not be made or drawn; each is in the log."""
        return self._num_failed

    def show(self, frame: ViewerFrame | FrameMaker) -> None:
        """Hand over the newest frame and return at once; an older one still waiting is dropped.

        Args:
            frame: Arrays that do not change any more, or a function that makes the frame. The
                function is called only if a browser is connected. After ``close`` frames are
                ignored.
        """
        with self._changed:
            self._newest = frame
            self._frame_time_s = time.monotonic()
            self._changed.notify()

    def close(self) -> None:
        """Stop serving; a second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake()
        self._worker.join(_JOIN_TIMEOUT_S)
        if self._worker.is_alive():
            _log.warning('the viewer is closed while a frame is still being made')
        _stop_server(self._server)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _wake(self, client: object = None) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while not self._closing.is_set():
            frame = self._take()
            start_s = time.monotonic()
            try:
                self._draw(frame)
            except Exception as error:  # noqa: BLE001 - the worker's one catch-all
                self._report(error)
            if frame is not None:
                self._closing.wait(self._period_s - (time.monotonic() - start_s))

    def _take(self) -> ViewerFrame | FrameMaker | None:
        """Wait for a frame that a browser will see; None after a tick without one."""
        with self._changed:
            self._changed.wait_for(self._is_due, timeout=_TICK_S)
            if self._closing.is_set() or not self.num_clients:
                return None
            frame, self._newest = self._newest, None
            return frame

    def _is_due(self) -> bool:
        return self._closing.is_set() or (self._newest is not None and self.num_clients > 0)

    def _draw(self, frame: ViewerFrame | FrameMaker | None) -> None:
        if frame is None:
            if self.num_clients:
                self._page.show_age(time.monotonic() - self._frame_time_s)
            return
        self._page.draw(frame if isinstance(frame, ViewerFrame) else frame())
        self._num_drawn += 1

    def _report(self, error: Exception) -> None:
        """Count a failed frame; log and show its error when it differs from the last one."""
        self._num_failed += 1
        if repr(error) == self._last_error:
            return
        self._last_error = repr(error)
        _log.error('the viewer could not show a frame', exc_info=error)
        self._page.show_problem(str(error))


def _open_guarded_server(port: int) -> Any:
    """Start viser on loopback with foreign origins refused and the share tunnel inert."""
    viser = _import_viser()
    # Empty until the guard is verified: no connection is accepted before.
    origins: list[str] = []
    with _opening, _silenced(), _origins_required(origins):
        server = viser.ViserServer(host=HOST, port=port, label='depth_ros', verbose=False)
    server.request_share_url = _refuse_to_share
    try:
        _check_port(server.get_port(), port)
        _check_guard(server.get_port())
    except ViewerError:
        _stop_server(server)
        raise
    origins += [f'http://{host}:{server.get_port()}' for host in (HOST, 'localhost')]
    return server


def _import_viser() -> ModuleType:
    try:
        import viser
    except ImportError as error:
        raise ViewerError(
            f'the browser view needs viser 1.1, which cannot be imported ({error}); '
            f'install it with: {_INSTALL}'
        ) from error
    if not str(viser.__version__).startswith('1.1.'):
        raise ViewerError(
            f'the browser view is guarded for viser 1.1 only, got {viser.__version__}; '
            f'install that with: {_INSTALL}'
        )
    module: ModuleType = viser
    return module


@contextlib.contextmanager
def _replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)


def _origins_required(origins: list[str]) -> contextlib.AbstractContextManager[None]:
    """Make viser's server check ``Origin``: it has no argument for it and accepts every page."""
    from websockets.asyncio import server

    return _replaced(server, 'serve', functools.partial(server.serve, origins=origins))


def _silenced() -> contextlib.AbstractContextManager[None]:
    """Suppress the banner of viser 1.1 on the terminal, which ``verbose`` does not."""
    import rich

    return _replaced(rich, 'print', lambda *args, **options: None)


def _refuse_to_share(*args: object, **options: object) -> None:
    """Replace viser's handler of requests for a public address, which any page may send."""
    _log.warning('a browser asked for a public address of the view; refused')


def _check_port(bound: int, wanted: int) -> None:
    """Refuse a port other than the given one: viser silently tries the next ones."""
    if wanted and bound != wanted:
        raise ViewerError(
            f'port {wanted} of {HOST} is in use; stop what uses it, name another port, '
            'or take 0 for a free one'
        )


def _check_guard(port: int) -> None:
    """Connect with a foreign origin; the view starts only if that is refused."""
    headers = {
        'Connection': 'Upgrade',
        'Upgrade': 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'ZGVwdGhfcm9zIGd1YXJkIQ==',
        'Origin': _FOREIGN_ORIGIN,
    }
    connection = http.client.HTTPConnection(HOST, port, timeout=5.0)
    try:
        connection.request('GET', '/', headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise ViewerError(f'the viewer does not answer on {HOST}:{port}: {error}') from error
    finally:
        connection.close()
    if status != http.client.FORBIDDEN:
        raise ViewerError(
            f'the viewer must answer a foreign web page with 403, got {status}: the installed '
            f'viser or websockets is not the tested one; install it with: {_INSTALL}'
        )


def _stop_server(server: Any) -> None:
    with _opening, _silenced():
        server.stop()
