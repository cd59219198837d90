"""A local web server that gives one file, and can break off, refuse or change its mind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What is served and how; requests are kept for the test to look at.

    Attributes:
        content: The file.
        etag: Its strong validator; empty sends none.
        breaks_after: Bytes after which the next answer breaks off, or None.
        ignores_range: Always send the whole file.
        shift: Bytes by which a partial answer begins later than asked for.
        content_type: As in HTTP.
        status: Overrides the answer, e.g. 404.
        reason: Words beside that status.
        location: Where to redirect to; empty: nowhere.
        length: Stated instead of the true length.
        has_length: Whether to say the length.
        requests: Range header of every request, empty where there was none.
    """

    content: bytes
    etag: str = '"one"'
    breaks_after: int | None = None
    ignores_range: bool = False
    shift: int = 0
    content_type: str = 'application/octet-stream'
    status: int = 0
    reason: str = ''
    location: str = ''
    length: str = ''
    has_length: bool = True
    address: str = ''
    requests: list[str] = field(default_factory=list)


@contextmanager
def serve(served: Served) -> Iterator[Served]:
    """Serve on a free port of this machine while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, served)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    served.address = f'http://127.0.0.1:{server.server_port}/weights.zip'
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, served: Served) -> None:
    served.requests.append(handler.headers.get('Range', ''))
    if served.location:
        handler.send_response(302)
        handler.send_header('Location', served.location)
        handler.end_headers()
        return
    if served.status == 204:
        handler.send_response(204)
        handler.end_headers()
        return
    if served.status:
        handler.send_error(served.status, served.reason or None)
        return
    start = first_byte(handler, served)
    body = served.content[start:]
    handler.send_response(206 if start else 200)
    handler.send_header('Content-Type', served.content_type)
    if served.has_length:
        handler.send_header('Content-Length', served.length or str(len(body)))
    if start:
        last = len(served.content) - 1
        handler.send_header('Content-Range', f'bytes {start}-{last}/{len(served.content)}')
    if served.etag:
        handler.send_header('ETag', served.etag)
    handler.end_headers()
    if served.breaks_after is not None:
        body, served.breaks_after = body[: served.breaks_after], None
    handler.wfile.write(body)


def first_byte(handler: BaseHTTPRequestHandler, served: Served) -> int:
    """RFC 9110: a range counts only if the file is still the one of ``If-Range``."""
    asked = handler.headers.get('Range', '')
    if served.ignores_range or not asked or handler.headers.get('If-Range') != served.etag:
        return 0
    return int(asked.removeprefix('bytes=').rstrip('-')) + served.shift
