"""The browser view: who may connect, what it shows, and that it never holds up its caller."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.camera import ideal_camera
from depth_ros.errors import DepthRosError, ImageError, ParameterError, ViewerError
from depth_ros.viewer import server as viewer_module
from depth_ros.viewer.page import DEFAULT_POINT_SIZE_M, point_size_m
from depth_ros.viewer.server import Viewer, ViewerFrame, open_viewer
from tests.kit.child_environment import child_environment

pytest.importorskip('viser', reason='viser is not installed')

from viser import _messages
from websockets.exceptions import InvalidStatus

from tests.kit.chromium import Browser, open_browser, requested_by
from tests.kit.viewer_client import PageModel, open_client

HANG_S = 30.0
LISTEN = '0A'


needs_proc = pytest.mark.skipif(
    not Path('/proc/net/tcp').exists(), reason='/proc is absent: sockets and memory are unknown'
)


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    with open_viewer(0, max_rate_hz=100.0) as opened:
        yield opened


@pytest.fixture
def page(viewer: Viewer) -> Iterator[PageModel]:
    client = PageModel(viewer.address)
    assert wait_until(lambda: viewer.num_clients == 1 and len(client.texts) == 2)
    yield client
    client.close()


def wait_until(condition, *, timeout_s: float = HANG_S) -> bool:
    """Poll; the limit only ends a test that would hang."""
    end_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.01)
    return bool(condition())


def plain_image(value: int, *, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def cloud_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.arange(3 * count, dtype=np.float32).reshape(count, 3) / 8
    return points, (np.arange(3 * count) % 251).astype(np.uint8).reshape(count, 3)


def port_of(viewer: Viewer) -> int:
    return int(viewer.address.rsplit(':', 1)[1])


# Who may connect


def own_listeners() -> set[tuple[str, int]]:
    """Return address (the kernel's hexadecimal) and port of what this process has opened since."""
    return all_listeners() - BEFORE


def all_listeners() -> set[tuple[str, int]]:
    links = {str(path.readlink()) for path in Path('/proc/self/fd').iterdir() if path.is_symlink()}
    found = set()
    for table in (Path('/proc/net/tcp'), Path('/proc/net/tcp6')):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            address, port = fields[1].split(':')
            if fields[3] == LISTEN and f'socket:[{fields[9]}]' in links:
                found.add((address, int(port, 16)))
    return found


BEFORE = all_listeners() if Path('/proc/net/tcp').exists() else set()
"""Plugins of pytest listen too."""


@needs_proc
def test_listens_on_loopback_only(viewer: Viewer) -> None:
    loopback = int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder)
    assert own_listeners() == {(f'{loopback:08X}', port_of(viewer))}


@pytest.mark.parametrize(
    'origin',
    [
        'http://evil.example',
        'null',
        None,
        'http://127.0.0.1:{port}.evil.example',
        'http://localhost:{port}@evil.example',
        'http://evil.example:{port}',
        'https://127.0.0.1:{port}',
        'http://127.0.0.1',
        'http://localhost:1',
    ],
)
def test_refuses_pages_of_foreign_origin(viewer: Viewer, origin: str | None) -> None:
    foreign = origin and origin.format(port=port_of(viewer))
    with pytest.raises(InvalidStatus) as refusal:
        open_client(viewer.address, origin=foreign)
    assert refusal.value.response.status_code == 403
    assert viewer.num_clients == 0


@pytest.mark.parametrize('host', ['127.0.0.1', 'localhost'])
def test_accepts_its_own_page(viewer: Viewer, host: str) -> None:
    client = open_client(viewer.address, origin=f'http://{host}:{port_of(viewer)}')
    assert wait_until(lambda: viewer.num_clients == 1)
    client.close()
    assert wait_until(lambda: viewer.num_clients == 0)


