"""The size that holds the camera's rate: up with room, down when full, and never to and fro."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from depth_ros.tasks.size_keeping import (
    DOWN_AFTER_S,
    UP_AFTER_S,
    Keeping,
    Load,
    barred,
    expected_s,
    kept,
)

PIXELS = (240 * 320, 480 * 640, 720 * 960)
COST_S = (0.03, 0.13, 0.3)


def drive(
    duration_s: float,
    *,
    rate_hz: Callable[[float], float],
    cost_s: Callable[[int, float], float] = lambda step, now: COST_S[step],
    keeping: Keeping | None = None,
    largest: int = 2,
    start_s: float = 0.0,
) -> tuple[Keeping, list[tuple[float, int]]]:
    """Decide once a second; give the last state and every change with its time."""
    keeping, changes = keeping or Keeping(), []
    known: list[float | None] = [None, None, None]
    now = start_s
    while now < start_s + duration_s:
        known[keeping.step] = cost_s(keeping.step, now)
        load = Load(now_s=now, rate_hz=rate_hz(now), frame_s=cost_s(keeping.step, now))
        following = kept(keeping, load, pixels=PIXELS, known_s=known, largest=largest)
        if following.step != keeping.step:
            changes.append((now, following.step))
        keeping = following
        now += 1.0
    return keeping, changes


@pytest.mark.parametrize(('rate_hz', 'step'), [(2.0, 2), (5.0, 1), (15.0, 0), (60.0, 0)], ids=str)
def test_the_largest_that_holds_the_rate_with_a_margin(rate_hz: float, step: int) -> None:
    keeping, changes = drive(120.0, rate_hz=lambda now: rate_hz)
    assert keeping.step == step
    assert len(changes) <= 2


def test_nothing_changes_before_it_lasted() -> None:
    _, changes = drive(600.0, rate_hz=lambda now: 2.0)
    assert changes[0][0] >= UP_AFTER_S
    keeping, changes = drive(60.0, rate_hz=lambda now: 2.0 if int(now) % 8 else 15.0)
    assert changes == [], 'a moment of load every eight seconds: room never lasted'
    assert keeping.step == 0


def test_load_brings_it_down_at_once() -> None:
    keeping, _ = drive(60.0, rate_hz=lambda now: 5.0)
    assert keeping.step == 1
    _, changes = drive(60.0, rate_hz=lambda now: 15.0, keeping=keeping, start_s=60.0)
    assert changes == [(60.0 + DOWN_AFTER_S, 0)]


def test_it_comes_back_when_the_load_goes() -> None:
    keeping, _ = drive(60.0, rate_hz=lambda now: 5.0)
    busy, _ = drive(30.0, rate_hz=lambda now: 15.0, keeping=keeping, start_s=60.0)
    assert busy.step == 0
    back, changes = drive(200.0, rate_hz=lambda now: 5.0, keeping=busy, start_s=90.0)
    assert back.step == 1 and len(changes) == 1


@pytest.mark.parametrize('rate_hz', [5.2, 5.4, 6.0, 6.9, 7.2])
def test_at_the_edge_it_does_not_swing(rate_hz: float) -> None:
    """An hour at a rate at which the second size is about as long as the frame."""
    _, changes = drive(3600.0, rate_hz=lambda now: rate_hz)
    assert len(changes) <= 2, changes


def test_what_is_measured_wrongly_swings_ever_slower() -> None:
    """The large size alone is slow, but only after a while, as when a machine gets hot."""

    def cost_s(step: int, now: float) -> float:
        return COST_S[step] * (1.0 if step == 0 or now % 40.0 < 20.0 else 3.0)

    _, changes = drive(3600.0, rate_hz=lambda now: 5.0, cost_s=cost_s)
    assert len(changes) <= 14, 'once an hour at the end'
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(changes)]
    assert max(gaps) > 900.0


def test_the_image_limits_the_size() -> None:
    keeping, _ = drive(120.0, rate_hz=lambda now: 1.0, largest=1)
    assert keeping.step == 1
    smaller, _ = drive(10.0, rate_hz=lambda now: 1.0, largest=0, keeping=keeping, start_s=120.0)
    assert smaller.step == 0, 'the camera was set to a smaller image'


def test_a_size_that_cannot_be_opened_is_left_alone() -> None:
    keeping = barred(Keeping(step=1), 1, 100.0)
    assert keeping.step == 0
    later, changes = drive(50.0, rate_hz=lambda now: 2.0, keeping=keeping, start_s=100.0)
    assert all(step != 1 for _, step in changes)
    assert later.barred_until_s[1] == 160.0


def test_known_times_of_the_cache_are_taken() -> None:
    """All sizes were measured before: the right one is taken in one step."""
    load = Load(now_s=0.0, rate_hz=2.0, frame_s=0.03)
    first = kept(Keeping(), load, pixels=PIXELS, known_s=COST_S, largest=2)
    then = kept(
        first,
        Load(now_s=UP_AFTER_S, rate_hz=2.0, frame_s=0.03),
        pixels=PIXELS,
        known_s=COST_S,
        largest=2,
    )
    assert then.step == 2


def test_expected_times() -> None:
    assert expected_s(1, PIXELS, (0.03, None, None)) == pytest.approx(0.03 * 4 * 1.15)
    assert expected_s(0, PIXELS, (None, 0.12, None)) == pytest.approx(0.03)
    assert expected_s(1, PIXELS, (0.03, 0.2, None)) == 0.2
    assert expected_s(1, PIXELS, (None, None, None)) is None
