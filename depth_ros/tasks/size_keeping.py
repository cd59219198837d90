"""Which size holds the camera's rate: decided by measured times, with hysteresis.

A larger size is taken only if it leaves room, a smaller one as soon as the present one is full.
Between the two nothing happens, each must last for a while, and a size that was too much is left
alone for a time that doubles: so the size cannot swing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

FULL = 0.9
"""Share of the time between two frames above which a size is too large."""
ROOMY = 0.7
"""Share that a larger size may take at most, as expected."""
DOWN_AFTER_S, UP_AFTER_S = 3.0, 10.0
"""How long either must last."""
BARRED_S, LONGEST_BAR_S = 60.0, 3600.0
"""How long a size is left alone after it was too much; twice as long each time."""
ALMOST_LINEAR = 1.15
"""A size never measured is expected to take so many times its share of pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What was measured at one moment.

    Attributes:
        now_s: Time, s.
        rate_hz: Frames that come per second.
        frame_s: What one takes at the present size, s.
    """

    now_s: float
    rate_hz: float
    frame_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """The present size and what is remembered.

    Attributes:
        step: Which of the sizes, 0 for the smallest.
        wish: The size that the load has asked for ...
        since_s: ... since then.
        barred_until_s: By size: until when it is left alone.
        num_barred: By size: how often it was too much.
    """

    step: int = 0
    wish: int = 0
    since_s: float = 0.0
    barred_until_s: dict[int, float] = field(default_factory=dict)
    num_barred: dict[int, int] = field(default_factory=dict)


def expected_s(step: int, pixels: Sequence[int], known_s: Sequence[float | None]) -> float | None:
    """Return what a frame takes at a size: as measured, else by pixels of the nearest measured.

    Args:
        step: Which size.
        pixels: Of every size.
        known_s: Measured seconds of every size, None where it was not.
    """
    if known_s[step] is not None:
        return known_s[step]
    measured = [index for index, seconds in enumerate(known_s) if seconds is not None]
    if not measured:
        return None
    nearest = min(measured, key=lambda index: abs(index - step))
    seconds = known_s[nearest]
    assert seconds is not None
    grows = ALMOST_LINEAR if step > nearest else 1.0
    return seconds * grows * pixels[step] / pixels[nearest]


def kept(
    keeping: Keeping,
    load: Load,
    *,
    pixels: Sequence[int],
    known_s: Sequence[float | None],
    largest: int,
) -> Keeping:
    """Return which size is next.

    Args:
        keeping: The present one.
        load: Measured just now.
        pixels: Of every size, the smallest first.
        known_s: Measured seconds of a frame at every size, None where it was not.
        largest: Largest size to take, e.g. because of the image's own.
    """
    wish = _wish(keeping, load, pixels=pixels, known_s=known_s, largest=largest)
    if wish != keeping.wish:
        keeping = replace(keeping, wish=wish, since_s=load.now_s)
    lasted_s = load.now_s - keeping.since_s
    if wish < keeping.step and lasted_s >= DOWN_AFTER_S:
        return _barred(replace(keeping, step=wish), keeping.step, load.now_s)
    if wish > keeping.step and lasted_s >= UP_AFTER_S:
        return replace(keeping, step=wish)
    return keeping


def barred(keeping: Keeping, step: int, now_s: float) -> Keeping:
    """Return a state that goes back from a size that could not be opened."""
    return _barred(replace(keeping, step=min(keeping.step, max(0, step - 1))), step, now_s)


def _wish(
    keeping: Keeping,
    load: Load,
    *,
    pixels: Sequence[int],
    known_s: Sequence[float | None],
    largest: int,
) -> int:
    """Return the size that the load asks for."""
    step = keeping.step
    if step > largest:
        return largest
    if load.rate_hz * load.frame_s > FULL:
        return max(0, step - 1)
    known: list[float | None] = list(known_s)
    known[step] = load.frame_s
    for larger in range(largest, step, -1):
        # What was too slow then may have been the load of that time: after the bar it counts anew.
        is_anew = larger in keeping.num_barred
        times = [*known[:larger], None, *known[larger + 1 :]] if is_anew else known
        seconds = expected_s(larger, pixels, times)
        is_free = load.now_s >= keeping.barred_until_s.get(larger, 0.0)
        if seconds is not None and is_free and load.rate_hz * seconds < ROOMY:
            return larger
    return step


def _barred(keeping: Keeping, step: int, now_s: float) -> Keeping:
    """Leave a size alone, twice as long as the last time."""
    count = keeping.num_barred.get(step, 0)
    until_s = now_s + min(LONGEST_BAR_S, BARRED_S * 2**count)
    return replace(
        keeping,
        wish=keeping.step,
        since_s=now_s,
        barred_until_s={**keeping.barred_until_s, step: until_s},
        num_barred={**keeping.num_barred, step: count + 1},
    )