@needs_proc
def test_does_not_start_where_the_guard_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def unguarded(origins: list[str]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    monkeypatch.setattr(viewer_module, '_origins_required', unguarded)
    port = free_port()
    with pytest.raises(ViewerError, match='foreign web page with 403, got 101'):
        open_viewer(port)
    assert own_listeners() == set()


def test_leaves_the_libraries_as_they_were(viewer: Viewer) -> None:
    import rich
    from websockets.asyncio import server

    assert isinstance(server.serve, type)
    assert rich.print.__module__ == 'rich'


def test_share_request_of_a_page_opens_no_tunnel(
    viewer: Viewer,
    page: PageModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise AssertionError('a tunnel was made')

    monkeypatch.setattr('viser._viser.ViserTunnel', fail)
    with caplog.at_level(logging.WARNING, logger='depth_ros.viewer.server'):
        page.send(_messages.ShareUrlRequest())
        assert wait_until(lambda: 'public address' in caplog.text)
    assert viewer._server._share_tunnel is None
    assert viewer._server.request_share_url() is None


# Starting and stopping


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


@needs_proc
def test_busy_port_is_refused_not_skipped() -> None:
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ViewerError, match=f'port {port} of 127.0.0.1 is in use; .* take 0'):
            open_viewer(port)
    assert own_listeners() == set()


def test_two_views_get_two_free_ports(viewer: Viewer) -> None:
    with open_viewer(0) as second:
        assert second.address != viewer.address


@needs_proc
def test_stops_and_starts_again_on_the_same_port() -> None:
    port = free_port()
    for shade in (40, 200):
        with open_viewer(port) as viewer:
            assert viewer.address == f'http://127.0.0.1:{port}'
            client = PageModel(viewer.address)
            viewer.show(ViewerFrame(left=plain_image(shade)))
            assert wait_until(lambda client=client: client.labels == ['left'])
            assert abs(int(client.picture(0).mean()) - shade) < 4
            client.close()
        assert own_listeners() == set()


def test_close_twice_and_show_after_close_do_nothing() -> None:
    viewer = open_viewer(0)
    viewer.close()
    viewer.close()
    viewer.show(ViewerFrame())
    assert not viewer._worker.is_alive()


def test_does_not_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with open_viewer(0):
        pass
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize(
    'arguments',
    [{'port': -1}, {'port': 80}, {'port': 65536}, {'stride': 0}, {'max_rate_hz': 0.0}],
)
def test_impossible_arguments_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match='the viewer needs port'):
        open_viewer(**arguments)  # type: ignore[arg-type]


def test_missing_viser_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'viser', None)
    with pytest.raises(DepthRosError, match=re.escape("pip install 'depth_ros[viewer]'")):
        open_viewer(0)


def test_other_viser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('viser.__version__', '1.2.0')
    with pytest.raises(ViewerError, match=r'viser 1\.1 only, got 1\.2\.0'):
        open_viewer(0)


def test_importing_the_module_needs_no_viser() -> None:
    program = (
        'import sys\n'
        "for name in ('viser', 'websockets', 'rich', 'rclpy'): sys.modules[name] = None\n"
        'import depth_ros.viewer.server, depth_ros.viewer.inputs'
    )
    environment = child_environment()
    subprocess.run([sys.executable, '-c', program], check=True, env=environment)


# What is shown


def test_frame_arrives_as_given(viewer: Viewer, page: PageModel) -> None:
    points, colors = cloud_of(100)
    points[7, 2], points[8, 0] = np.nan, np.inf
    viewer.show(
        ViewerFrame(
            left=plain_image(50),
            picture=plain_image(180),
            picture_label='depth 1 m to 2 m',
            points=points,
            colors=colors,
            point_size_m=0.01,
            camera=ideal_camera(fx=500, fy=240, cx=320, cy=240, height=480, width=640),
            text='model sgbm',
            rates={'depth Hz': 12.5},
        )
    )
    assert wait_until(lambda: bool(page.plot) and 'model sgbm' in page.texts[1])
    kept = np.delete(np.arange(100), [7, 8])
    np.testing.assert_array_equal(page.cloud['points'], points[kept])  # eighths are exact
    np.testing.assert_array_equal(page.cloud['colors'], colors[kept])
    assert page.cloud['point_size'] == 0.01
    assert page.labels == ['left', 'depth 1 m to 2 m']
    # JPEG of a plain picture is exact to a level or two.
    assert np.abs(page.picture(0).astype(int) - 50).max() <= 3
    assert np.abs(page.picture(1).astype(int) - 180).max() <= 3
    assert page.elements['/camera']['fov'] == pytest.approx(np.pi / 2)  # tan(45 deg) = 240 / 240
    assert page.elements['/camera']['aspect'] == pytest.approx(4 / 3)
    assert page.plot['data'][1][-1] == 12.5
    assert page.plot['scales'] == {'x': {'time': False}}
    assert viewer.num_drawn == 1


def test_scene_is_the_optical_frame(page: PageModel) -> None:
    assert wait_until(lambda: len(page.texts) == 2)
    assert page.elements['SetCameraPositionMessage']['position'][2] < 0
    assert page.elements['SetCameraLookAtMessage']['look_at'][2] > 1


def test_text_is_never_markup(viewer: Viewer, page: PageModel) -> None:
    viewer.show(ViewerFrame(text='<img src=x onerror=alert(1)> & {1+1}'))
    assert wait_until(lambda: any('onerror' in text for text in page.texts))
    assert '<img' not in page.texts[1]
    assert '&lt;img src=x onerror=alert(1)&gt; &amp; {1+1}' in page.texts[1]


