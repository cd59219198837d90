"""A slot between two threads: the newest item wins; replaced ones are counted."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

ItemT = TypeVar('ItemT')


class Mailbox(Generic[ItemT]):
    """Holds at most one item: ``num_put == num_taken + num_dropped + num_waiting``, always."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._items: list[ItemT] = []
        self._is_closed = False
        self._num_put = 0
        self._num_taken = 0
        self._num_dropped = 0

    @property
    def num_put(self) -> int:
        """Items put so far."""
        return self._num_put

    @property
    def num_taken(self) -> int:
        """Items taken so far."""
        return self._num_taken

    @property
    def num_dropped(self) -> int:
        """Items replaced by a newer one, or put or left behind at closing."""
        return self._num_dropped

    @property
    def num_waiting(self) -> int:
        """Items in the slot, 0 or 1."""
        return len(self._items)

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._is_closed

    def put(self, item: ItemT) -> int:
        """Put an item and return how many were dropped: the older one, or the item if closed."""
        with self._condition:
            self._num_put += 1
            if self._is_closed:
                self._num_dropped += 1
                return 1
            num_replaced = len(self._items)
            self._num_dropped += num_replaced
            self._items = [item]
            self._condition.notify()
            return num_replaced

    def take(self, timeout_s: float | None = None) -> ItemT | None:
        """Wait for an item and take it.

        Returns:
            The item, or None after ``timeout_s`` seconds or once the mailbox is closed.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._items or self._is_closed, timeout_s)
            if not self._items:
                return None
            self._num_taken += 1
            return self._items.pop()

    def close(self) -> int:
        """Refuse further items, wake the waiting thread, and return the number of items left."""
        with self._condition:
            num_left = len(self._items)
            self._num_dropped += num_left
            self._items = []
            self._is_closed = True
            self._condition.notify_all()
            return num_left
