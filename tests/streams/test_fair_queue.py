"""The queue of the matching service: turns, limits, and that every item ends exactly once."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.streams.fair_queue import FairQueue, QueueRefusal


@dataclass(frozen=True)
class Item:
    caller: str
    text: str
    num_bytes: int = 1
    is_own: bool = False


class Desk:
    """A queue of texts and what it refused."""

    def __init__(self, capacity: int = 4, max_bytes: int = 100) -> None:
        self.refused: list[tuple[str, QueueRefusal]] = []
        self.queue: FairQueue[Item] = FairQueue(
            capacity=capacity,
            max_bytes=max_bytes,
            on_refused=lambda item, refusal: self.refused.append((item.text, refusal)),
        )

    def put(self, caller: str, text: str, num_bytes: int = 1, *, is_own: bool = False) -> int:
        return self.queue.put(Item(caller, text, num_bytes, is_own))

    def take(self) -> str | None:
        item = self.queue.take(0.0)
        return item and item.text

    def serve(self) -> list[str]:
        served = []
        while (text := self.take()) is not None:
            served.append(text)
        return served


def test_named_callers_are_served_in_the_order_they_came() -> None:
    desk = Desk()
    for name in 'abc':
        desk.put(name, name)
    assert desk.serve() == ['a', 'b', 'c']
    assert desk.refused == []


def test_nameless_callers_share_one_turn_in_each_round() -> None:
    desk = Desk(capacity=6)
    for index in range(4):
        desk.put('', f'n{index}')
    desk.put('a', 'a')
    desk.put('b', 'b')
    assert desk.serve() == ['n0', 'a', 'b', 'n1', 'n2', 'n3']


def test_newer_request_of_a_caller_takes_the_place_of_its_older_one() -> None:
    desk = Desk()
    desk.put('a', 'a0')
    desk.put('b', 'b')
    desk.put('a', 'a1')
    assert desk.refused == [('a0', QueueRefusal.REPLACED)]
    assert desk.serve() == ['a1', 'b']


def test_caller_whose_request_is_in_work_waits_for_it() -> None:
    desk = Desk()
    desk.put('a', 'a0')
    assert desk.take() == 'a0'
    desk.put('a', 'a1')
    assert desk.refused == [('a1', QueueRefusal.IN_WORK)]
    assert desk.take() is None
    desk.put('a', 'a2')
    assert desk.serve() == ['a2']


def test_full_queue_refuses_the_newcomer() -> None:
    desk = Desk(capacity=2)
    for name in 'abc':
        desk.put(name, name)
    assert desk.refused == [('c', QueueRefusal.FULL)]
    assert desk.serve() == ['a', 'b']


def test_one_lane_cannot_keep_others_out() -> None:
    desk = Desk(capacity=3)
    for index in range(5):
        desk.put('', f'n{index}')
    assert desk.refused == [('n3', QueueRefusal.FULL), ('n4', QueueRefusal.FULL)]
    desk.put('a', 'a')
    desk.put('b', 'b')
    desk.put('c', 'c')
    assert desk.refused[2:] == [
        ('n2', QueueRefusal.FULL),
        ('n1', QueueRefusal.FULL),
        ('c', QueueRefusal.FULL),
    ]
    assert desk.serve() == ['n0', 'a', 'b']


def test_memory_is_bounded_but_a_single_large_item_may_wait() -> None:
    desk = Desk(capacity=10, max_bytes=10)
    desk.put('a', 'large', num_bytes=50)
    desk.put('b', 'small', num_bytes=1)
    assert desk.refused == [('small', QueueRefusal.FULL)]
    assert desk.serve() == ['large']
    desk.put('c', 'six', num_bytes=6)
    desk.put('d', 'four', num_bytes=4)
    desk.put('c', 'five', num_bytes=5)
    desk.put('d', 'seven', num_bytes=7)
    assert desk.refused[1:] == [
        ('six', QueueRefusal.REPLACED),
        ('four', QueueRefusal.REPLACED),
        ('seven', QueueRefusal.FULL),
    ]
    assert desk.serve() == ['five']


def test_lower_limits_count_for_newcomers() -> None:
    desk = Desk(capacity=3)
    desk.put('a', 'a')
    desk.put('b', 'b')
    desk.queue.set_limits(capacity=1, max_bytes=100)
    desk.put('c', 'c')
    assert desk.refused == [('c', QueueRefusal.FULL)]
    assert desk.serve() == ['a', 'b']


def test_close_hands_back_what_waits_and_wakes_the_worker() -> None:
    desk = Desk()
    woken = threading.Event()
    worker = threading.Thread(target=lambda: (desk.queue.take(), woken.set()))
    worker.start()
    desk.queue.close()
    worker.join(10)
    assert woken.is_set()
    desk.put('a', 'late')
    assert desk.refused == [('late', QueueRefusal.CLOSED)]


def test_items_left_at_closing_are_refused() -> None:
    desk = Desk()
    desk.put('a', 'a')
    desk.put('', 'n')
    desk.queue.close()
    assert desk.refused == [('a', QueueRefusal.CLOSED), ('n', QueueRefusal.CLOSED)]
    assert desk.take() is None


def test_own_work_may_always_wait_and_the_newest_wins() -> None:
    desk = Desk(capacity=1, max_bytes=10)
    desk.put('a', 'a', num_bytes=10)
    assert desk.put('own', 'o0', num_bytes=50, is_own=True) == 0
    assert desk.put('own', 'o1', num_bytes=50, is_own=True) == 1
    assert desk.refused == [], 'own items are counted, as a mailbox does'
    assert desk.take() == 'a'
    assert desk.take() == 'o1'
    desk.put('own', 'o2', is_own=True)
    assert desk.serve() == ['o2'], 'it may wait while its older one is in work'
    desk.put('own', 'o3', is_own=True)
    assert desk.queue.close() == 1
    assert desk.put('own', 'o4', is_own=True) == 1


def test_refusals_are_told_outside_the_lock() -> None:
    told: list[tuple[str, int]] = []
    queue: FairQueue[Item] = FairQueue(
        capacity=1,
        max_bytes=1,
        on_refused=lambda item, _: told.append((item.text, queue.num_waiting)),
    )
    for name in 'ab':
        queue.put(Item(name, name))
    assert told == [('b', 1)]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just('put'), st.sampled_from(['', 'a', 'b', 'c']), st.integers(0, 60)),
        st.tuples(st.just('take'), st.just(''), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(actions=ACTIONS)
def test_every_item_ends_once_and_limits_hold(actions: list[tuple[str, str, int]]) -> None:
    desk = Desk(capacity=3, max_bytes=100)
    put: list[str] = []
    taken: list[str] = []
    for index, (action, caller, num_bytes) in enumerate(actions):
        if action == 'put':
            put.append(f'{caller}{index}')
            desk.put(caller, put[-1], num_bytes)
        elif action == 'take' and (text := desk.take()) is not None:
            taken.append(text)
        assert desk.queue.num_waiting <= 3
        refused = {item for item, _ in desk.refused}
        waiting = [item for item in put if item not in refused and item not in taken]
        waiting_named = Counter(item[0] for item in waiting if item[0].isalpha())
        assert all(count == 1 for count in waiting_named.values())
    desk.queue.close()
    ended = Counter([*taken, *(item for item, _ in desk.refused)])
    assert ended == Counter(put)


@pytest.mark.parametrize('num_callers', [8])
def test_threads_lose_nothing(num_callers: int) -> None:
    desk = Desk(capacity=3)
    served: Counter[str] = Counter()

    def work() -> None:
        while (item := desk.queue.take(5.0)) is not None:
            served[item.text] += 1

    worker = threading.Thread(target=work)
    worker.start()
    callers = [
        threading.Thread(target=lambda n=n: [desk.put(f'c{n}', f'{n}-{i}') for i in range(50)])
        for n in range(num_callers)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    desk.queue.close()
    worker.join(10)
    ended = served + Counter(item for item, _ in desk.refused)
    assert ended == Counter(f'{n}-{i}' for n in range(num_callers) for i in range(50))