def test_cloud_follows_a_change_of_size(viewer: Viewer, page: PageModel) -> None:
    for count in (50, 20, 0, 70):
        points, colors = cloud_of(count)
        viewer.show(ViewerFrame(points=points, colors=colors))
        assert wait_until(
            lambda wanted=count: (
                len(page.cloud.get('points', 'none')) == wanted
                and len(page.cloud['colors']) == wanted
            )
        )
    np.testing.assert_array_equal(page.cloud['points'], points)


def test_who_looks_may_pause_and_draw_larger_points(viewer: Viewer, page: PageModel) -> None:
    points, colors = cloud_of(20)
    viewer.show(ViewerFrame(points=points, colors=colors, point_size_m=0.01))
    assert wait_until(lambda: page.cloud.get('point_size') == 0.01)
    viewer._page._controls._size.value = 2.0
    viewer.show(ViewerFrame(points=points, colors=colors, point_size_m=0.01))
    assert wait_until(lambda: page.cloud['point_size'] == 0.02)
    viewer._page._controls._pause.value = True
    viewer.show(ViewerFrame(points=points[:5], colors=colors[:5], headline='still here'))
    assert wait_until(lambda: 'PAUSED' in page.texts[0] and 'still here' in page.texts[0])
    assert len(page.cloud['points']) == 20


def test_page_that_opens_late_gets_the_newest_frame(viewer: Viewer) -> None:
    for shade in (10, 120, 230):
        viewer.show(ViewerFrame(left=plain_image(shade)))
    page = PageModel(viewer.address)
    assert wait_until(lambda: page.labels == ['left'])
    assert abs(int(page.picture(0).mean()) - 230) < 4
    assert viewer.num_drawn == 1
    page.close()


def test_still_picture_is_called_stale(viewer: Viewer, page: PageModel) -> None:
    viewer.show(ViewerFrame(left=plain_image(9)))
    assert wait_until(lambda: 'live' in page.texts[0])
    assert wait_until(lambda: 'NO NEW FRAME' in page.texts[0])
    viewer.show(ViewerFrame(left=plain_image(10)))
    assert wait_until(lambda: 'live' in page.texts[0])


@pytest.mark.parametrize(
    'parts',
    [
        {'left': np.zeros((4, 4), np.uint8)},
        {'picture': np.zeros((4, 4, 3), np.float32)},
        {'points': np.zeros((4, 3), np.float32)},
        {'points': np.zeros((4, 3), np.float32), 'colors': np.zeros((3, 3), np.uint8)},
        {'points': np.zeros((2, 2, 3), np.float32), 'colors': np.zeros((2, 2, 3), np.uint8)},
        {'points': np.zeros((4, 3), np.int32), 'colors': np.zeros((4, 3), np.uint8)},
    ],
)
def test_unfit_arrays_are_refused_at_once(parts: dict[str, np.ndarray]) -> None:
    with pytest.raises(ImageError):
        ViewerFrame(**parts)  # type: ignore[arg-type]


def test_point_size_is_the_width_of_the_pixels_it_stands_for() -> None:
    points = np.array([[0, 0, 1.0], [0, 0, 2.0], [0, 0, 30.0], [0, 0, np.nan]], np.float32)
    assert point_size_m(points, fx=400.0, stride=2) == pytest.approx(0.01)  # 2 * 2 m / 400
    assert point_size_m(points[3:], fx=400.0, stride=2) == DEFAULT_POINT_SIZE_M


# It never holds up its caller


