"""A bounded queue that serves callers in turn and says "busy" instead of growing.

A caller with a name has at most one item in the queue or in work, so a caller that disappears
costs at most one piece of work; its newer item replaces its older one. Nameless callers share
one lane, first come first served, and that lane gets one turn in each round like a named caller.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, Protocol, TypeVar


class Queued(Protocol):
    """What waits in the queue."""

    @property
    def caller(self) -> str:
        """Name of the caller, or empty."""

    @property
    def num_bytes(self) -> int:
        """Memory that it holds."""

    @property
    def is_own(self) -> bool:
        """Whether it is the worker's own business, under a name: the newest may always wait."""


ItemT = TypeVar('ItemT', bound=Queued)
NAMELESS = ''


class QueueRefusal(Enum):
    """Why an item was refused or removed again."""

    FULL = 'full'
    IN_WORK = 'in_work'
    REPLACED = 'replaced'
    CLOSED = 'closed'


class FairQueue(Generic[ItemT]):
    """Between any number of callers and one worker. Thread-safe.

    Whatever is refused, replaced or left behind goes to ``on_refused``, each item exactly once,
    outside the lock and in the thread that caused it; the worker's own items are counted instead,
    as ``Mailbox`` does.
    """

    def __init__(
        self,
        *,
        capacity: int,
        max_bytes: int,
        on_refused: Callable[[ItemT, QueueRefusal], None],
    ) -> None:
        """Start empty and open.

        Args:
            capacity: Items that may wait, at least 1.
            max_bytes: Memory that waiting items may hold; a single item may always wait.
            on_refused: Called with items that will not be worked on.
        """
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._on_refused = on_refused
        self._condition = threading.Condition()
        self._lanes: OrderedDict[str, deque[ItemT]] = OrderedDict()
        self._num_bytes = 0
        self._working: str | None = None
        self._is_closed = False

    @property
    def num_waiting(self) -> int:
        """Items that wait."""
        with self._condition:
            return self._count()

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._is_closed

    def set_limits(self, *, capacity: int, max_bytes: int) -> None:
        """Change how much may wait from now on; what waits already stays."""
        with self._condition:
            self._capacity, self._max_bytes = capacity, max_bytes

    def put(self, item: ItemT) -> int:
        """Add an item, or refuse it.

        Returns:
            How many of the worker's own items were dropped.
        """
        with self._condition:
            refused = self._admit(item)
            self._condition.notify()
        return self._tell(refused)

    def take(self, timeout_s: float | None = None) -> ItemT | None:
        """Finish the item taken before, wait for the next in turn, and take it.

        Returns:
            The item, or None after ``timeout_s`` seconds or once the queue is closed.
        """
        with self._condition:
            self._working = None
            self._condition.wait_for(lambda: self._lanes or self._is_closed, timeout_s)
            if not self._lanes:
                return None
            caller = next(iter(self._lanes))
            item = self._pop(caller)
            if caller in self._lanes:
                self._lanes.move_to_end(caller)
            self._working = caller or None
            return item

    def close(self) -> int:
        """Refuse everything from now on, also what waits; return what ``put`` gives."""
        with self._condition:
            left = [(item, QueueRefusal.CLOSED) for lane in self._lanes.values() for item in lane]
            self._lanes.clear()
            self._num_bytes = 0
            self._is_closed = True
            self._condition.notify_all()
        return self._tell(left)

    def _tell(self, refused: list[tuple[ItemT, QueueRefusal]]) -> int:
        for item, refusal in refused:
            if not item.is_own:
                self._on_refused(item, refusal)
        return sum(item.is_own for item, _ in refused)

    def _admit(self, item: ItemT) -> list[tuple[ItemT, QueueRefusal]]:
        """Insert the item and return the items that it displaces."""
        if self._is_closed:
            return [(item, QueueRefusal.CLOSED)]
        if item.caller and item.caller == self._working and not item.is_own:
            return [(item, QueueRefusal.IN_WORK)]
        if item.caller and item.caller in self._lanes:
            return self._replace(item)
        refused: list[tuple[ItemT, QueueRefusal]] = []
        while not self._has_room(item):
            longest = self._longest_lane()
            if longest == item.caller or len(self._lanes[longest]) < 2:
                return [*refused, (item, QueueRefusal.FULL)]
            refused.append((self._pop(longest, newest=True), QueueRefusal.FULL))
        self._lanes.setdefault(item.caller, deque()).append(item)
        self._num_bytes += item.num_bytes
        return refused

    def _replace(self, item: ItemT) -> list[tuple[ItemT, QueueRefusal]]:
        """Put a named caller's newer item in the older one's place, so that it keeps its turn."""
        lane = self._lanes[item.caller]
        refused = [(lane[0], QueueRefusal.REPLACED)]
        num_bytes = self._num_bytes + item.num_bytes - lane[0].num_bytes
        if num_bytes > self._max_bytes and self._count() > 1 and not item.is_own:
            self._pop(item.caller)
            return [*refused, (item, QueueRefusal.FULL)]
        self._num_bytes, lane[0] = num_bytes, item
        return refused

    def _has_room(self, item: ItemT) -> bool:
        count = self._count()
        fits = self._num_bytes + item.num_bytes <= self._max_bytes
        return item.is_own or count == 0 or (count < self._capacity and fits)

    def _longest_lane(self) -> str:
        return max(self._lanes, key=lambda caller: len(self._lanes[caller]))

    def _pop(self, caller: str, *, newest: bool = False) -> ItemT:
        lane = self._lanes[caller]
        item = lane.pop() if newest else lane.popleft()
        self._num_bytes -= item.num_bytes
        if not lane:
            del self._lanes[caller]
        return item

    def _count(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())
