"""The worker: every pair is one output or one counted drop, whatever the engine does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from depth_ros.errors import CalibrationError, EngineError
from depth_ros.messages.camera_info import camera_from_info
from depth_ros.ros.node.camera_input import CameraInfoCache
from depth_ros.ros.node.pair_inputs import StereoJob
from depth_ros.ros.node.statistics import NodeStatistics
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.worker import Worker
from depth_ros.streams.synchronize import Pair
from depth_ros.tasks.stereo.processor import Wanted
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.live_node import camera_info, mono8, set_stamp, wait_until


def job(stamp_ns: int, **left_changes: Any) -> StereoJob:
    left, right = mono8('left'), mono8('right')
    for name, value in left_changes.items():
        setattr(left, name, value)
    for message in (left, right):
        set_stamp(message, stamp_ns)
    pair = Pair(left=left, right=right, left_stamp_ns=stamp_ns, right_stamp_ns=stamp_ns)
    return StereoJob(
        pair=pair,
        left=camera_from_info(camera_info('left')),
        right=camera_from_info(camera_info('right')),
        is_rectified=False,
    )


@dataclass
class Sink:
    """Keeps the stamps of what was published."""

    wants: Wanted | None = field(default_factory=Wanted)
    stamps_ns: list[int] = field(default_factory=list)
    frame_ids: set[str] = field(default_factory=set)
    names: list[str] = field(default_factory=list)

    def wanted(self) -> Wanted | None:
        return self.wants

    def publish(self, output: Any, *, stamp_ns: int, frame_id: str) -> None:
        self.stamps_ns.append(stamp_ns)
        self.frame_ids.add(frame_id)
        self.names.append(output.name)


class Processor:
    """A processor that does as told: waits for a gate, or raises."""

    def __init__(self, name: str = 'first', *, error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.settings = StereoSettings()
        self.num_closed = 0

    def process(self, frame: Any, *, wanted: Wanted) -> Any:
        self.entered.set()
        assert self.gate.wait(10.0)
        if self.error:
            raise self.error
        return SimpleNamespace(stages_s={'infer': 0.001}, valid_fraction=0.5, name=self.name)

    def describe(self) -> str:
        return self.name

    def set_settings(self, settings: StereoSettings) -> None:
        self.settings = settings

    def close(self) -> None:
        self.num_closed += 1


@dataclass
class Bench:
    worker: Worker
    sink: Sink
    statistics: NodeStatistics
    said: list[str]

    @property
    def done(self) -> int:
        snapshot = self.statistics.snapshot()
        return snapshot.outputs + snapshot.num_dropped

    def run(self, *jobs: StereoJob) -> None:
        for entry in jobs:
            before = self.done
            self.worker.submit(entry)
            assert wait_until(lambda before=before: self.done > before, 10.0)


@pytest.fixture
def bench() -> Any:
    statistics, sink, said = NodeStatistics(), Sink(), []
    worker = Worker(sink=sink, statistics=statistics, warn=ThrottledWarnings(said.append))
    made = Bench(worker, sink, statistics, said)
    yield made
    worker.close()


def test_outputs_carry_stamp_and_frame_of_the_left_image(bench: Bench) -> None:
    bench.worker.start(Processor())
    bench.run(job(10), job(20))
    assert bench.sink.stamps_ns == [10, 20]
    assert bench.sink.frame_ids == {'left_eye'}
    assert bench.statistics.snapshot().outputs == 2
    assert {'wait', 'decode', 'infer', 'publish', 'total'} <= set(
        bench.statistics.snapshot().stages
    )


def test_the_newest_pair_wins_and_the_others_are_counted(bench: Bench) -> None:
    processor = Processor()
    processor.gate.clear()
    bench.worker.start(processor)
    bench.worker.submit(job(10))
    assert processor.entered.wait(10.0)
    for stamp in (20, 30, 40):
        bench.worker.submit(job(stamp))
    assert bench.worker.num_in_flight == 2
    processor.gate.set()
    assert wait_until(lambda: bench.statistics.snapshot().outputs == 2)
    assert bench.sink.stamps_ns == [10, 40]
    assert bench.statistics.snapshot().dropped == {'superseded': 2}


@pytest.mark.parametrize(
    ('error', 'reason', 'words'),
    [
        (EngineError('device lost; restart it'), 'engine', 'device lost'),
        (CalibrationError('baseline_sign', 'swapped'), 'baseline_sign', 'swapped'),
        (ValueError('a defect'), 'internal', 'Traceback'),
    ],
)
def test_a_failing_engine_is_counted_and_named_once_and_the_worker_lives(
    bench: Bench, error: Exception, reason: str, words: str
) -> None:
    processor = Processor(error=error)
    bench.worker.start(processor)
    bench.run(job(10), job(20), job(30))
    assert bench.statistics.snapshot().dropped == {reason: 3}
    (text,) = bench.said
    assert text.startswith(f'[{reason}]') and words in text
    processor.error = None
    bench.run(job(40))
    assert bench.sink.stamps_ns == [40]


def test_a_bad_image_is_named_with_its_side(bench: Bench) -> None:
    bench.worker.start(Processor())
    bench.run(job(10, encoding='foo'), job(20))
    assert bench.statistics.snapshot().dropped == {'encoding': 1}
    assert 'left: ' in bench.said[0]
    assert bench.sink.stamps_ns == [20]


def test_nothing_is_computed_for_nobody(bench: Bench) -> None:
    processor = Processor()
    bench.sink.wants = None
    bench.worker.start(processor)
    bench.run(job(10))
    assert not processor.entered.is_set()
    assert bench.statistics.snapshot().dropped == {'no_subscriber': 1}


def test_a_processor_is_swapped_between_frames_and_the_old_one_closed(bench: Bench) -> None:
    first, unused, second = Processor(), Processor('unused'), Processor('second')
    first.gate.clear()
    bench.worker.start(first)
    bench.worker.submit(job(10))
    assert first.entered.wait(10.0)
    bench.worker.swap(unused)
    bench.worker.swap(second)
    assert unused.num_closed == 1 and first.num_closed == 0
    first.gate.set()
    assert wait_until(lambda: first.num_closed == 1), 'swapped without a frame coming'
    bench.run(job(20))
    assert bench.sink.names == ['first', 'second']


def test_settings_of_the_running_pipeline_apply_and_others_wait(bench: Bench) -> None:
    first = Processor()
    bench.worker.start(first)
    nearer = replace(StereoSettings(), max_depth_m=3.0)
    bench.worker.set_settings(nearer)
    assert wait_until(lambda: first.settings == nearer)
    network = replace(nearer, model='crestereo', max_depth_m=2.0)
    bench.worker.set_settings(network)
    bench.run(job(10))
    assert first.settings == nearer
    second = Processor('second')
    second.settings = replace(network, max_depth_m=9.0)
    bench.worker.swap(second)
    assert wait_until(lambda: second.settings == network)


def test_closing_finishes_the_frame_and_counts_the_rest() -> None:
    statistics, sink = NodeStatistics(), Sink()
    worker = Worker(sink=sink, statistics=statistics, warn=ThrottledWarnings(lambda text: None))
    processor = Processor()
    processor.gate.clear()
    worker.start(processor)
    worker.submit(job(10))
    assert processor.entered.wait(10.0)
    worker.submit(job(20))
    threading.Thread(target=lambda: (time.sleep(0.1), processor.gate.set())).start()
    worker.close()
    worker.submit(job(30))
    assert sink.stamps_ns == [10]
    assert statistics.snapshot().dropped == {'shutdown': 2}
    assert processor.num_closed == 1
    assert worker.num_in_flight == 0


def test_closing_before_the_start_is_harmless() -> None:
    worker = Worker(
        sink=Sink(), statistics=NodeStatistics(), warn=ThrottledWarnings(lambda text: None)
    )
    worker.close()


def test_camera_info_is_converted_only_when_it_changes() -> None:
    cache = CameraInfoCache('/left/camera_info')
    cache.update(camera_info('left'))
    first = cache.camera()
    cache.update(camera_info('left'))
    assert cache.camera() is first
    cache.update(camera_info('left', width=320))
    assert cache.camera().width == 320


def test_a_broken_camera_info_replaces_the_good_one_until_a_good_one_comes() -> None:
    cache = CameraInfoCache('/left/camera_info')
    cache.update(camera_info('left'))
    broken = camera_info('left', k=[float('nan')] * 9)
    with pytest.raises(CalibrationError, match='/left/camera_info'):
        cache.update(broken)
    cache.update(broken)
    with pytest.raises(CalibrationError, match='K'):
        cache.camera()
    cache.update(camera_info('left'))
    assert cache.camera().width == 160


def test_warnings_are_throttled_by_reason_and_counted() -> None:
    now, said = [0.0], []
    warn = ThrottledWarnings(said.append, period_s=5.0, clock=lambda: now[0])
    for _ in range(10):
        warn('step', 'too short')
    warn('size', 'too small')
    now[0] = 5.0
    warn('step', 'too short')
    assert said == [
        '[step] too short',
        '[size] too small',
        '[step] too short (9 more since the last warning)',
    ]
    assert warn.count('step') == 11
    assert warn.count('') == 12


def test_rates_and_percentiles() -> None:
    now = [100.0]
    statistics = NodeStatistics(clock=lambda: now[0])
    assert statistics.snapshot().rate_hz == 0.0
    for index in range(101):
        now[0] = 100.0 + 0.1 * index
        statistics.output({'infer': index * 1e-3}, 0.25)
    snapshot = statistics.snapshot()
    assert snapshot.rate_hz == pytest.approx(10.0)
    assert snapshot.mean_rate_hz == pytest.approx(10.0)
    assert snapshot.stages['infer'].p50_ms == pytest.approx(50.0)
    assert snapshot.stages['infer'].p99_ms == pytest.approx(99.0)
    assert snapshot.valid_fraction == 0.25
    now[0] += 60.0
    assert statistics.snapshot().rate_hz == 0.0
    assert statistics.snapshot().mean_rate_hz == pytest.approx(10.0)