def test_nobody_there_means_no_work(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    made, encoded, encode = [], [], cv2.imencode

    def counting(*arguments):
        encoded.append(arguments[0])
        return encode(*arguments)

    def make() -> ViewerFrame:
        made.append(1)
        return ViewerFrame(left=plain_image(2))

    monkeypatch.setattr(cv2, 'imencode', counting)
    for _ in range(20):
        viewer.show(ViewerFrame(left=plain_image(1)))
        viewer.show(make)
        time.sleep(0.005)
    assert viewer._worker.is_alive()
    assert (len(made), len(encoded), viewer.num_drawn) == (0, 0, 0)
    page = PageModel(viewer.address)
    assert wait_until(lambda: viewer.num_drawn == 1)
    assert len(made) == 1
    assert set(encoded) == {'.jpeg'}
    page.close()


def test_show_does_not_wait_for_drawing_and_newest_wins(viewer: Viewer, page: PageModel) -> None:
    entered, go_on, made = threading.Event(), threading.Event(), []

    def slow() -> ViewerFrame:
        entered.set()
        assert go_on.wait(HANG_S)
        return ViewerFrame()

    def numbered(number: int) -> ViewerFrame:
        made.append(number)
        return ViewerFrame()

    viewer.show(slow)
    assert entered.wait(HANG_S)
    for number in range(500):  # would hang here if show waited for the one being drawn
        viewer.show(lambda number=number: numbered(number))
    assert made == []
    go_on.set()
    assert wait_until(lambda: viewer.num_drawn == 2)
    assert made == [499]


def test_rate_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_viewer(0, max_rate_hz=2.0) as viewer:
        page = PageModel(viewer.address)
        times: list[float] = []

        def make() -> ViewerFrame:
            times.append(time.monotonic())
            return ViewerFrame()

        def feed() -> bool:
            viewer.show(make)
            return len(times) >= 4

        assert wait_until(feed)
        page.close()
    # Waiting can only take longer than asked, so this holds on a loaded machine too.
    assert min(np.diff(times)) > 0.45


def resident_mb() -> float:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


@needs_proc
def test_client_that_never_reads_holds_up_nothing(viewer: Viewer) -> None:
    client = open_client(viewer.address)
    assert wait_until(lambda: viewer.num_clients == 1)
    random = np.random.default_rng(1)
    noise = random.integers(0, 255, (480, 640, 3), np.uint8)
    points = random.random((80_000, 3), np.float32)
    colors = random.integers(0, 255, (80_000, 3), np.uint8)

    def draw(count: int) -> None:
        for _ in range(count):
            number = viewer.num_drawn
            moved = points + np.float32(number)
            viewer.show(ViewerFrame(left=np.roll(noise, number), points=moved, colors=colors))
            assert wait_until(lambda number=number: viewer.num_drawn > number)

    draw(10)  # fills the socket and the client's own queue
    before_mb = resident_mb()
    draw(60)  # some 45 MB of pictures and points
    assert resident_mb() - before_mb < 20.0
    assert viewer.num_clients == 1
    second = PageModel(viewer.address)
    assert wait_until(lambda: len(second.cloud.get('points', '')) == 80_000)
    second.close()
    client.close_socket()


def test_bad_frame_is_counted_and_the_view_lives_on(
    viewer: Viewer, page: PageModel, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> ViewerFrame:
        raise RuntimeError('no such frame')

    for count in (1, 2):
        viewer.show(broken)
        assert wait_until(lambda count=count: viewer.num_failed == count)
    assert caplog.text.count('could not show a frame') == 1
    assert wait_until(lambda: 'NOT SHOWN: no such frame' in page.texts[0])
    viewer.show(ViewerFrame(text='well again'))
    assert wait_until(lambda: 'well again' in page.texts[1])


def test_garbage_from_a_client_does_not_end_the_view(viewer: Viewer, page: PageModel) -> None:
    client = open_client(viewer.address)
    client.send(b'\xff\x00 not msgpack')
    client.send('neither is text')
    viewer.show(ViewerFrame(text='still there'))
    assert wait_until(lambda: 'still there' in page.texts[1])
    client.close_socket()


# In a real browser

GREEN, BLUE, RED = (0, 200, 0), (0, 0, 220), (230, 0, 0)


def colored_frame() -> ViewerFrame:
    """A green left image, a blue picture and a red wall two metres ahead."""
    columns, rows = np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-0.75, 0.75, 150))
    points = np.stack([columns, rows, np.full_like(rows, 2.0)], axis=-1).reshape(-1, 3)
    return ViewerFrame(
        left=np.full((480, 640, 3), GREEN, np.uint8),
        picture=np.full((480, 640, 3), BLUE, np.uint8),
        points=points.astype(np.float32),
        colors=np.full((len(points), 3), RED, np.uint8),
        point_size_m=0.01,
        text='one line',
        rates={'depth Hz': 5.0},
    )


def pixels_like(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    """Count pixels whose colour is within a tone of another."""
    distance = np.abs(picture.astype(int) - np.array(color)).max(axis=-1)
    return int((distance < 40).sum())


def test_browser_shows_pictures_and_cloud_and_asks_nobody_else(tmp_path: Path) -> None:
    if shutil.which('chromium') is None:
        pytest.skip('chromium is not installed')
    net_log = tmp_path / 'net.json'
    with open_viewer(0) as viewer:
        address = viewer.address
        viewer.show(colored_frame())
        with open_browser(address, net_log=net_log) as browser:
            assert wait_until(lambda: shows_everything(browser), timeout_s=90.0)
        assert wait_until(lambda: viewer.num_clients == 0)
    assert requested_by(net_log, address) == {address.replace('http', 'ws', 1)}


def shows_everything(browser: Browser) -> bool:
    data = np.frombuffer(browser.screenshot(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]
    panel, scene = picture[:, :340], picture[:, 340:]
    # Each picture is 320 x 240 on the page; the wall is drawn larger.
    return (
        pixels_like(panel, GREEN) > 50_000
        and pixels_like(panel, BLUE) > 50_000
        and pixels_like(scene, RED) > 50_000
    )
