"""The one thread that owns the processor: takes the newest pair, computes, publishes."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from types import MappingProxyType
from typing import Protocol

from depth_ros.errors import DepthRosError, InputError
from depth_ros.mailbox import Mailbox
from depth_ros.ros.books import Books
from depth_ros.ros.stereo_job import StereoJob
from depth_ros.stereo import StereoOutput, StereoProcessor, StereoSettings, Wanted

IDLE_S = 0.2
logger = logging.getLogger(__name__)


class OutputSink(Protocol):
    """Where outputs go."""

    def wanted(self) -> Wanted | None:
        """Say what somebody looks at, None if nobody does."""

    def publish(self, output: StereoOutput, *, stamp_ns: int, frame_id: str) -> None:
        """Publish an output."""


class StereoWorker:
    """Turns every submitted pair into one output or one counted drop."""

    def __init__(
        self, *, sink: OutputSink, books: Books, complain: Callable[[str, str], None]
    ) -> None:
        """Prepare; ``start`` begins."""
        self._sink = sink
        self._books = books
        self._complain = complain
        self._mailbox: Mailbox[StereoJob] = Mailbox()
        self._lock = threading.Lock()
        self._next: StereoProcessor | None = None
        self._settings: StereoSettings | None = None
        self._processor: StereoProcessor | None = None
        self._is_working = False
        self._thread = threading.Thread(target=self._run, name='depth-ros-worker', daemon=True)

    @property
    def processor(self) -> StereoProcessor | None:
        """The processor that runs; None before ``start``. For reading its identity."""
        return self._processor

    @property
    def num_in_flight(self) -> int:
        """Pairs that are neither output nor dropped yet."""
        return self._mailbox.num_waiting + int(self._is_working)

    def start(self, processor: StereoProcessor) -> None:
        """Begin with a processor, taking ownership."""
        self._processor = processor
        self._thread.start()

    def submit(self, job: StereoJob) -> None:
        """Hand in a pair; an older one that still waits is dropped."""
        is_closed = self._mailbox.is_closed
        self._books.drop('shutdown' if is_closed else 'superseded', self._mailbox.put(job))

    def swap(self, processor: StereoProcessor) -> None:
        """Change to another processor between two frames; the old one is closed."""
        with self._lock:
            unused, self._next = self._next, processor
        if unused is not None:
            unused.close()

    def set_settings(self, settings: StereoSettings) -> None:
        """Change settings between two frames.

        If they belong to a processor that is still being prepared they wait for it.
        """
        with self._lock:
            self._settings = settings

    def close(self) -> None:
        """Finish the frame under way, drop the one that waits, and close the processor."""
        self._books.drop('shutdown', self._mailbox.close())
        if self._thread.is_alive():
            self._thread.join()
        for processor in (self._processor, self._next):
            if processor is not None:
                processor.close()

    def _run(self) -> None:
        while not self._mailbox.is_closed:
            job = self._mailbox.take(IDLE_S)
            self._take_over()
            if job is not None:
                self._is_working = True
                self._handle(job)
                self._is_working = False

    def _take_over(self) -> None:
        """Swap processor and settings if others wait."""
        with self._lock:
            following, self._next = self._next, None
            settings = self._settings
        if following is not None:
            previous, self._processor = self._processor, following
            if previous is not None:
                previous.close()
            logger.info('running %s', following.describe())
        processor = self._processor
        if processor is None or settings is None or settings == processor.settings:
            return
        if settings.pipeline_key == processor.settings.pipeline_key:
            processor.set_settings(settings)

    def _handle(self, job: StereoJob) -> None:
        """Account for one pair, whatever happens."""
        try:
            self._compute(job)
        except InputError as error:
            self._books.drop(error.reason)
            self._complain(error.reason, str(error))
        except DepthRosError as error:
            self._books.drop('engine')
            self._complain('engine', f'the engine failed: {error}')
        except Exception as error:  # noqa: BLE001 - one per worker loop: the node lives on
            self._books.drop('internal')
            self._complain('internal', _with_traceback(error))

    def _compute(self, job: StereoJob) -> None:
        started = time.monotonic()
        wanted, processor = self._sink.wanted(), self._processor
        if wanted is None or processor is None:
            self._books.drop('no_subscriber')
            return
        frame = job.decode()
        decoded = time.monotonic()
        output = processor.process(frame, wanted=wanted)
        computed = time.monotonic()
        self._sink.publish(output, stamp_ns=frame.stamp_ns, frame_id=job.frame_id)
        published = time.monotonic()
        stages = {
            'wait': started - job.accepted_s,
            'decode': decoded - started,
            **output.stages_s,
            'publish': published - computed,
            'total': published - job.accepted_s,
        }
        self._books.output(MappingProxyType(stages), output.valid_fraction)


def _with_traceback(error: Exception) -> str:
    return 'a defect of depth_ros, please report it: ' + ''.join(
        traceback.format_exception(type(error), error, error.__traceback__)
    )
