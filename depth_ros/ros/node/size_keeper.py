"""``preset: auto`` of a running node: measures, asks for another size, says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from depth_ros.engines.build_monitor import BuildTimes
from depth_ros.engines.recipe import format_size
from depth_ros.engines.sizes import SizeStep, fitting
from depth_ros.ros.node.statistics import NodeStatistics
from depth_ros.tasks.pipeline import Identity
from depth_ros.tasks.size_keeping import Keeping, Load, barred, kept

PERIOD_S = 1.0
MIN_FRAMES = 5
"""Frames of a size that must have been measured."""
RATE_WINDOW_S = 10.0
TIMES_FILE = 'frame_times.json'


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """What runs now.

    Attributes:
        identity: Model, engine, precision and size.
        num_threads: Threads asked for, 0 for the runtime's choice.
        frame_size: ``(height, width)`` of the images; None before the first.
    """

    identity: Identity
    num_threads: int
    frame_size: tuple[int, int] | None


class SizeKeeper:
    """Asks for the largest size that holds the camera's rate; see ``tasks.size_keeping``."""

    def __init__(
        self,
        steps: Sequence[SizeStep],
        statistics: NodeStatistics,
        *,
        ask: Callable[[str], bool],
        say: Callable[[str], None],
        times: BuildTimes | None = None,
    ) -> None:
        """Begin at the size that the processor was opened with.

        Args:
            steps: Sizes to choose from, the smallest first; at least two.
            statistics: Of the node.
            ask: Called with a preset that is to be opened; returns whether it was begun.
            say: Called with a sentence for the log.
            times: Where measured times are kept; None takes the user's cache.
        """
        self._steps = tuple(steps)
        self._statistics = statistics
        self._ask, self._say = ask, say
        self._times = times or BuildTimes(file=TIMES_FILE)
        self._keeping = Keeping()
        self._asked: str = ''
        self._due_s = 0.0
        self._size = ''
        self._since_s = 0.0

    def poll(self, running: Running, now_s: float) -> None:
        """Measure and decide, once in a while."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + PERIOD_S
        if running.identity.size != self._size:
            self._size, self._since_s, self._asked = running.identity.size, now_s, ''
            return
        if self._asked or running.frame_size is None:
            return
        frame_s = self._statistics.recent_work_s(self._since_s, at_least=MIN_FRAMES)
        rate_hz = self._statistics.recent_job_rate_hz(RATE_WINDOW_S)
        step = self._present()
        if frame_s is None or rate_hz <= 0.0 or step is None:
            return
        self._times.record({self._key(running, step): frame_s})
        self._decide(running, Load(now_s=now_s, rate_hz=rate_hz, frame_s=frame_s), step)

    def refused(self, now_s: float) -> None:
        """Take notice that the size that was asked for could not be opened."""
        names = [step.preset for step in self._steps]
        if self._asked in names:
            self._keeping = barred(self._keeping, names.index(self._asked), now_s)
        self._asked = ''

    def _decide(self, running: Running, load: Load, step: int) -> None:
        if self._keeping.step != step:
            self._keeping = Keeping(
                step=step,
                wish=step,
                since_s=load.now_s,
                barred_until_s=self._keeping.barred_until_s,
                num_barred=self._keeping.num_barred,
            )
        assert running.frame_size is not None
        known = [self._times.expected_s(self._key(running, at)) for at in range(len(self._steps))]
        following = kept(
            self._keeping,
            load,
            pixels=[step.num_pixels for step in self._steps],
            known_s=known,
            largest=self._steps.index(fitting(self._steps, running.frame_size)),
        )
        if following.step != step and self._ask(self._steps[following.step].preset):
            self._asked = self._steps[following.step].preset
            self._tell(load, step, following.step)
        self._keeping = following

    def _tell(self, load: Load, step: int, following: int) -> None:
        old, new = self._steps[step], self._steps[following]
        why = 'too slow' if following < step else 'room for more'
        self._say(
            f'preset auto: {load.rate_hz:.1f} pairs/s and {1000 * load.frame_s:.0f} ms each at '
            f'{format_size(old.size)} ({old.preset}): {why}, opening {format_size(new.size)} '
            f'({new.preset})'
        )

    def _present(self) -> int | None:
        sizes = [format_size(step.size) for step in self._steps]
        return sizes.index(self._size) if self._size in sizes else None

    def _key(self, running: Running, step: int) -> str:
        identity, size = running.identity, format_size(self._steps[step].size)
        image = 'x'.join(map(str, running.frame_size or ()))
        return (
            f'{identity.model} {size} in {identity.precision} on {identity.engine}, '
            f'{running.num_threads} threads, images {image}'
        )
