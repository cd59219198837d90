"""The one thread that owns the processor: takes the newest job, computes, publishes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Generic

from depth_ros.errors import DepthRosError, DeviceLostError, InputError
from depth_ros.ros.node.guarded_executor import defect_text
from depth_ros.ros.node.roles import (
    FrameProcessor,
    FrameT,
    Job,
    JobQueue,
    Outputs,
    OutputT,
    WantedT,
)
from depth_ros.ros.node.speaker import in_same_name
from depth_ros.ros.node.statistics import NodeStatistics
from depth_ros.streams.mailbox import Mailbox
from depth_ros.tasks.processor import SettingsT

IDLE_S = 0.2
logger = logging.getLogger(__name__)


def tell_nobody(job: object, error: Exception) -> None:
    """Ignore the failure: it is counted and logged already."""


class Worker(Generic[FrameT, WantedT, OutputT, SettingsT]):
    """Turns every submitted job into one output or one counted drop."""

    def __init__(
        self,
        *,
        sink: Outputs[WantedT, OutputT, Any],
        statistics: NodeStatistics,
        warn: Callable[[str, str], None],
        queue: JobQueue[Job[FrameT]] | None = None,
        on_failed: Callable[[Job[FrameT], Exception], None] = tell_nobody,
    ) -> None:
        """Prepare; ``start`` begins.

        Args:
            sink: Where outputs go.
            statistics: Counts outputs and drops.
            warn: Throttled warnings.
            queue: Where jobs wait; by default the newest one wins.
            on_failed: Called with jobs that failed, after they were counted.
        """
        self._sink = sink
        self._statistics = statistics
        self._warn = warn
        self._on_failed = on_failed
        self._mailbox: JobQueue[Job[FrameT]] = Mailbox() if queue is None else queue
        self._lock = threading.Lock()
        self._next: FrameProcessor[FrameT, WantedT, OutputT, SettingsT] | None = None
        self._settings: SettingsT | None = None
        self._unload: threading.Event | None = None
        self._processor: FrameProcessor[FrameT, WantedT, OutputT, SettingsT] | None = None
        self.lost: DeviceLostError | None = None
        """Why the processor that runs can give nothing more; None while it can."""
        self._is_working = False
        self._thread = threading.Thread(
            target=in_same_name(self._run), name='depth-ros-worker', daemon=True
        )

    @property
    def processor(self) -> FrameProcessor[FrameT, WantedT, OutputT, SettingsT] | None:
        """The processor that runs; None before ``start``. For reading its identity."""
        return self._processor

    @property
    def num_in_flight(self) -> int:
        """Jobs that are neither output nor dropped yet."""
        return self._mailbox.num_waiting + int(self._is_working)

    def start(self, processor: FrameProcessor[FrameT, WantedT, OutputT, SettingsT]) -> None:
        """Begin with a processor, or again after ``unload``, taking ownership."""
        self._processor = processor
        if not self._thread.is_alive():
            self._thread.start()

    def unload(self) -> None:
        """Close the processor after the frame under way; the thread stays."""
        if self._processor is None:
            return
        unloaded = threading.Event()
        with self._lock:
            self._unload = unloaded
        unloaded.wait()

    def submit(self, job: Job[FrameT]) -> None:
        """Hand in a job; an older one that still waits is dropped."""
        is_closed = self._mailbox.is_closed
        self._statistics.drop('shutdown' if is_closed else 'superseded', self._mailbox.put(job))

    def swap(self, processor: FrameProcessor[FrameT, WantedT, OutputT, SettingsT]) -> None:
        """Switch to another processor between two frames; the old one is closed."""
        with self._lock:
            unused, self._next = self._next, processor
        if unused is not None:
            unused.close()

    def set_settings(self, settings: SettingsT) -> None:
        """Change settings between two frames.

        If they belong to a processor that is still being prepared they wait for it.
        """
        with self._lock:
            self._settings = settings

    def close(self) -> None:
        """Finish the frame under way, drop the one that waits, and close the processor."""
        self._statistics.drop('shutdown', self._mailbox.close())
        if self._thread.is_alive():
            self._thread.join()
        for processor in (self._processor, self._next):
            if processor is not None:
                processor.close()

    def _run(self) -> None:
        while not self._mailbox.is_closed:
            job = self._mailbox.take(IDLE_S)
            self._is_working = job is not None
            self._take_over()
            if job is not None:
                self._handle(job)
                self._is_working = False

    def _take_over(self) -> None:
        with self._lock:
            following, self._next = self._next, None
            unload, self._unload = self._unload, None
            settings = self._settings
        if unload is not None:
            self._close_all(following)
            unload.set()
            return
        if following is not None:
            previous, self._processor = self._processor, following
            self.lost = None
            if previous is not None:
                previous.close()
            logger.info('running %s', following.describe())
        processor = self._processor
        if processor is None or settings is None or settings == processor.settings:
            return
        if settings.pipeline_key == processor.settings.pipeline_key:
            try:
                processor.set_settings(settings)
            except DepthRosError as error:
                self._warn('settings', f'settings refused, the old ones go on: {error}')

    def _close_all(
        self, following: FrameProcessor[FrameT, WantedT, OutputT, SettingsT] | None
    ) -> None:
        previous, self._processor = self._processor, None
        self.lost = None
        for processor in (previous, following):
            if processor is not None:
                processor.close()

    def _handle(self, job: Job[FrameT]) -> None:
        """Account for one job, whatever happens."""
        try:
            self._compute(job)
        except InputError as error:
            self._fail(job, error, reason=error.reason, text=str(error))
        except DeviceLostError as error:
            self.lost = error
            self._fail(job, error, reason='device_lost', text=str(error))
        except DepthRosError as error:
            self._fail(job, error, reason='engine', text=f'the engine failed: {error}')
        except Exception as error:  # noqa: BLE001 - one per worker loop: the node lives on
            self._fail(job, error, reason='internal', text=defect_text(error))

    def _fail(self, job: Job[FrameT], error: Exception, *, reason: str, text: str) -> None:
        self._statistics.drop(reason)
        self._warn(reason, text)
        self._on_failed(job, error)

    def _compute(self, job: Job[FrameT]) -> None:
        started = time.monotonic()
        wanted, processor = self._sink.wanted(), self._processor
        if wanted is None or processor is None:
            self._statistics.drop('no_subscriber')
            return
        frame = job.decode()
        decoded = time.monotonic()
        output = processor.process(frame, wanted=wanted)
        computed = time.monotonic()
        self._sink.publish(output, stamp_ns=job.stamp_ns, frame_id=job.frame_id)
        published = time.monotonic()
        stages = {
            'wait': started - job.accepted_s,
            'decode': decoded - started,
            **output.stages_s,
            'publish': published - computed,
            'total': published - job.accepted_s,
        }
        self._statistics.output(MappingProxyType(stages), output.valid_fraction)
