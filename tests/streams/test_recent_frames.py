"""The ring of recent frames: found by stamp, bounded in number and memory."""

from __future__ import annotations

import pytest

from depth_ros.errors import InputError
from depth_ros.streams.recent_frames import RecentFrames

SECOND = 1_000_000_000


def ring(*, max_frames: int = 3, max_bytes: int = 100) -> RecentFrames[str]:
    return RecentFrames(max_frames=max_frames, max_bytes=max_bytes)


def filled(frames: RecentFrames[str], count: int, num_bytes: int = 1) -> RecentFrames[str]:
    for index in range(1, count + 1):
        frames.add(index * SECOND, f'f{index}', num_bytes=num_bytes)
    return frames


def test_a_frame_is_found_by_its_exact_stamp_only() -> None:
    frames = filled(ring(), 3)
    assert frames.at(2 * SECOND) == 'f2'
    with pytest.raises(InputError) as raised:
        frames.at(2 * SECOND + 1)
    assert raised.value.reason == 'unknown_stamp'
    assert '1.000000000 to 3.000000000' in str(raised.value)


def test_oldest_go_when_there_are_too_many() -> None:
    frames = filled(ring(), 5)
    assert len(frames) == 3
    assert frames.at(3 * SECOND) == 'f3'
    with pytest.raises(InputError):
        frames.at(2 * SECOND)


def test_oldest_go_when_they_hold_too_much_memory_but_the_newest_stays() -> None:
    frames = filled(ring(max_frames=10), 4, num_bytes=40)
    assert len(frames) == 2
    frames.add(9 * SECOND, 'huge', num_bytes=1000)
    assert len(frames) == 1
    assert frames.at(9 * SECOND) == 'huge'
    frames.add(10 * SECOND, 'small', num_bytes=1)
    assert len(frames) == 1


def test_same_stamp_replaces_and_its_memory_is_counted_once() -> None:
    frames = ring(max_frames=10)
    for index in range(50):
        frames.add(SECOND, f'v{index}', num_bytes=60)
    frames.add(2 * SECOND, 'next', num_bytes=40)
    assert len(frames) == 2
    assert frames.at(SECOND) == 'v49'


def test_earlier_frames_by_steps() -> None:
    frames = filled(ring(), 3)
    assert [frames.before_newest(steps) for steps in range(4)] == ['f3', 'f2', 'f1', None]


def test_limits_can_shrink_and_all_can_be_forgotten() -> None:
    frames = filled(ring(), 3)
    frames.set_limits(max_frames=1, max_bytes=100)
    assert len(frames) == 1
    frames.clear()
    with pytest.raises(InputError, match='none has been received'):
        frames.at(3 * SECOND)
