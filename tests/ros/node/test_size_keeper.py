"""``preset: auto`` of a node: what it asks for, what it says, what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_ros.engines.build_monitor import BuildTimes
from depth_ros.engines.cache import EngineCache
from depth_ros.engines.choice import EngineChoice
from depth_ros.engines.recipe import load_recipe
from depth_ros.engines.sizes import SizeStep, fitting, settled, steps_of
from depth_ros.ros.node.size_keeper import TIMES_FILE, Running, SizeKeeper
from depth_ros.ros.node.statistics import NodeStatistics
from depth_ros.tasks.networks import steps_to_choose
from depth_ros.tasks.pipeline import Identity
from depth_ros.tasks.stereo.settings import StereoSettings
from depth_ros.tensors import Task

STEPS = (
    SizeStep(preset='fast', size=(240, 320)),
    SizeStep(preset='balanced', size=(480, 640)),
    SizeStep(preset='fine', size=(720, 960)),
)


class Bench:
    """A node's clock, statistics and keeper; frames come and cost what a size costs."""

    def __init__(self, cache: Path, *, frame_size: tuple[int, int] = (720, 1280)) -> None:
        self.now_s = 100.0
        self.asked: list[str] = []
        self.said: list[str] = []
        self.frame_size = frame_size
        self.step = 0
        self.statistics = NodeStatistics(clock=lambda: self.now_s)
        self.times = BuildTimes(EngineCache(cache), file=TIMES_FILE)
        self.keeper = SizeKeeper(
            STEPS, self.statistics, ask=self.ask, say=self.said.append, times=self.times
        )

    def ask(self, preset: str) -> bool:
        self.asked.append(preset)
        return True

    def run(self, duration_s: float, *, rate_hz: float, cost_s: tuple[float, ...]) -> None:
        """Let frames come; what was asked for runs two seconds later."""
        end_s, opens_s = self.now_s + duration_s, float('inf')
        num_asked = len(self.asked)
        while self.now_s < end_s:
            self.now_s += 1.0 / rate_hz
            self.statistics.job()
            self.statistics.output({'total': cost_s[self.step] + 0.5, 'wait': 0.5}, 1.0)
            self.keeper.poll(self.running(), self.now_s)
            if len(self.asked) > num_asked:
                num_asked, opens_s = len(self.asked), self.now_s + 2.0
            if self.now_s > opens_s:
                opens_s = float('inf')
                self.step = [step.preset for step in STEPS].index(self.asked[-1])

    def running(self) -> Running:
        height, width = STEPS[self.step].size
        identity = Identity(
            model='m', engine='openvino', precision='f32', size=f'{height}x{width}'
        )
        return Running(identity=identity, num_threads=0, frame_size=self.frame_size)


def test_it_climbs_to_what_holds_the_rate_says_so_and_remembers(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(120.0, rate_hz=5.0, cost_s=(0.03, 0.1, 0.3))
    assert bench.asked == ['balanced']
    (sentence,) = bench.said
    assert sentence == (
        'preset auto: 5.0 pairs/s and 30 ms each at 240x320 (fast): room for more, opening '
        '480x640 (balanced)'
    )
    again = Bench(tmp_path)
    again.run(20.0, rate_hz=1.0, cost_s=(0.03, 0.1, 0.3))
    assert again.asked == ['fine'], 'expected from what the cache says of 480x640'
    key = 'm 480x640 in f32 on openvino, 0 threads, images 720x1280'
    assert again.times.expected_s(key) == pytest.approx(0.1)


def test_load_that_comes_brings_it_down(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(60.0, rate_hz=5.0, cost_s=(0.03, 0.1, 0.3))
    bench.run(10.0, rate_hz=5.0, cost_s=(0.06, 0.3, 0.9))
    assert bench.asked == ['balanced', 'fast']
    assert 'too slow, opening 240x320 (fast)' in bench.said[-1]


def test_the_image_limits_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, frame_size=(240, 320))
    bench.run(60.0, rate_hz=1.0, cost_s=(0.01, 0.01, 0.01))
    assert bench.asked == []


def test_what_could_not_be_opened_is_not_asked_for_at_once_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, frame_size=(480, 640))
    bench.ask = lambda preset: bench.asked.append(preset) or True  # type: ignore[func-returns-value]
    while not bench.asked:
        bench.run(1.0, rate_hz=2.0, cost_s=(0.01, 0.02, 0.03))
    bench.step = 0
    bench.keeper.refused(bench.now_s)
    bench.run(30.0, rate_hz=2.0, cost_s=(0.01, 0.02, 0.03))
    assert bench.asked == ['balanced']


@pytest.mark.parametrize(
    ('image_size', 'preset'),
    [
        ((120, 160), 'fast'),
        ((240, 320), 'fast'),
        ((479, 639), 'fast'),
        ((480, 640), 'balanced'),
        ((400, 640), 'balanced'),
        ((375, 1242), 'fine'),
        ((720, 960), 'fine'),
        ((3000, 4000), 'fine'),
    ],
)
def test_the_largest_that_needs_no_enlarging(image_size: tuple[int, int], preset: str) -> None:
    assert fitting(STEPS, image_size).preset == preset


def test_the_steps_are_what_ships() -> None:
    recipe = load_recipe('crestereo_tiny')
    steps = steps_of(recipe, EngineChoice())
    assert [step.preset for step in steps][:2] == ['fast', 'balanced']
    assert [step.size for step in steps] == sorted(step.size for step in steps)
    named = steps_of(recipe, EngineChoice(weights='my.safetensors'))
    assert [step.preset for step in named] == ['fast', 'balanced', 'fine']


def test_who_chooses_by_itself_is_left_alone() -> None:
    auto, sized = EngineChoice(preset='auto'), EngineChoice(preset='auto', size=(96, 128))
    assert settled(auto, 'fine').preset == 'fine'
    assert settled(sized, 'fine') == EngineChoice(size=(96, 128))
    assert settled(EngineChoice(preset='fast'), 'fine').preset == 'fast'
    for settings in (
        StereoSettings(model='sgbm', engine=auto),
        StereoSettings(engine=sized),
        StereoSettings(),
    ):
        assert steps_to_choose(settings, Task.STEREO) == ()
    assert len(steps_to_choose(StereoSettings(engine=auto), Task.STEREO)) >= 2
