"""Drive a headless Chromium through its debugging port: open a page, wait, take a picture."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
    # Chromium's own questions to its maker must not leave the machine either.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
)
START_TIMEOUT_S = 60.0


class Browser:
    """One page of a running Chromium."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
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
def open_browser(address: str, *, net_log: Path) -> Iterator[Browser]:
    """Open a page in a fresh profile; the process and profile are gone afterwards.

    Args:
        address: Page to open.
        net_log: Where Chromium writes all its network events; complete at the end.
    """
    folder = Path(tempfile.mkdtemp(prefix='depth_ros_chromium_'))
    process = subprocess.Popen(
        [
            str(shutil.which('chromium')),
            *FLAGS,
            f'--user-data-dir={folder}',
            f'--log-net-log={net_log}',
            address,
        ],
        # The libraries that ROS wheels put there are not for system programs.
        env={name: value for name, value in os.environ.items() if name != 'LD_LIBRARY_PATH'},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_page_socket(folder), max_size=None, proxy=None) as connection:
            browser = Browser(connection)
            yield browser
            browser.call('Browser.close')
            process.wait(30.0)
    finally:
        process.kill()
        process.wait(30.0)
        shutil.rmtree(folder, ignore_errors=True)


def requested_by(net_log: Path, origin: str) -> set[str]:
    """Give scheme and host of every request that pages of an origin made.

    What Chromium asks for on its own account has no origin and is left out.
    """
    urls = re.findall(
        r'"initiator":"' + re.escape(origin) + r'"[^\n]*?"url":"([^"]+)"', net_log.read_text()
    )
    parts = [urllib.parse.urlsplit(url) for url in urls]
    return {f'{part.scheme}://{part.netloc}' for part in parts if part.netloc}


def _wait_until(condition: Callable[[], bool], *, timeout_s: float, step_s: float = 0.2) -> bool:
    """Poll; the limit only ends a test that would hang."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(step_s)
    return condition()


def _page_socket(profile: Path) -> str:
    port_file = profile / 'DevToolsActivePort'
    assert _wait_until(
        lambda: port_file.exists() and '\n' in port_file.read_text(), timeout_s=START_TIMEOUT_S
    ), 'chromium did not open its debugging port'
    port = int(port_file.read_text().splitlines()[0])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f'http://127.0.0.1:{port}/json', timeout=30.0) as reply:
        targets = json.load(reply)
    return next(
        str(target['webSocketDebuggerUrl']) for target in targets if target['type'] == 'page'
    )
