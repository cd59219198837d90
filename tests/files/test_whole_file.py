"""A file is whole or not there."""

from __future__ import annotations

import pytest

from depth_ros.errors import DepthRosError
from depth_ros.files.whole_file import whole_file


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / 'a.bin'
    with whole_file(path) as draft:
        draft.write_bytes(b'first')
    with (
        pytest.raises(DepthRosError, match=r'No space.*choose another'),
        whole_file(path) as draft,
    ):
        draft.write_bytes(b'half')
        raise OSError(28, 'No space left on device')
    assert path.read_bytes() == b'first'
    assert [entry.name for entry in tmp_path.iterdir()] == ['a.bin']
    with pytest.raises(DepthRosError, match='cannot write'), whole_file(tmp_path / 'no' / 'b'):
        (tmp_path / 'no' / 'b').write_bytes(b'')


def test_the_remedy_is_for_what_is_wrong(tmp_path):
    with pytest.raises(DepthRosError, match='it is a folder'), whole_file(tmp_path) as draft:
        draft.write_bytes(b'')
    missing = tmp_path / 'no' / 'b'
    with pytest.raises(DepthRosError, match='make the folder'), whole_file(missing) as draft:
        draft.write_bytes(b'')
    with pytest.raises(DepthRosError, match='allow writing'), whole_file(tmp_path / 'c'):
        raise PermissionError(13, 'Permission denied')
    assert list(tmp_path.iterdir()) == []
