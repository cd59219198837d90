"""``depth-ros weights`` in this process, its registry pointed at a local server."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from depth_ros.cli.main import main
from tests.kit.file_server import Served, serve

CONTENT = b'weights' * 1000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
REGISTRY = """
toy:
  licence: Toy non-commercial
  non_commercial: true
  homepage: https://example.org/toy
  checkpoints:
    direct:
      {{file: weights.zip, address: '{address}', md5: {md5}, input_size: 8x8, training: nothing}}
    page:
      file: page.pth
      address: https://example.org/page
      mirror: '{address}'
      by_hand: true
      input_size: 8x8
      training: nothing
      accuracy: {{text: error 1 %, source: hearsay}}
      unverified: [accuracy]
    foreign:
      file: foreign.ckpt
      address: https://example.org/foreign
      by_hand: true
      other_layout: true
      note: of another library
      input_size: 8x8
      training: nothing
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path / 'user'))
    monkeypatch.setenv('DEPTH_ROS_SHARE', str(tmp_path / 'share'))
    with serve(Served(CONTENT)) as server:
        registry = tmp_path / 'share' / 'weights' / 'registry.yaml'
        registry.parent.mkdir(parents=True)
        registry.write_text(REGISTRY.format(address=server.address, md5=MD5))
        yield server


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(['weights', *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_shows_everything_and_fetches_nothing(served: Served, capsys) -> None:
    code, out, _ = run(capsys, 'list')
    assert code == 0
    for part in ('toy/direct', 'toy/page', 'Toy non-commercial', 'error 1 % (unverified)'):
        assert part in out
    assert 'by hand (does not load)' in out
    code, full, _ = run(capsys, 'list', 'toy/direct')
    for part in (served.address, f'md5 {MD5}', 'Toy non-commercial', 'no figures'):
        assert part in full
    assert run(capsys, 'list', 'toy')[0] == 0
    assert run(capsys, 'list', 'nothing')[2].count('\n') == 1
    assert served.requests == []


def test_a_non_commercial_licence_is_shown_and_must_be_accepted(
    served: Served, capsys, tmp_path: Path
) -> None:
    code, out, err = run(capsys, 'fetch', 'toy/direct')
    assert code == 2
    assert 'Toy non-commercial' in out
    assert 'depth-ros weights fetch toy/direct --accept-license' in err
    assert served.requests == []
    code, out, _ = run(capsys, 'fetch', 'toy/direct', '--accept-license')
    assert code == 0
    path = tmp_path / 'user' / 'weights' / 'downloads' / 'toy' / 'weights.zip'
    assert path.read_bytes() == CONTENT
    assert f'checked: md5 {MD5}' in out
    assert f'depth-ros weights import {path} --variant direct' in out


def test_a_page_is_named_with_what_to_do_by_hand(served: Served, capsys, tmp_path: Path) -> None:
    code, _, err = run(capsys, 'fetch', 'toy/page', '--accept-license')
    assert code == 2
    for part in (
        'open https://example.org/page in a browser',
        'save page.pth',
        'depth-ros weights import FILE --variant page',
        '--mirror',
    ):
        assert part in err
    assert served.requests == []
    code, out, _ = run(capsys, 'fetch', 'toy/page', '--accept-license', '--mirror')
    assert code == 0
    assert 'no checksum to check' in out
    code, _, err = run(capsys, 'fetch', 'toy/foreign', '--accept-license')
    assert 'cannot load (of another library)' in err
    assert 'has no mirror' in run(capsys, 'fetch', 'toy/foreign', '--mirror')[2]


def test_offline_broken_and_wrong_end_in_one_sentence(served: Served, capsys) -> None:
    served.breaks_after = 10
    code, _, err = run(capsys, 'fetch', 'toy/direct', '--accept-license')
    assert code == 2
    assert 'ended after 10 of 7000 bytes' in err
    served.content = CONTENT[:-1] + b'!'
    served.etag = '"two"'
    assert f'published is {MD5}' in run(capsys, 'fetch', 'toy/direct', '--accept-license')[2]
    served.status = 503
    assert 'answered 503' in run(capsys, 'fetch', 'toy/direct', '--accept-license')[2]
    assert "no checkpoint 'toy/x'" in run(capsys, 'fetch', 'toy/x')[2]


def test_import_of_what_is_not_there_is_one_sentence(served: Served, capsys) -> None:
    pytest.importorskip('torch', reason='torch is not installed')
    code, out, err = run(capsys, 'import', 'nowhere.pth')
    assert code == 2
    assert out == ''
    assert "there are no weights at 'nowhere.pth'" in err
