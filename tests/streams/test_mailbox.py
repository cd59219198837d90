"""The newest item wins and every other one is counted."""

from __future__ import annotations

import threading

import pytest

from depth_ros.streams.mailbox import Mailbox


def check_books(box: Mailbox[int]) -> None:
    assert box.num_put == box.num_taken + box.num_dropped + box.num_waiting


def test_newest_wins_and_the_older_one_is_counted() -> None:
    box: Mailbox[int] = Mailbox()
    assert [box.put(value) for value in (1, 2, 3)] == [0, 1, 1]
    assert box.take(0.0) == 3
    assert box.take(0.0) is None
    assert (box.num_put, box.num_taken, box.num_dropped) == (3, 1, 2)
    check_books(box)


def test_a_falsy_item_is_an_item() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(0)
    assert box.take(0.0) == 0
    assert box.num_taken == 1


def test_closing_counts_what_is_left_behind_and_what_comes_after() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    assert box.close() == 1
    assert box.close() == 0
    assert box.put(2) == 1
    assert box.take() is None
    assert box.is_closed
    assert box.num_dropped == 2
    check_books(box)


def test_closing_wakes_who_waits_without_a_timeout() -> None:
    box: Mailbox[int] = Mailbox()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(box.take()))
    thread.start()
    box.close()
    thread.join(10.0)
    assert not thread.is_alive()
    assert taken == [None]


@pytest.mark.parametrize('num_producers', [1, 4])
def test_books_balance_between_threads_and_order_is_kept(num_producers: int) -> None:
    box: Mailbox[tuple[int, int]] = Mailbox()
    taken: list[tuple[int, int]] = []

    def consume() -> None:
        while (item := box.take()) is not None:
            taken.append(item)

    def produce(producer: int) -> None:
        for number in range(2000):
            box.put((producer, number))

    consumer = threading.Thread(target=consume)
    producers = [threading.Thread(target=produce, args=(i,)) for i in range(num_producers)]
    for thread in [consumer, *producers]:
        thread.start()
    for thread in producers:
        thread.join()
    box.close()
    consumer.join(10.0)
    assert box.num_put == 2000 * num_producers == box.num_taken + box.num_dropped
    assert box.num_taken == len(taken) == len(set(taken))
    for producer in range(num_producers):
        numbers = [number for one, number in taken if one == producer]
        assert numbers == sorted(numbers)
