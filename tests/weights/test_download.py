"""Fetching from a local server: whole and checked, or a sentence and a part to go on from."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import WeightsError
from depth_ros.weights.download import Download, SameScheme, fetch, printable
from tests.kit.file_server import Served, serve

CONTENT = np.random.default_rng(3).integers(0, 256, 700_000, np.uint8).tobytes()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('no_proxy', '127.0.0.1')


def download(address: str, folder: Path, **changes: object) -> Download:
    values = {'address': address, 'path': folder / 'new' / 'weights.zip', 'md5': MD5}
    return Download(**{**values, **changes})  # type: ignore[arg-type]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / 'new').iterdir())


def test_a_file_comes_whole_checked_and_with_progress(tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    with serve(Served(CONTENT)) as served:
        wanted = download(served.address, tmp_path, sha256=SHA256)
        path = fetch(wanted, progress=lambda phase, fraction: told.append((phase, fraction)))
    assert path == wanted.path
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == ['weights.zip']
    assert served.requests == ['']
    fractions = [fraction for _, fraction in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert '0.7 MB' in told[-1][0]


def test_a_file_that_is_there_is_checked_and_not_fetched_again(tmp_path: Path) -> None:
    with serve(Served(CONTENT)) as served:
        wanted = download(served.address, tmp_path)
        fetch(wanted)
        fetch(wanted)
        assert len(served.requests) == 1
        wanted.path.write_bytes(b'other')
        with pytest.raises(WeightsError, match=f'published is {MD5}'):
            fetch(wanted)


def test_a_broken_connection_is_gone_on_with(tmp_path: Path) -> None:
    with serve(Served(CONTENT, breaks_after=300_000)) as served:
        wanted = download(served.address, tmp_path)
        with pytest.raises(WeightsError, match=r'ended after 300000 of 700000 bytes.*go on'):
            fetch(wanted)
        assert not wanted.path.exists()
        assert wanted.part.read_bytes() == CONTENT[:300_000]
        assert fetch(wanted).read_bytes() == CONTENT
    assert served.requests == ['', 'bytes=300000-']
    assert leftovers(tmp_path) == ['weights.zip']


def test_going_on_twice(tmp_path: Path) -> None:
    with serve(Served(CONTENT, breaks_after=100_000)) as served:
        wanted = download(served.address, tmp_path)
        for at in (100_000, 200_000):
            with pytest.raises(WeightsError, match=f'ended after {at} of 700000'):
                fetch(wanted)
            served.breaks_after = 100_000
        served.breaks_after = None
        assert fetch(wanted).read_bytes() == CONTENT
    assert served.requests == ['', 'bytes=100000-', 'bytes=200000-']


@pytest.mark.parametrize('change', ['etag', 'range', 'address', 'no etag', 'state lost'])
def test_a_part_of_another_file_is_never_gone_on_with(tmp_path: Path, change: str) -> None:
    first = Served(b'x' * 400_000, breaks_after=200_000, etag='' if change == 'no etag' else '"a"')
    with serve(first) as served:
        wanted = download(served.address, tmp_path)
        with pytest.raises(WeightsError, match='ended after'):
            fetch(wanted)
        served.content = CONTENT
        if change == 'etag':
            served.etag = '"b"'
        if change == 'range':
            served.ignores_range = True
        if change == 'address':
            record = json.loads(wanted.state.read_text())
            wanted.state.write_text(json.dumps({**record, 'address': 'http://elsewhere/'}))
        if change == 'state lost':
            wanted.state.write_text('{')
        assert fetch(wanted).read_bytes() == CONTENT


def test_a_part_that_is_whole_only_needs_its_check(tmp_path: Path) -> None:
    """As if the process was killed between the last byte and the rename."""
    with serve(Served(CONTENT, breaks_after=699_999)) as served:
        wanted = download(served.address, tmp_path)
        with pytest.raises(WeightsError, match='ended after'):
            fetch(wanted)
        wanted.part.write_bytes(CONTENT)
        assert fetch(wanted).read_bytes() == CONTENT
        assert len(served.requests) == 1


def test_an_answer_at_another_position_is_refused(tmp_path: Path) -> None:
    with serve(Served(CONTENT, breaks_after=1000, shift=5)) as served:
        wanted = download(served.address, tmp_path)
        for text in ('ended after', 'gave bytes from 1005, asked for were those from 1000'):
            with pytest.raises(WeightsError, match=text):
                fetch(wanted)
    assert not wanted.path.exists()


@pytest.mark.parametrize('kind', ['md5', 'sha256'])
def test_wrong_bytes_are_refused_and_removed(tmp_path: Path, kind: str) -> None:
    digest = '0' * len({'md5': MD5, 'sha256': SHA256}[kind])
    with serve(Served(CONTENT)) as served:
        wanted = download(served.address, tmp_path, **{'md5': None, kind: digest})
        with pytest.raises(WeightsError, match=f'has {kind} .* published is {digest}'):
            fetch(wanted)
    assert leftovers(tmp_path) == []


def test_without_a_length_the_end_is_the_end(tmp_path: Path) -> None:
    with serve(Served(CONTENT, has_length=False)) as served:
        assert fetch(download(served.address, tmp_path)).read_bytes() == CONTENT


def test_offline_is_one_plain_sentence(tmp_path: Path) -> None:
    with serve(Served(CONTENT)) as served:
        address = served.address
    with pytest.raises(WeightsError, match='cannot be reached') as caught:
        fetch(download(address, tmp_path))
    assert 'depth-ros weights import FILE' in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(WeightsError, match='cannot be reached'):
        fetch(download('http://no-such-host.invalid/weights.zip', tmp_path))


@pytest.mark.parametrize('status', [403, 404, 416, 500])
def test_a_refusal_names_what_the_server_said(tmp_path: Path, status: int) -> None:
    with serve(Served(CONTENT, status=status)) as served, pytest.raises(WeightsError) as caught:
        fetch(download(served.address, tmp_path))
    assert f'answered {status}' in str(caught.value)


def test_a_web_page_is_not_taken_for_the_file(tmp_path: Path) -> None:
    page = Served(b'<html>confirm</html>', content_type='text/html; charset=utf-8')
    with serve(page) as served, pytest.raises(WeightsError, match='gave a web page'):
        fetch(download(served.address, tmp_path, md5=None))
    assert not (tmp_path / 'new' / 'weights.zip').exists()


@pytest.mark.parametrize('served', [Served(b''), Served(CONTENT, status=204)])
def test_an_empty_answer_is_not_taken_for_the_file(tmp_path: Path, served: Served) -> None:
    with serve(served), pytest.raises(WeightsError, match='gave nothing for weights'):
        fetch(download(served.address, tmp_path, md5=None))
    assert not (tmp_path / 'new' / 'weights.zip').exists()


@pytest.mark.parametrize('location', ['ftp://127.0.0.1/x', 'file:///etc/passwd'])
def test_redirects_do_not_leave_the_web(tmp_path: Path, location: str) -> None:
    served = Served(CONTENT, location=location)
    with serve(served), pytest.raises(WeightsError) as caught:
        fetch(download(served.address, tmp_path))
    assert location in str(caught.value)


def test_redirects_within_the_web_are_followed_but_never_to_less(tmp_path: Path) -> None:
    target = Served(CONTENT)
    with serve(target), serve(Served(b'', location=target.address)) as served:
        served.location = target.address
        assert fetch(download(served.address, tmp_path)).read_bytes() == CONTENT
    handler, request = SameScheme(), urllib.request.Request('https://example.org/a')
    with pytest.raises(WeightsError, match='https is not left'):
        handler.redirect_request(request, None, 302, '', None, 'http://example.org/a')


def test_a_length_of_thousands_of_digits_is_no_length(tmp_path: Path) -> None:
    """Python refuses to read such numbers, with an error nobody foresaw."""
    with serve(Served(CONTENT, length='9' * 5000)) as served:
        assert fetch(download(served.address, tmp_path)).read_bytes() == CONTENT


def test_a_file_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('depth_ros.weights.download.MAX_BYTES', 300_000)
    for has_length in (True, False):
        served = Served(CONTENT, has_length=has_length)
        with serve(served), pytest.raises(WeightsError, match='more than any checkpoint'):
            fetch(download(served.address, tmp_path))
        assert (tmp_path / 'new' / 'weights.zip.part').stat().st_size < len(CONTENT)


def test_a_server_that_drips_comes_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('depth_ros.weights.download.DEADLINE_S', -1.0)
    with serve(Served(CONTENT)) as served, pytest.raises(WeightsError, match='connection ended'):
        fetch(download(served.address, tmp_path))


def test_what_a_server_says_cannot_paint_the_terminal(tmp_path: Path) -> None:
    served = Served(CONTENT, status=404, reason='gone\x1b[2Jx')
    with serve(served), pytest.raises(WeightsError) as caught:
        fetch(download(served.address, tmp_path))
    assert '\x1b' not in str(caught.value) and 'gone\\x1b[2Jx' in str(caught.value)
    assert printable('weiße Größe') == 'weiße Größe'


def test_other_kinds_of_address_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / 'secret'
    secret.write_text('x')
    for address in (secret.as_uri(), 'ftp://127.0.0.1/x', str(secret)):
        with pytest.raises(WeightsError, match='http or https'):
            fetch(download(address, tmp_path))


def test_two_at_once_do_not_write_one_file(tmp_path: Path) -> None:
    with serve(Served(CONTENT)) as served:
        wanted = download(served.address, tmp_path)

        def again(phase: str, fraction: float | None) -> None:
            if fraction == 1.0:
                with pytest.raises(WeightsError, match='another process'):
                    fetch(wanted)

        assert fetch(wanted, progress=again).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_an_operating_system_error(tmp_path: Path) -> None:
    (tmp_path / 'new').write_text('a file, no folder')
    with serve(Served(CONTENT)) as served, pytest.raises(OSError, match='new'):
        fetch(download(served.address, tmp_path))
    assert served.requests == []
