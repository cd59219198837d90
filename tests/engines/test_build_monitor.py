"""What a build says of itself: phases, times of earlier builds, memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depth_ros.engines.build_monitor import BuildMonitor, BuildTimes, process_peak_mb
from depth_ros.engines.cache import EngineCache


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path)


def monitor_of(cache: EngineCache, clock: Clock, phases: list[str] | None = None) -> BuildMonitor:
    return BuildMonitor(
        BuildTimes(cache),
        clock=clock,
        peak_mb=lambda: 512.4,
        on_phase=None if phases is None else phases.append,
    )


def build(cache: EngineCache, *, compile_s: float, is_complete: bool = True) -> None:
    clock = Clock()
    monitor = monitor_of(cache, clock)
    monitor('compile a', None)
    clock.now += compile_s
    monitor('check a', None)
    clock.now += 1.0
    monitor.finish(is_complete=is_complete)


def test_status_says_phase_elapsed_expected_and_memory(cache: EngineCache) -> None:
    clock, phases = Clock(), []
    monitor = monitor_of(cache, clock, phases)
    assert monitor.status() is None
    monitor('compile a', None)
    clock.now += 7.0
    monitor('check a', 0.25)
    clock.now += 3.0
    monitor('check a', 0.5)
    status = monitor.status()
    assert status is not None
    assert (status.elapsed_s, status.expected_s, status.total_s) == (3.0, None, 10.0)
    text = 'check a 50%: 3 s (first time here), all 10 s, peak memory 512 MB'
    assert status.describe() == text
    assert phases == ['compile a', 'check a']


def test_expected_times_are_those_of_the_last_build(cache: EngineCache) -> None:
    build(cache, compile_s=42.0)
    build(cache, compile_s=12.0)
    monitor = monitor_of(cache, Clock())
    monitor('compile a', None)
    status = monitor.status()
    assert status is not None and status.expected_s == 12.0
    assert '0 s (last time 12 s)' in status.describe()


def test_a_broken_off_phase_teaches_nothing_but_finished_ones_do(cache: EngineCache) -> None:
    build(cache, compile_s=42.0, is_complete=False)
    times = BuildTimes(cache)
    assert times.expected_s('compile a') == 42.0
    assert times.expected_s('check a') is None


def test_a_second_build_starts_its_clock_anew(cache: EngineCache) -> None:
    clock = Clock()
    monitor = monitor_of(cache, clock)
    monitor('compile a', None)
    clock.now += 5.0
    monitor.finish()
    assert monitor.status() is None
    clock.now += 1000.0
    monitor('compile b', None)
    clock.now += 2.0
    status = monitor.status()
    assert status is not None and (status.elapsed_s, status.total_s) == (2.0, 2.0)


@pytest.mark.parametrize('text', ['', '{', '[1, 2]', '{"compile a": "x", "check a": -1}'])
def test_a_damaged_file_counts_as_empty_and_is_mended(cache: EngineCache, text: str) -> None:
    path = cache.root / 'build_times.json'
    path.write_text(text)
    assert BuildTimes(cache).expected_s('compile a') is None
    build(cache, compile_s=3.0)
    assert json.loads(path.read_text()) == {'compile a': 3.0, 'check a': 1.0}
    assert [entry.name for entry in cache.root.glob('.*')] == []


def test_the_file_keeps_the_newest_entries(cache: EngineCache) -> None:
    times = BuildTimes(cache)
    times.record({f'phase {index}': 1.0 for index in range(600)})
    assert times.expected_s('phase 0') is None
    assert times.expected_s('phase 599') == 1.0


def test_a_cache_that_cannot_be_written_stops_no_build(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    build(EngineCache(tmp_path / 'file'), compile_s=1.0)


def test_peak_memory_is_that_of_this_process() -> None:
    before = process_peak_mb()
    held = bytearray(64_000_000)
    held[::4096] = b'x' * len(held[::4096])
    assert process_peak_mb() >= before
    assert 20 < before < 100_000
