"""Only regular files of bounded size are read; anything else is one sentence."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from depth_ros.errors import InputError
from depth_ros.files.given_file import given_bytes, given_text


def test_file_and_link_are_read(tmp_path: Path) -> None:
    (tmp_path / 'a').write_bytes(b'\xef\xbb\xbfwords')
    (tmp_path / 'link').symlink_to(tmp_path / 'a')
    assert given_bytes(tmp_path / 'link') == b'\xef\xbb\xbfwords'
    assert given_text(tmp_path / 'a') == 'words'


def made(kind: str, folder: Path) -> Path:
    path = folder / kind
    match kind:
        case 'pipe':
            os.mkfifo(path)
        case 'folder':
            path.mkdir()
        case 'socket':
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.path.relpath(path))
        case 'loop':
            path.symlink_to(path)
        case 'device':
            return Path('/dev/zero')
        case 'NUL':
            return folder / 'a\0b'
        case 'long name':
            return folder / ('x' * 5000)
        case 'inside a file':
            path.write_bytes(b'')
            return path / 'x'
    return path


@pytest.mark.parametrize(
    ('kind', 'words'),
    [
        ('pipe', 'a pipe'),
        ('folder', 'a folder'),
        ('socket', 'a socket'),
        ('device', 'a device'),
        ('missing', 'there is no file'),
        ('loop', 'there is no file'),
        ('NUL', 'there is no file'),
        ('long name', 'there is no file'),
        ('inside a file', 'there is no file'),
    ],
)
def test_what_is_no_file_is_refused(
    kind: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        given_bytes(made(kind, tmp_path))
    assert '\n' not in str(caught.value) and '\0' not in str(caught.value)


def test_large_and_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'a'
    path.write_bytes(b'\xff' * 100)
    with pytest.raises(InputError, match='MiB'):
        given_bytes(path, max_bytes=99)
    with pytest.raises(InputError, match='UTF-8'):
        given_text(path)
