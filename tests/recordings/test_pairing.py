"""Images pair by stamps alone, each with its nearest, whatever lies further away."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from depth_ros.recordings.pairing import StampedMessage, partners
from depth_ros.recordings.recording import Position


def images(topic: str, *stamps: int, log: Sequence[int] = ()) -> list[StampedMessage]:
    times = log or stamps
    return [
        StampedMessage(
            topic=topic,
            position=Position(time_ns=time, chunk=0, number=hash(topic) % 7 * 1000 + number),
            stamp_ns=stamp,
            frame_id='',
            publish_ns=0,
            is_own=True,
        )
        for number, (stamp, time) in enumerate(zip(stamps, times, strict=True))
    ]


def pairs(
    left: list[StampedMessage], right: list[StampedMessage], difference: int, overlap: int = 10**9
) -> set[tuple[int, int]]:
    found = partners(left, right, max_difference_ns=difference, overlap_ns=overlap)
    return {(one.stamp_ns, found[one.position].stamp_ns) for one in left if one.position in found}


@pytest.mark.parametrize(
    ('left', 'right', 'difference', 'expected'),
    [
        ((0, 10, 20), (0, 10, 20), 0, {(0, 0), (10, 10), (20, 20)}),
        ((0, 10, 20), (10, 30), 0, {(10, 10)}),
        ((0, 10), (1, 9), 3, {(0, 1), (10, 9)}),
        ((0, 4), (3,), 5, {(4, 3)}),  # 0 has one within reach, but that has a nearer one
        ((0,), (-2, 2), 5, {(0, -2)}),  # a tie goes to the earlier
        ((), (1,), 5, set()),
        ((0,), (6,), 5, set()),
    ],
)
def test_known_pairs(left, right, difference, expected) -> None:
    assert pairs(images('l', *left), images('r', *right), difference) == expected


def test_images_that_were_recorded_far_apart_are_no_pair() -> None:
    left, right = images('l', 5, log=[0]), images('r', 5, log=[101])
    assert pairs(left, right, 0, overlap=100) == set()
    assert pairs(left, right, 0, overlap=101) == {(5, 5)}


STAMPS = some.lists(some.integers(0, 60), max_size=12, unique=True).map(sorted)


@settings(max_examples=200, deadline=None)
@given(STAMPS, STAMPS, some.integers(0, 5), some.integers(0, 60))
def test_what_lies_far_away_changes_nothing(left, right, difference, cut) -> None:
    """The pairs of a window are the same if only what is within twice the overlap is known."""
    overlap = 8
    whole = pairs(images('l', *left), images('r', *right), difference, overlap)
    near = [
        tuple(stamp for stamp in stamps if cut - 2 * overlap <= stamp <= cut + 2 * overlap)
        for stamps in (left, right)
    ]
    seen = pairs(images('l', *near[0]), images('r', *near[1]), difference, overlap)
    assert {pair for pair in whole if pair[0] == cut} == {pair for pair in seen if pair[0] == cut}
