"""Stereo node: camera topics in, disparity, depth and point cloud out.

This file only joins the parts: ``subscriptions`` pairs images, ``worker`` computes and publishes
in its own thread, ``loader`` opens engines in the background. See ``docs/topics.md``.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from depth_ros import __version__
from depth_ros.errors import DepthRosError, InputError
from depth_ros.ros.books import Books, BooksSnapshot
from depth_ros.ros.complaints import Complaints
from depth_ros.ros.declare import DeclaredParameters
from depth_ros.ros.diagnostics import (
    StereoReport,
    diagnostic_array,
    faults_since,
    status_of,
    write_report,
)
from depth_ros.ros.loader import Loaded, OpenProcessor, ProcessorLoader
from depth_ros.ros.parameters import StereoParameters, stereo_settings
from depth_ros.ros.publishers import StereoPublishers
from depth_ros.ros.qos import diagnostics_profile
from depth_ros.ros.runner import run_node
from depth_ros.ros.stereo_job import StereoJob
from depth_ros.ros.subscriptions import StereoSubscriptions
from depth_ros.ros.worker import StereoWorker
from depth_ros.stereo import open_stereo
from depth_ros.synchronize import Side

REFUSE_WITHIN_S = 0.5
POLL_S = 0.1


class StereoNode(Node):
    """Owns the parts and the executor's side of them."""

    def __init__(self, *, open_processor: OpenProcessor = open_stereo) -> None:
        """Declare parameters, advertise, and start opening the engine.

        Args:
            open_processor: Opens the processor; benchmarks and tests put their own here.

        Raises:
            ParameterError: If a start value is refused.
        """
        super().__init__('stereo_node')
        self._declared = DeclaredParameters(self)
        parameters = self._declared.current
        self._log = self.get_logger()
        self._complain = Complaints(self._log.warning)
        self._books = Books()
        self._last_books: BooksSnapshot | None = None
        self._failure: DepthRosError | None = None
        self._phase = 'starting'
        self._running = parameters
        self._settings = stereo_settings(parameters)
        self._publishers = StereoPublishers(self, parameters, self._complain)
        self._diagnostics = self.create_publisher(
            DiagnosticArray, 'diagnostics', diagnostics_profile()
        )
        self._worker = StereoWorker(
            sink=self._publishers, books=self._books, complain=self._complain
        )
        self._subscriptions = StereoSubscriptions(
            self,
            parameters,
            on_job=self._on_job,
            on_unusable=self._on_unusable,
            complain=self._complain,
        )
        self._loader = ProcessorLoader(open_processor, self._on_progress)
        self._loader.start(self._settings)
        self._declared.start(self._apply)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(POLL_S, self._poll, clock=steady)
        self.create_timer(parameters.diagnostics_period_s, self._diagnose, clock=steady)

    @property
    def is_finished(self) -> bool:
        """Whether the first engine could not be opened."""
        return self._failure is not None

    def close(self) -> int:
        """Finish the frame under way, write the report, and give the exit code."""
        self._worker.close()
        report_file = self._declared.current.report_file
        if report_file:
            write_report(Path(report_file), self.report())
        if self._failure is not None:
            self._log.fatal(f'cannot start: {self._failure}')
            return 1
        self._log.info(f'stopped after {self._books.snapshot().outputs} outputs')
        return 0

    def report(self) -> StereoReport:
        """Give everything the node knows about itself."""
        processor, subscriptions = self._worker.processor, self._subscriptions
        synchronizer = subscriptions.synchronizer
        return StereoReport(
            identity=processor.identity if processor else None,
            engine_description=processor.describe() if processor else '',
            input=subscriptions.input,
            sides={side: synchronizer.counts(side) for side in Side},
            lost={side: subscriptions.sides[side].num_lost for side in Side},
            resets=synchronizer.num_resets,
            in_flight=self._worker.num_in_flight,
            books=self._books.snapshot(),
            versions=versions(),
        )

    def _on_job(self, job: StereoJob) -> None:
        if self._publishers.wanted() is None:
            self._books.drop('no_subscriber')
            return
        self._worker.submit(job)

    def _on_unusable(self, error: InputError) -> None:
        self._books.drop(error.reason)
        self._complain(error.reason, str(error))

    def _on_progress(self, phase: str, fraction: float | None) -> None:
        """Say each phase of long work once; called by the loader's thread."""
        if phase != self._phase:
            self._log.info(f'preparing: {phase}')
        self._phase = phase

    def _apply(self, parameters: StereoParameters) -> None:
        """Take new parameters over, or refuse them by raising."""
        settings = stereo_settings(parameters)
        if settings.pipeline_key != self._settings.pipeline_key:
            self._prepare(parameters)
        self._settings = settings
        self._worker.set_settings(settings)
        self._publishers.parameters = parameters
        self._subscriptions.set_parameters(parameters)

    def _prepare(self, parameters: StereoParameters) -> None:
        """Open another processor; what fails quickly refuses the change."""
        self._loader.start(stereo_settings(parameters))
        loaded = self._loader.take(REFUSE_WITHIN_S)
        if loaded is None:
            self._log.info(f'preparing {parameters.model} in the background')
            return
        if loaded.error is not None:
            raise loaded.error
        self._take(loaded, parameters)

    def _poll(self) -> None:
        """See whether the loader is done, and whether there is something to subscribe to."""
        loaded = self._loader.take()
        if loaded is not None and loaded.error is not None:
            self._on_failure(loaded.error)
        elif loaded is not None:
            self._take(loaded, self._declared.current)
        if self._worker.processor is not None and not self._subscriptions.is_started:
            self._subscriptions.start()

    def _take(self, loaded: Loaded, parameters: StereoParameters) -> None:
        assert loaded.processor is not None
        self._running, self._phase = parameters, ''
        self._log.info(f'running {loaded.processor.describe()}')
        if self._worker.processor is None:
            self._worker.start(loaded.processor)
        else:
            self._worker.swap(loaded.processor)

    def _on_failure(self, error: DepthRosError) -> None:
        """End if nothing runs yet; else go on as before and set the parameters back."""
        if self._worker.processor is None:
            self._failure = error
            return
        self._phase = ''
        self._log.error(f'change refused, the old engine goes on: {error}')
        self._declared.restore(pipeline_values(self._running))
        self._settings = stereo_settings(self._declared.current)
        self._worker.set_settings(self._settings)

    def _diagnose(self) -> None:
        missing = self._subscriptions.missing() if self._worker.processor else []
        for reason, text in missing:
            self._complain(reason, text)
        report = self.report()
        faults = faults_since(self._last_books, report.books)
        self._last_books = report.books
        level, message = DiagnosticStatus.OK, f'{report.books.rate_hz:.1f} Hz'
        if faults or missing or self._phase:
            level = DiagnosticStatus.WARN
            words = [f'preparing: {self._phase}'] if self._phase else []
            words += [text for _, text in missing]
            words += [f'{count} pairs dropped: {reason}' for reason, count in faults.items()]
            message = '; '.join(words)
        status = status_of(self.get_fully_qualified_name(), level, message, report)
        self._diagnostics.publish(diagnostic_array(status, self.get_clock().now().to_msg()))


def pipeline_values(parameters: StereoParameters) -> dict[str, object]:
    """Give the parameters that a processor is opened with, by ROS name."""
    names = ('model', 'engine', 'precision', 'preset', 'size', 'iterations', 'stages', 'weights')
    matcher = [entry.name for entry in fields(parameters) if entry.name.startswith('sgbm_')]
    values = parameters.values()
    chosen = [*names, 'num_threads', *(name.replace('_', '.', 1) for name in matcher)]
    return {name: values[name] for name in chosen}


def versions() -> dict[str, str]:
    """Give the versions that matter for a report."""
    return {
        'depth_ros': __version__,
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
    }


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; give the exit code."""
    return run_node('stereo_node', StereoNode, args)


if __name__ == '__main__':
    sys.exit(main())
