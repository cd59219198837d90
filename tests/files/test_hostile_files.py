"""Altered bytes in the files of every reader: read, or refused in one sentence."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.hostile_files import HOSTILE_FILES, HostileFile, outcome_of

EXAMPLES = 40
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
PIECES = (
    *(b'\0', b'\n', b'-', b' ', b'nan', b'inf', b'-1', b'1e999', b'9' * 30, b'9' * 5000, b'0x'),
    *(b'\xff' * 8, b'\x7f' * 4, b'\xff\xfe', b'[' * 3000, b'a\0b', b'../', b'~nobody/', b'%s'),
    *('é'.encode(), b'\xc3', b'&a [*a, *a]', b'*a', b'!!int', b'"', b"'", b'{', b',', b'#'),
)


@st.composite
def edits(draw: st.DrawFn) -> tuple[tuple[float, int, bytes], ...]:
    """Draw changes: where (0..1), how many bytes are taken out, what is put in."""
    one = st.tuples(
        st.floats(0.0, 1.0, exclude_max=True),
        st.sampled_from((0, 1, 4, 8, 1_000_000)),
        st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)),
    )
    return tuple(draw(st.lists(one, min_size=1, max_size=3)))


def altered(data: bytes, changes: tuple[tuple[float, int, bytes], ...]) -> bytes:
    for place, num_out, new in changes:
        at = int(place * len(data))
        data = data[:at] + new + data[at + num_out :]
    return data


@pytest.mark.parametrize('hostile', HOSTILE_FILES, ids=lambda hostile: hostile.name)
def test_altered_bytes_are_read_or_refused_in_one_sentence(
    hostile: HostileFile, tmp_path: Path
) -> None:
    if importlib.util.find_spec(hostile.needs) is None:
        pytest.skip(f'{hostile.needs} is not installed')
    hostile.make(tmp_path)
    seed = (tmp_path / hostile.file).read_bytes()
    assert outcome_of(hostile, tmp_path, seed) == '', 'the valid file is read'

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SUPPRESSED)
    @given(changes=edits())
    def check(changes: tuple[tuple[float, int, bytes], ...]) -> None:
        outcome_of(hostile, tmp_path, altered(seed, changes))

    check()
