"""A job from and to an object store on loopback, which fails, dawdles and hangs up."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from depth_ros.errors import DepthRosError
from depth_ros.recordings.places import named_files, read_whole
from depth_ros.recordings.remote_place import remote_place
from tests.kit.job_kit import process
from tests.recordings.conftest import stereo_job, without_parts

pytestmark = pytest.mark.nightly

BUCKET = 'fleet'


class Store:
    """moto's S3 behind a gate that lets faults in; ``fault`` gets the number of each request."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.fault: Callable[[int], str] = lambda number: ''
        self.count = 0
        self._lock = threading.Lock()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server('127.0.0.1', 0, self._gate, threaded=True)
        self.address = f'http://127.0.0.1:{self._server.server_port}'
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def _gate(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self.count += 1
            fault = self.fault(self.count)
        if fault == 'error':
            start_response('500 Internal Server Error', [('Content-Type', 'application/xml')])
            return [b'<Error><Code>InternalError</Code><Message>moment</Message></Error>']
        if fault == 'slow':
            time.sleep(0.3)
        body = self._app(environ, start_response)
        return _torn(body) if fault == 'cut' else body


def _torn(body: Iterable[bytes]) -> Iterator[bytes]:
    """Give half of the first piece, then hang up."""
    for piece in body:
        yield piece[: len(piece) // 2]
        raise ConnectionError('cut')


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    pytest.importorskip('moto', reason='moto is not installed')
    s3fs = pytest.importorskip('s3fs', reason='s3fs is not installed')
    server = Store()
    urllib.request.urlopen(f'{server.address}/moto-api/reset', data=b'').close()
    monkeypatch.setenv('AWS_ENDPOINT_URL', server.address)
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.setenv(name, 'test')
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
    s3fs.S3FileSystem.clear_instance_cache()
    remote_place.cache_clear()
    s3fs.S3FileSystem().mkdir(BUCKET)
    yield server
    server.close()
    remote_place.cache_clear()


def uploaded(drive: Path) -> str:
    import s3fs

    s3fs.S3FileSystem().put_file(str(drive), f'{BUCKET}/in/drive.mcap')
    return f's3://{BUCKET}/in/drive.mcap'


@pytest.mark.parametrize('kind', ['', 'error', 'slow', 'cut'])
def test_a_job_in_the_store_gives_the_bytes_of_a_job_here(
    store: Store, drive: Path, tmp_path: Path, kind: str
) -> None:
    process(stereo_job(), drive, tmp_path / 'here')
    address = uploaded(drive)
    store.fault = lambda number: kind if number % 7 == 0 else ''
    out = f's3://{BUCKET}/out'
    result = _until_done(address, out)
    store.fault = lambda number: ''
    assert result.made == 8
    here = without_parts(tmp_path / 'here')
    for name in ('drive.mcap', 'drive.ledger.jsonl', 'drive.figures.jsonl'):
        assert read_whole(f'{out}/{name}') == here[name], name
    assert named_files(f'{out}/*.mcap') == [f'{out}/drive.mcap']


def _until_done(address: str, out: str) -> Any:
    """Type the same command until it ends well; each time it may refuse, but only in words."""
    for _ in range(20):
        try:
            return process(stereo_job(), address, out)
        except DepthRosError:
            continue
    raise AssertionError('twenty tries were not enough')


def test_a_store_that_is_gone_is_named(store: Store, drive: Path) -> None:
    address = uploaded(drive)
    store.fault = lambda number: 'error'
    with pytest.raises(DepthRosError, match=r's3://fleet/in/drive.mcap'):
        process(stereo_job(), address, f's3://{BUCKET}/out')
