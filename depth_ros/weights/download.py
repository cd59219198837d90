"""Download one file: with progress, resume, checksum, then rename.

The final name means complete and checked. A broken connection leaves ``NAME.part`` and, beside
it, the server's validator of that version (RFC 9110, ``If-Range``); the next attempt resumes if
the server still has the same file, and restarts otherwise.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from depth_ros import __version__
from depth_ros.engines.artifact import file_digest
from depth_ros.errors import InputError, WeightsError
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.tensors import Progress

TIMEOUT_S = 30.0
"""Longest silence of a server."""
DEADLINE_S = 12 * 3600.0
"""Longest a download may take in all: a server that drips is never silent."""
MAX_BYTES = 16 << 30
"""Larger than any checkpoint; a server that does not end would fill the disk."""
BLOCK_BYTES = 1 << 18
_NUMBER = r'\d{1,18}'
_RANGE = re.compile(rf'bytes ({_NUMBER})-{_NUMBER}/({_NUMBER}|\*)')
_HTTP_NOTHING, _HTTP_PARTIAL = 204, 206
_SCHEMES = ('https', 'http')


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """What to fetch and where to.

    Attributes:
        address: An ``http`` or ``https`` address.
        path: Final name.
        md5: Expected MD5, or None.
        sha256: Expected SHA-256, or None.
    """

    address: str
    path: Path
    md5: str | None = None
    sha256: str | None = None

    @property
    def part(self) -> Path:
        """The partial file."""
        return self.path.with_name(f'{self.path.name}.part')

    @property
    def state(self) -> Path:
        """The file with the server's validator of the partial file."""
        return self.path.with_name(f'{self.path.name}.part.json')


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """The version of a file that a partial file belongs to."""

    validator: str
    total: int | None


class _Response(Protocol):
    """The part of an HTTP response that is used."""

    status: int
    headers: http.client.HTTPMessage

    def read1(self, size: int) -> bytes:
        """Return at most so many bytes, those that are there; none at the end."""


class SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects within http and https, and never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse what leads elsewhere; names are those of the base class."""
        scheme = newurl.partition(':')[0].lower()
        if scheme not in _SCHEMES or (req.type == 'https' and scheme == 'http'):
            raise WeightsError(
                f'{printable(req.full_url)} leads to {printable(newurl)}, and {req.type} is not '
                'left for that; take the file by hand and type: depth-ros weights import FILE'
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def printable(text: str) -> str:
    """Return a text of a server without what would move the cursor or colour the terminal."""
    return ''.join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def fetch(download: Download, *, progress: Progress | None = None) -> Path:
    """Fetch a file, or resume an earlier attempt.

    Args:
        download: What and where to.
        progress: Called with the phase and the share that is there, 0..1 (None where not known).

    Returns:
        The final path; if it is there already it is only checked.

    Raises:
        WeightsError: If the server cannot be reached, refuses, sends a web page, breaks off or
            sends other bytes than published; says what to do.
        OSError: If the disk cannot be written.
    """
    report = progress or (lambda phase, fraction: None)
    if download.path.is_file():
        _check_hashes(download, download.path)
        return download.path
    download.path.parent.mkdir(parents=True, exist_ok=True)
    with _locked_part(download) as file:
        _receive(download, file, report)
    try:
        _check_hashes(download, download.part)
    except WeightsError:
        _forget(download)
        raise
    download.part.replace(download.path)
    download.state.unlink(missing_ok=True)
    return download.path


@contextmanager
def _locked_part(download: Download) -> Iterator[BinaryIO]:
    """Open the growing file for this process alone."""
    with download.part.open('ab') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WeightsError(
                f'another process is fetching {download.path.name}; wait until it is done'
            ) from None
        yield file


def _receive(download: Download, file: BinaryIO, report: Progress) -> None:
    """Append the missing bytes; after an error the partial file remains."""
    state = _kept_state(download)
    if state is not None and state.total is not None and state.total == file.tell():
        return
    report(f'connecting for {download.path.name}', None)
    with _open(download.address, _headers(file.tell(), state)) as response:
        _check_content(download, response)
        start, total = _position(response)
        if start not in (0, file.tell()):
            raise WeightsError(
                f'{download.address} gave bytes from {start}, asked for were those from '
                f'{file.tell()}; remove {download.part} and type the same command again'
            )
        if start == 0:
            file.truncate(0)
            _keep_state(download, response, total)
        _check_size(download, total or 0)
        received = _copy(response, file, start, total, download, report)
    if not received:
        raise _empty(download)
    if total is not None and received != total:
        raise _broken_off(download, received, total)


def _headers(there: int, state: _State | None) -> dict[str, str]:
    """Return headers that request the rest of a partial file of a known version."""
    headers = {'User-Agent': f'depth_ros/{__version__}', 'Accept-Encoding': 'identity'}
    if there and state is not None and state.validator:
        headers |= {'Range': f'bytes={there}-', 'If-Range': state.validator}
    return headers


def _open(address: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    if address.partition('://')[0] not in _SCHEMES:
        raise WeightsError(f'weights are fetched by http or https, not from {address!r}')
    request = urllib.request.Request(address, headers=headers)
    opener = urllib.request.build_opener(SameScheme)
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            said = printable(str(error.reason))
            raise WeightsError(
                f'{address} answered {error.code} ({said}); open it in a browser, and if '
                'it moved take the file by hand and type: depth-ros weights import FILE'
            ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = printable(str(getattr(error, 'reason', error)))
        raise WeightsError(
            f'{address} cannot be reached ({reason}); check the network '
            'and type the same command again, or fetch it elsewhere and type: '
            'depth-ros weights import FILE'
        ) from error
    return response


def _broken_off(download: Download, received: int, total: int | None) -> WeightsError:
    return WeightsError(
        f'the connection ended after {received} of {total or "unknown"} bytes of '
        f'{download.path.name}; type the same command again to go on from there'
    )


def _check_content(download: Download, response: _Response) -> None:
    if response.status == _HTTP_NOTHING:
        raise _empty(download)
    if response.headers.get_content_type() == 'text/html':
        raise WeightsError(
            f'{download.address} gave a web page instead of {download.path.name}; open it in a '
            'browser, take the file by hand and type: depth-ros weights import FILE'
        )


def _empty(download: Download) -> WeightsError:
    return WeightsError(
        f'{download.address} gave nothing for {download.path.name}; open it in a browser, take '
        'the file by hand and type: depth-ros weights import FILE'
    )


def _check_size(download: Download, num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise WeightsError(
            f'{download.address} has over {MAX_BYTES >> 30} GiB for {download.path.name}, more '
            'than any checkpoint; check the address, and take the file by hand if it is right'
        )


def _position(response: _Response) -> tuple[int, int | None]:
    """Return where the answer's first byte belongs, and the whole file's size where stated."""
    if response.status == _HTTP_PARTIAL:
        match = _RANGE.fullmatch(response.headers.get('Content-Range', ''))
        if match:
            return int(match[1]), None if match[2] == '*' else int(match[2])
    length = response.headers.get('Content-Length')
    return 0, int(length) if length and re.fullmatch(_NUMBER, length) else None


def _copy(
    response: _Response,
    file: BinaryIO,
    start: int,
    total: int | None,
    download: Download,
    report: Progress,
) -> int:
    """Copy blocks and return the final number of bytes."""
    received, end_s = start, time.monotonic() + DEADLINE_S
    while block := _next_block(response, download, received, total):
        file.write(block)
        received += len(block)
        _check_size(download, received)
        if time.monotonic() > end_s:
            file.flush()
            raise _broken_off(download, received, total)
        report(
            f'fetching {download.path.name}, {received / 1e6:.1f} MB',
            received / total if total else None,
        )
    file.flush()
    return received


def _next_block(
    response: _Response, download: Download, received: int, total: int | None
) -> bytes:
    try:
        return response.read1(BLOCK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _broken_off(download, received, total) from error


def _keep_state(download: Download, response: _Response, total: int | None) -> None:
    """Store the strong validator of the file, empty where the server sends none."""
    tag = response.headers.get('ETag') or ''
    validator = tag if tag and not tag.startswith('W/') else response.headers.get('Last-Modified')
    record = {'address': download.address, 'validator': validator or '', 'total': total}
    download.state.write_text(json.dumps(record), encoding='utf-8')


def _kept_state(download: Download) -> _State | None:
    """Read what was kept for this address."""
    try:
        record = parse_json(given_text(download.state))
    except (InputError, ValueError):
        return None
    if not isinstance(record, dict) or record.get('address') != download.address:
        return None
    validator, total = record.get('validator'), record.get('total')
    return _State(
        validator=validator if isinstance(validator, str) else '',
        total=total if isinstance(total, int) else None,
    )


def _forget(download: Download) -> None:
    download.part.unlink(missing_ok=True)
    download.state.unlink(missing_ok=True)


def _check_hashes(download: Download, path: Path) -> None:
    """Compare the published checksums.

    Raises:
        WeightsError: Naming both sides.
    """
    for kind, expected in (('md5', download.md5), ('sha256', download.sha256)):
        if expected is None:
            continue
        actual = file_digest(path, kind)
        if actual != expected:
            raise WeightsError(
                f'{path.name} has {kind} {actual}, published is {expected}: it is damaged or was '
                f'replaced; remove {download.path} if it is there and type the same command again'
            )
