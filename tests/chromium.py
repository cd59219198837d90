"""Drive a headless Chromium through its debugging port: open a page, wait, take a picture."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

FLAGS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--use-gl=angle',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--hide-scrollbars',
    '--window-size=1400,900',
    '--remote-debugging-port=0',
)
START_TIMEOUT_S = 60.0


class Browser:
    """One page of a running Chromium."""

    def __init__(self, connection: ClientConnection, net_log: Path) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.net_log = net_log

    def call(self, method: str, **parameters: object) -> dict[str, object]:
        """Run a command of the DevTools protocol and give its result."""
        number = next(self._ids)
        self._connection.send(json.dumps({'id': number, 'method': method, 'params': parameters}))
        while True:
            reply = json.loads(self._connection.recv(timeout=60.0))
            if reply.get('id') == number:
                return dict(reply['result'])

    def screenshot(self) -> bytes:
        """Give the page as PNG."""
        return base64.b64decode(str(self.call('Page.captureScreenshot', format='png')['data']))


@contextlib.contextmanager
def open_browser(address: str) -> Iterator[Browser]:
    """Open a page in a fresh profile; the process and profile are gone afterwards."""
    profile = Path(tempfile.mkdtemp(prefix='depth_ros_chromium_'))
    net_log = profile / 'net.json'
    process = subprocess.Popen(
        [
            str(shutil.which('chromium')),
            *FLAGS,
            f'--user-data-dir={profile}/profile',
            f'--log-net-log={net_log}',
            address,
        ],
        env={name: value for name, value in os.environ.items() if name != 'LD_LIBRARY_PATH'},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_page_socket(profile), max_size=None, proxy=None) as connection:
            yield Browser(connection, net_log)
    finally:
        process.terminate()
        process.wait(30.0)
        shutil.rmtree(profile, ignore_errors=True)


def wait_until(condition: Callable[[], bool], *, timeout_s: float, step_s: float = 0.2) -> bool:
    """Poll; the limit only ends a test that would hang."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(step_s)
    return condition()


def _page_socket(profile: Path) -> str:
    port_file = profile / 'profile' / 'DevToolsActivePort'
    assert wait_until(
        lambda: port_file.exists() and '\n' in port_file.read_text(), timeout_s=START_TIMEOUT_S
    ), 'chromium did not open its debugging port'
    port = int(port_file.read_text().splitlines()[0])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f'http://127.0.0.1:{port}/json', timeout=30.0) as reply:
        targets = json.load(reply)
    return next(
        str(target['webSocketDebuggerUrl']) for target in targets if target['type'] == 'page'
    )
