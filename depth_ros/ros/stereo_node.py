"""Stereo node: camera topics in, disparity, depth and point cloud out.

This file only joins the parts: ``subscriptions`` pairs images, ``worker`` computes and publishes
in its own thread, ``engine_room`` opens engines in the background. See ``docs/topics.md``.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from depth_ros import __version__
from depth_ros.errors import InputError
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
from depth_ros.ros.engine_room import EngineRoom
from depth_ros.ros.loader import OpenProcessor
from depth_ros.ros.parameters import StereoParameters
from depth_ros.ros.publishers import StereoPublishers
from depth_ros.ros.qos import INCOMPATIBLE, diagnostics_profile
from depth_ros.ros.runner import run_node
from depth_ros.ros.stereo_job import StereoJob
from depth_ros.ros.subscriptions import StereoSubscriptions
from depth_ros.ros.worker import StereoWorker
from depth_ros.stereo import open_stereo
from depth_ros.synchronize import Side

POLL_S = 0.1
NO_FRAME_ID = (
    'left images and their camera_info have an empty frame_id, so nobody can place the outputs; '
    'set the optical frame in the camera driver'
)


class StereoNode:
    """Owns the node and its parts; see ``run_node``."""

    def __init__(self, *, open_processor: OpenProcessor = open_stereo) -> None:
        """Declare parameters, advertise, and start opening the engine.

        Args:
            open_processor: Opens the processor; benchmarks and tests put their own here.

        Raises:
            ParameterError: If a start value is refused.
        """
        self.node = Node('stereo_node', allow_undeclared_parameters=True)
        self._declared = DeclaredParameters(self.node)
        parameters, log = self._declared.current, self.node.get_logger()
        self._complain = Complaints(log.warning)
        self._books = Books()
        self._last_books: BooksSnapshot | None = None
        self._outputs = StereoPublishers(self.node, parameters, self._complain)
        self._worker = StereoWorker(sink=self._outputs, books=self._books, complain=self._complain)
        self._inputs = StereoSubscriptions(
            self.node,
            parameters,
            on_job=self._on_job,
            on_unusable=self._on_unusable,
            complain=self._complain,
        )
        self._engine_room = EngineRoom(
            declared=self._declared,
            worker=self._worker,
            open_processor=open_processor,
            on_change=self._on_change,
            log=log,
        )
        self._diagnostics = self.node.create_publisher(
            DiagnosticArray, 'diagnostics', diagnostics_profile()
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(POLL_S, self._poll, clock=steady)
        self.node.create_timer(parameters.diagnostics_period_s, self._diagnose, clock=steady)

    @property
    def is_finished(self) -> bool:
        """Whether the first engine could not be opened."""
        return self._engine_room.failure is not None

    def close(self) -> int:
        """Finish the frame under way, close the books, and give the exit code."""
        self._worker.close()
        self._inputs.synchronizer.close()
        report_file, log = self._declared.current.report_file, self.node.get_logger()
        if report_file:
            write_report(Path(report_file), self.report())
        if self._engine_room.failure is not None:
            log.fatal(f'cannot start: {self._engine_room.failure}')
            return 1
        log.info(f'stopped after {self._books.snapshot().outputs} outputs')
        return 0

    def report(self) -> StereoReport:
        """Give everything the node knows about itself."""
        processor, inputs = self._worker.processor, self._inputs
        return StereoReport(
            identity=processor.identity if processor else None,
            engine_description=processor.describe() if processor else '',
            input=inputs.input,
            sides={side: inputs.synchronizer.counts(side) for side in Side},
            lost={side: inputs.sides[side].num_lost for side in Side},
            resets=inputs.synchronizer.num_resets,
            incompatible_qos=self._complain.count(INCOMPATIBLE),
            in_flight=self._worker.num_in_flight,
            books=self._books.snapshot(),
            versions=versions(),
        )

    def _poll(self) -> None:
        """Subscribe once an engine runs and it is known to what."""
        self._engine_room.poll()
        if self._engine_room.is_open and not self._inputs.is_started:
            self._inputs.start()

    def _on_job(self, job: StereoJob) -> None:
        if not job.frame_id:
            self._complain('frame_id', NO_FRAME_ID)
        if self._outputs.wanted() is None:
            self._books.drop('no_subscriber')
        else:
            self._worker.submit(job)

    def _on_unusable(self, error: InputError) -> None:
        self._books.drop(error.reason)
        self._complain(error.reason, str(error))

    def _on_change(self, parameters: StereoParameters) -> None:
        self._outputs.parameters = parameters
        self._inputs.set_parameters(parameters)

    def _diagnose(self) -> None:
        """Publish the state, and warn of topics on which nothing comes."""
        missing = self._inputs.missing() if self._engine_room.is_open else []
        for reason, text in missing:
            self._complain(reason, text)
        report, phase = self.report(), self._engine_room.phase
        faults = faults_since(self._last_books, report.books)
        self._last_books = report.books
        words = [f'preparing: {phase}'] if phase else []
        words += [text for _, text in missing]
        words += [f'{count} pairs dropped: {reason}' for reason, count in faults.items()]
        level = DiagnosticStatus.WARN if words else DiagnosticStatus.OK
        message = '; '.join(words) or f'{report.books.rate_hz:.1f} Hz'
        status = status_of(self.node.get_fully_qualified_name(), level, message, report)
        stamp = self.node.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostic_array(status, stamp))


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
