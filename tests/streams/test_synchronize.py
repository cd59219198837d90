"""Pairing by stamp: known cases, and for random arrivals that no image is ever lost track of."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.errors import ParameterError
from depth_ros.streams.synchronize import Pair, Side, StereoSynchronizer

MS = 1_000_000
PERIOD = 33 * MS
Arrival = tuple[Side, int]


def synchronizer(
    max_difference_ms: float = 10.0, queue_size: int = 10
) -> tuple[StereoSynchronizer[int], list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    made: StereoSynchronizer[int] = StereoSynchronizer(
        round(max_difference_ms * MS), queue_size, report=lambda *words: said.append(words)
    )
    return made, said


def feed(sync: StereoSynchronizer[int], arrivals: Iterable[Arrival]) -> list[Pair[int]]:
    return [pair for side, stamp in arrivals for pair in sync.add(side, stamp, stamp)]


def stamps_of(pairs: Iterable[Pair[int]]) -> list[tuple[int, int]]:
    return [(pair.left_stamp_ns // MS, pair.right_stamp_ns // MS) for pair in pairs]


def check_books(sync: StereoSynchronizer[int]) -> None:
    for side in Side:
        counts = sync.counts(side)
        found = counts.paired + counts.num_unpaired + counts.num_refused + counts.waiting
        assert counts.received == found
    assert sync.counts(Side.LEFT).paired == sync.counts(Side.RIGHT).paired


def both(*stamps_ms: float, right_later_ms: float = 0.0) -> list[Arrival]:
    return [
        arrival
        for stamp in stamps_ms
        for arrival in (
            (Side.LEFT, round(stamp * MS)),
            (Side.RIGHT, round((stamp + right_later_ms) * MS)),
        )
    ]


@pytest.mark.parametrize('max_difference_ms', [0.0, 10.0])
def test_equal_stamps_pair_at_once_in_either_order(max_difference_ms: float) -> None:
    sync, said = synchronizer(max_difference_ms)
    assert stamps_of(feed(sync, both(33, 66))) == [(33, 33), (66, 66)]
    assert stamps_of(feed(sync, [(Side.RIGHT, 99 * MS), (Side.LEFT, 99 * MS)])) == [(99, 99)]
    assert said == []


@pytest.mark.parametrize('offset_ms', [-9.0, -3.0, 3.0, 9.0])
def test_a_constant_offset_within_tolerance_costs_no_waiting(offset_ms: float) -> None:
    """At 30 Hz nothing nearer than 9 ms can still come, so every pair leaves when complete."""
    sync, _ = synchronizer()
    for index in range(1, 20):
        pairs = feed(sync, both(33 * index + 50, right_later_ms=offset_ms))
        assert len(pairs) == 1


def test_the_nearest_image_is_taken_where_several_would_do() -> None:
    """A camera of 200 Hz against one of 20 Hz: 4 ms off is refused, the next is 1 ms off."""
    sync, said = synchronizer(6.0, queue_size=20)
    fast = [(Side.RIGHT, stamp * MS) for stamp in range(100, 146, 5)]
    pairs = feed(sync, [*fast, (Side.LEFT, 149 * MS), (Side.RIGHT, 150 * MS)])
    assert stamps_of(pairs) == [(149, 150)]
    assert any('one rate' in text for _, text in said)
    check_books(sync)


def test_stamps_too_far_apart_say_by_how_much_and_what_to_do() -> None:
    sync, said = synchronizer(10.0)
    assert feed(sync, [(Side.LEFT, 100 * MS), (Side.RIGHT, 115 * MS)]) == []
    ((reason, text),) = said
    assert reason == 'no_partner_left'
    assert '15.000 ms' in text and 'max_stamp_difference_s' in text
    assert sync.counts(Side.LEFT).unpaired == {'no_partner': 1}
    assert sync.counts(Side.RIGHT).waiting == 1


def test_exact_pairing_refuses_a_nanosecond() -> None:
    sync, _ = synchronizer(0.0)
    assert feed(sync, [(Side.LEFT, 100), (Side.RIGHT, 101)]) == []
    assert sync.counts(Side.LEFT).unpaired == {'no_partner': 1}


def test_a_silent_camera_fills_the_queue_and_its_return_pairs_again() -> None:
    sync, said = synchronizer(queue_size=3)
    feed(sync, both(33))
    feed(sync, [(Side.LEFT, 33 * index * MS) for index in range(2, 10)])
    assert sync.counts(Side.LEFT).unpaired == {'queue_full': 5}
    assert sync.counts(Side.LEFT).waiting == 3
    assert said[-1][0] == 'queue_full_left' and 'right camera' in said[-1][1]
    assert stamps_of(feed(sync, both(400, 433))) == [(400, 400), (433, 433)]
    check_books(sync)


@pytest.mark.parametrize('stamp', [0, -5])
def test_a_zero_stamp_is_refused(stamp: int) -> None:
    sync, said = synchronizer()
    assert feed(sync, [(Side.LEFT, stamp), (Side.RIGHT, stamp)]) == []
    assert sync.counts(Side.LEFT).refused == {'zero_stamp': 1}
    assert 'must stamp' in said[0][1]
    assert len(feed(sync, both(33))) == 1


def test_a_repeated_stamp_is_refused_once_paired_or_waiting() -> None:
    sync, said = synchronizer()
    assert len(feed(sync, [*both(33), (Side.LEFT, 33 * MS), (Side.LEFT, 33 * MS)])) == 1
    assert sync.counts(Side.LEFT).refused == {'repeated_stamp': 2}
    assert {reason for reason, _ in said} == {'repeated_stamp'}
    check_books(sync)


def test_one_late_image_is_refused_and_the_stream_goes_on() -> None:
    sync, said = synchronizer()
    pairs = feed(sync, [*both(33, 66), (Side.LEFT, 50 * MS), *both(99)])
    assert stamps_of(pairs) == [(33, 33), (66, 66), (99, 99)]
    assert sync.counts(Side.LEFT).refused == {'stamp_back': 1}
    assert sync.num_resets == 0
    assert 'went back by 0.016 s' in said[0][1]


def test_a_looping_bag_costs_one_pair_and_says_so() -> None:
    sync, said = synchronizer()
    feed(sync, both(1000, 1033, 1066))
    pairs = feed(sync, both(33, 66, 99))
    assert stamps_of(pairs) == [(66, 66), (99, 99)]
    assert sync.num_resets == 1
    reset = next(text for reason, text in said if reason == 'reset')
    assert 'went back by 1.000 s' in reset and 'bag loop' in reset
    check_books(sync)


def test_a_reset_forgets_what_waits() -> None:
    sync, _ = synchronizer()
    feed(sync, [*both(1000), (Side.RIGHT, 1033 * MS), (Side.LEFT, 33 * MS), (Side.LEFT, 66 * MS)])
    assert sync.counts(Side.RIGHT).unpaired == {'reset': 1}
    assert len(feed(sync, [(Side.RIGHT, 66 * MS)])) == 1


def test_an_image_refused_by_the_caller_is_in_the_books() -> None:
    sync, said = synchronizer()
    sync.refuse(Side.LEFT, 'encoding', 'unreadable; publish mono8')
    assert sync.counts(Side.LEFT).refused == {'encoding': 1}
    assert said == [('encoding', 'unreadable; publish mono8')]
    check_books(sync)


def test_draining_gives_the_pair_that_waits_for_a_nearer_partner() -> None:
    sync, _ = synchronizer(20.0)
    lefts = [(Side.LEFT, stamp * MS) for stamp in (33, 66)]
    assert feed(sync, [*lefts, (Side.RIGHT, 84 * MS)]) == []
    assert stamps_of(sync.drain()) == [(66, 84)]
    assert sync.drain() == []
    check_books(sync)


def test_closing_closes_the_books() -> None:
    sync, _ = synchronizer()
    feed(sync, [(Side.LEFT, 33 * MS)])
    sync.close()
    assert sync.counts(Side.LEFT).unpaired == {'shutdown': 1}
    assert sync.counts(Side.LEFT).waiting == 0


@pytest.mark.parametrize(('difference', 'queue'), [(-1, 1), (0, 0)])
def test_impossible_settings_are_refused(difference: int, queue: int) -> None:
    with pytest.raises(ParameterError, match='queue_size'):
        StereoSynchronizer(difference, queue)


def test_work_is_linear_in_the_number_of_images() -> None:
    """Deep queues on both sides with nothing to pair: no combination is ever searched."""
    sync, _ = synchronizer(1.0, queue_size=100_000)
    arrivals = [(Side.LEFT, (10 * index + 1) * MS) for index in range(20_000)]
    arrivals += [(Side.RIGHT, (10 * index + 6) * MS) for index in range(20_000)]
    assert feed(sync, arrivals) == []
    check_books(sync)


side_strategy = st.sampled_from(list(Side))
stamp_strategy = st.one_of(
    st.integers(-1, 3),
    st.integers(0, 40).map(lambda index: index * PERIOD),
    st.integers(0, 60 * PERIOD),
)
arrivals_strategy = st.lists(st.tuples(side_strategy, stamp_strategy), max_size=80)


@settings(max_examples=300, deadline=None)
@given(
    arrivals=arrivals_strategy,
    max_difference=st.sampled_from([0, MS, 20 * MS, 2 * PERIOD]),
    queue_size=st.integers(1, 6),
)
def test_whatever_arrives_books_balance_and_pairs_are_sound(
    arrivals: list[Arrival], max_difference: int, queue_size: int
) -> None:
    """Every image once: in one pair, unpaired, refused or waiting; pairs rise between resets."""
    sync: StereoSynchronizer[int] = StereoSynchronizer(max_difference, queue_size)
    used: set[tuple[Side, int]] = set()
    last = (0, 0)
    num_received = dict.fromkeys(Side, 0)
    for index, (side, stamp) in enumerate(arrivals):
        resets = sync.num_resets
        pairs = sync.add(side, stamp, index)
        num_received[side] += 1
        if sync.num_resets > resets:
            last = (0, 0)
        for pair in pairs:
            assert abs(pair.left_stamp_ns - pair.right_stamp_ns) <= max_difference
            assert arrivals[pair.left] == (Side.LEFT, pair.left_stamp_ns)
            assert arrivals[pair.right] == (Side.RIGHT, pair.right_stamp_ns)
            assert pair.left_stamp_ns > last[0] and pair.right_stamp_ns > last[1]
            last = (pair.left_stamp_ns, pair.right_stamp_ns)
            assert not {(Side.LEFT, pair.left), (Side.RIGHT, pair.right)} & used
            used |= {(Side.LEFT, pair.left), (Side.RIGHT, pair.right)}
        check_books(sync)
        for one in Side:
            counts = sync.counts(one)
            assert counts.received == num_received[one]
            assert counts.waiting <= queue_size
            assert counts.paired == sum(1 for entry in used if entry[0] is one)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10_000), jitter_ms=st.floats(0.0, 4.0), loss=st.floats(0.0, 0.4))
def test_two_real_streams_pair_with_their_own_partner(
    seed: int, jitter_ms: float, loss: float
) -> None:
    """Frames lost at random, arrival interleaved at random: partners are of one exposure."""
    source = random.Random(seed)
    frames = [(index * PERIOD, index) for index in range(1, 40)]
    streams: dict[Side, list[tuple[int, int]]] = {}
    for side in Side:
        kept = [frame for frame in frames if source.random() >= loss]
        jitter = jitter_ms * MS
        streams[side] = [(stamp + round(source.uniform(0, jitter)), i) for stamp, i in kept]
    both_sides = {i for _, i in streams[Side.LEFT]} & {i for _, i in streams[Side.RIGHT]}
    sync: StereoSynchronizer[int] = StereoSynchronizer(round(5 * MS), 40)
    pairs: list[Pair[int]] = []
    while any(streams.values()):
        side = source.choice([one for one in Side if streams[one]])
        stamp, index = streams[side].pop(0)
        pairs += sync.add(side, stamp, index)
    assert all(pair.left == pair.right for pair in pairs)
    assert {pair.left for pair in pairs} == both_sides
    check_books(sync)
