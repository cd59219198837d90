"""State of a long build: phase, elapsed and expected time, peak memory.

Expected times are those of earlier builds on this machine, kept in the cache beside what was
built, so they include its disk, its clock and its load.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from depth_ros.engines.cache import EngineCache
from depth_ros.errors import DepthRosError, InputError
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.whole_file import write_json

_FILE = 'build_times.json'
_MAX_ENTRIES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStatus:
    """One moment of a build.

    Attributes:
        phase: What is being done, e.g. ``'compile crestereo-240x320-it4 in f32 for openvino'``.
        fraction: How much of the phase is done, 0..1, where that is known.
        elapsed_s: Since the phase began.
        expected_s: How long the phase took the last time; None if it never ran here.
        total_s: Since the first phase began.
        peak_mb: Most memory this process has held so far.
    """

    phase: str
    fraction: float | None
    elapsed_s: float
    expected_s: float | None
    total_s: float
    peak_mb: float

    def describe(self) -> str:
        """Return the status in one line."""
        share = '' if self.fraction is None else f' {self.fraction:.0%}'
        expected = (
            'first time here' if self.expected_s is None else f'last time {self.expected_s:.0f} s'
        )
        return (
            f'{self.phase}{share}: {self.elapsed_s:.0f} s ({expected}), all {self.total_s:.0f} s, '
            f'peak memory {self.peak_mb:.0f} MB'
        )


class BuildTimes:
    """How long phases took, by their text; a damaged file counts as empty."""

    def __init__(self, cache: EngineCache | None = None, *, file: str = _FILE) -> None:
        """Use a file in a cache, by default the user's."""
        self._cache = cache or EngineCache()
        self._path = self._cache.root / file
        self._known = self._read()

    def expected_s(self, phase: str) -> float | None:
        """Return the seconds of the last time, None if there was none."""
        return self._known.get(phase)

    def record(self, seconds: Mapping[str, float]) -> None:
        """Keep the seconds of finished phases; a cache that cannot be written keeps none."""
        if not seconds:
            return
        try:
            with self._cache.lock('build-times'):
                merged = self._read()
                for phase, value in seconds.items():
                    merged.pop(phase, None)
                    merged[phase] = round(value, 3)
                self._write(dict(list(merged.items())[-_MAX_ENTRIES:]))
        except DepthRosError:
            return

    def _write(self, known: Mapping[str, float]) -> None:
        write_json(self._path, known)
        self._known = dict(known)

    def _read(self) -> dict[str, float]:
        try:
            body = parse_json(given_text(self._path))
        except (InputError, ValueError):
            return {}
        if not isinstance(body, dict):
            return {}
        return {
            phase: float(value)
            for phase, value in body.items()
            if isinstance(value, (int, float)) and value >= 0
        }


class BuildMonitor:
    """A ``Progress`` that records the build status; one thread writes, any thread reads."""

    def __init__(
        self,
        times: BuildTimes | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        peak_mb: Callable[[], float] | None = None,
        on_phase: Callable[[str], None] | None = None,
    ) -> None:
        """Watch nothing yet.

        Args:
            times: Where expected times come from and go to; None takes the user's cache.
            clock: Gives seconds.
            peak_mb: Gives the most memory held so far.
            on_phase: Called with each phase once, in the thread that reports it.
        """
        self._times = times or BuildTimes()
        self._clock = clock
        self._peak_mb = peak_mb or process_peak_mb
        self._on_phase = on_phase
        self._lock = threading.Lock()
        self._finished: dict[str, float] = {}
        self._phase, self._fraction = '', None  # type: tuple[str, float | None]
        self._began_s = self._phase_began_s = clock()

    def __call__(self, phase: str, fraction: float | None) -> None:
        """Record the current phase."""
        with self._lock:
            is_new = phase != self._phase
            if is_new:
                self._end_phase()
                self._phase = phase
            self._fraction = fraction
        if is_new and self._on_phase is not None:
            self._on_phase(phase)

    def status(self) -> BuildStatus | None:
        """Return the current status, None if nothing is built."""
        with self._lock:
            if not self._phase:
                return None
            now = self._clock()
            return BuildStatus(
                phase=self._phase,
                fraction=self._fraction,
                elapsed_s=now - self._phase_began_s,
                expected_s=self._times.expected_s(self._phase),
                total_s=now - self._began_s,
                peak_mb=self._peak_mb(),
            )

    def finish(self, *, is_complete: bool = True) -> None:
        """Finish and keep the times; those of an interrupted phase are discarded."""
        with self._lock:
            if is_complete:
                self._end_phase()
            self._phase, self._fraction = '', None
            finished, self._finished = self._finished, {}
        self._times.record(finished)

    def _end_phase(self) -> None:
        now = self._clock()
        if self._phase:
            self._finished[self._phase] = now - self._phase_began_s
        else:
            self._began_s = now
        self._phase_began_s = now


def process_peak_mb() -> float:
    """Return the most memory this process has held, in MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
