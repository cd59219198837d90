"""Pair left and right images by stamp; every image ends in exactly one counter.

Both streams are in order of stamp, so pairing is a merge of two queues: only their heads are
compared and no combination is ever searched. A pair leaves as soon as no image that can still
come could be a nearer partner, judged by the smallest gap between recent stamps of a side.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Generic, TypeVar

from depth_ros.errors import ParameterError
from depth_ros.streams.stamp_order import StampOrder

ItemT = TypeVar('ItemT')
Report = Callable[[str, str], None]
"""Takes a reason (short slug) and a sentence that names cause and remedy."""

NUM_GAPS = 16


class Side(Enum):
    """Which camera an image is from."""

    LEFT = 'left'
    RIGHT = 'right'

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair(Generic[ItemT]):
    """Two images that belong together.

    Attributes:
        left: Left item as added.
        right: Right item as added.
        left_stamp_ns: Stamp of the left item; results carry it.
        right_stamp_ns: Stamp of the right item.
    """

    left: ItemT
    right: ItemT
    left_stamp_ns: int
    right_stamp_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SideCounts:
    """Where the images of one side went: ``received == paired + unpaired + refused + waiting``.

    Attributes:
        received: Images added.
        paired: Images that left as part of a pair.
        unpaired: Images that found no partner, by reason: ``no_partner``, ``nearer_partner``,
            ``queue_full``, ``reset`` or ``shutdown``.
        refused: Images not taken, by reason: ``zero_stamp``, ``repeated_stamp``, ``stamp_back``,
            or whatever ``refuse`` was called with.
        waiting: Images still in the queue.
    """

    received: int
    paired: int
    unpaired: Mapping[str, int]
    refused: Mapping[str, int]
    waiting: int

    @property
    def num_unpaired(self) -> int:
        """Unpaired images of all reasons."""
        return sum(self.unpaired.values())

    @property
    def num_refused(self) -> int:
        """Refused images of all reasons."""
        return sum(self.refused.values())


class StereoSynchronizer(Generic[ItemT]):
    """Pairs two streams by nearest stamp, exactly or within a tolerance.

    Stamps of a side must rise. One image that comes late is refused; a second one in a row means
    that the camera restarted or the bag looped, and pairing restarts. Not thread-safe.
    """

    def __init__(
        self, max_difference_ns: int, queue_size: int, *, report: Report | None = None
    ) -> None:
        """Start empty.

        Args:
            max_difference_ns: Largest difference of stamps within a pair; 0 pairs equal stamps.
            queue_size: Images of one side that may wait for the other side, at least 1.
            report: Called for everything that did not become a pair.

        Raises:
            ParameterError: If a number is out of range.
        """
        if max_difference_ns < 0 or queue_size < 1:
            raise ParameterError(
                'the synchronizer needs max_difference_ns >= 0 and queue_size >= 1, '
                f'got {max_difference_ns!r} and {queue_size!r}; set them in that range'
            )
        self.max_difference_ns = max_difference_ns
        self.queue_size = queue_size
        self._report: Report = report or (lambda reason, text: None)
        self._sides = {side: _SideState[ItemT](side) for side in Side}
        self._num_resets = 0
        self._nearest_apart_ns: int | None = None

    @property
    def num_resets(self) -> int:
        """How often pairing restarted because stamps went back."""
        return self._num_resets

    @property
    def nearest_apart_ns(self) -> int | None:
        """Smallest difference of stamps that was too large for a pair; None if none was."""
        return self._nearest_apart_ns

    def counts(self, side: Side) -> SideCounts:
        """Return the counters of one side."""
        return self._sides[side].counts()

    def add(self, side: Side, stamp_ns: int, item: ItemT) -> list[Pair[ItemT]]:
        """Add an image and return the pairs it completes, oldest first.

        Args:
            side: Camera it is from.
            stamp_ns: Its stamp in nanoseconds.
            item: Whatever a pair should carry.
        """
        state = self._sides[side]
        state.num_received += 1
        if not self._accept(state, stamp_ns):
            return []
        state.push(stamp_ns, item)
        pairs = self._match()
        while len(state.queue) > self.queue_size:
            self._unpair(state, 'queue_full', self._silent_text(state))
        return pairs

    def drain(self) -> list[Pair[ItemT]]:
        """Return the pairs that only waited for nearer partners, at the end of both streams."""
        return self._match(is_final=True)

    def refuse(self, side: Side, reason: str, text: str) -> None:
        """Count an image that the caller found unusable before pairing."""
        self._sides[side].num_received += 1
        self._refuse(self._sides[side], reason, text)

    def close(self) -> None:
        """Count all waiting images as unpaired."""
        for state in self._sides.values():
            while state.queue:
                self._unpair(state, 'shutdown', '')

    def _accept(self, state: _SideState[ItemT], stamp_ns: int) -> bool:
        last_ns = state.order.last_ns
        fault = state.order.fault(stamp_ns)
        if fault is not None:
            self._refuse(state, *fault)
            return False
        if state.order.restarted_by_s:
            back_s = state.order.restarted_by_s
            self._reset(f'{state.side.value} stamps went back by {back_s:.3f} s and stay there')
            state.order.fault(stamp_ns)
        elif last_ns is not None:
            state.gaps_ns.append(stamp_ns - last_ns)
        return True

    def _reset(self, cause: str) -> None:
        """Forget all waiting images and last stamps; counters go on."""
        self._num_resets += 1
        text = f'{cause}: pairing starts afresh; expected after a camera restart or a bag loop'
        self._report('reset', text)
        for state in self._sides.values():
            while state.queue:
                self._unpair(state, 'reset', text)
            state.forget()

    def _match(self, *, is_final: bool = False) -> list[Pair[ItemT]]:
        """Pair the queues as far as pairs are final; at the end all are."""
        pairs: list[Pair[ItemT]] = []
        left, right = self._sides[Side.LEFT], self._sides[Side.RIGHT]
        while left.queue and right.queue:
            early, late = (left, right) if left.head_ns <= right.head_ns else (right, left)
            difference_ns = late.head_ns - early.head_ns
            if difference_ns > self.max_difference_ns:
                self._nearest_apart_ns = min(
                    difference_ns, self._nearest_apart_ns or difference_ns
                )
                self._unpair(early, 'no_partner', self._apart_text(early, difference_ns))
            elif early.next_is_nearer(late.head_ns):
                self._unpair(early, 'nearer_partner', self._nearer_text(early))
            elif not is_final and early.may_get_nearer(difference_ns):
                break
            else:
                pairs.append(_pop_pair(left, right))
        return pairs

    def _refuse(self, state: _SideState[ItemT], reason: str, text: str) -> None:
        state.refused[reason] += 1
        self._report(reason, text)

    def _unpair(self, state: _SideState[ItemT], reason: str, text: str) -> None:
        state.queue.popleft()
        state.unpaired[reason] += 1
        if reason not in ('reset', 'shutdown'):
            self._report(f'{reason}_{state.side.value}', text)

    def _apart_text(self, early: _SideState[ItemT], difference_ns: int) -> str:
        return (
            f'no {early.side.other.value} image within {self.max_difference_ns * 1e-6:g} ms of a '
            f'{early.side.value} one (nearest {difference_ns * 1e-6:.3f} ms): trigger the cameras '
            'together and synchronize their clocks, or raise max_stamp_difference_s'
        )

    def _nearer_text(self, early: _SideState[ItemT]) -> str:
        return (
            f'more {early.side.value} than {early.side.other.value} images: the nearest one is '
            'used; set both cameras to one rate'
        )

    def _silent_text(self, state: _SideState[ItemT]) -> str:
        return (
            f'{self.queue_size} {state.side.value} images wait and no {state.side.other.value} '
            f'image comes: check the {state.side.other.value} camera and its topic'
        )


class _SideState(Generic[ItemT]):
    """One side's queue, its last stamps and its counters."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.queue: deque[tuple[int, ItemT]] = deque()
        self.order = StampOrder(f'{side.value} image')
        self.gaps_ns: deque[int] = deque(maxlen=NUM_GAPS)
        self.num_received = 0
        self.num_paired = 0
        self.unpaired: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    @property
    def head_ns(self) -> int:
        return self.queue[0][0]

    def push(self, stamp_ns: int, item: ItemT) -> None:
        self.queue.append((stamp_ns, item))

    def next_is_nearer(self, stamp_ns: int) -> bool:
        """Whether the image behind the head, not the head, is the nearest to a later stamp."""
        if len(self.queue) < 2:
            return False
        return abs(self.queue[1][0] - stamp_ns) < stamp_ns - self.head_ns

    def may_get_nearer(self, difference_ns: int) -> bool:
        """Whether the next image of this side could be nearer to a stamp that much later."""
        if len(self.queue) > 1 or not self.gaps_ns:
            return False
        return min(self.gaps_ns) < 2 * difference_ns

    def forget(self) -> None:
        self.order.forget()
        self.gaps_ns.clear()

    def counts(self) -> SideCounts:
        return SideCounts(
            received=self.num_received,
            paired=self.num_paired,
            unpaired=MappingProxyType(dict(self.unpaired)),
            refused=MappingProxyType(dict(self.refused)),
            waiting=len(self.queue),
        )


def _pop_pair(left: _SideState[ItemT], right: _SideState[ItemT]) -> Pair[ItemT]:
    left_stamp_ns, left_item = left.queue.popleft()
    right_stamp_ns, right_item = right.queue.popleft()
    left.num_paired += 1
    right.num_paired += 1
    return Pair(
        left=left_item,
        right=right_item,
        left_stamp_ns=left_stamp_ns,
        right_stamp_ns=right_stamp_ns,
    )
