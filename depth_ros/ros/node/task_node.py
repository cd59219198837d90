"""Base of every task node: parameters, inputs, one worker, outputs, diagnostics.

A task brings its own parts (``NodeParts``); this joins them and keeps the statistics. Callbacks
convert and return, the worker computes and publishes in its own thread, engines open in the
background.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

from depth_ros import __version__
from depth_ros.engines.choice import AUTO_PRESET
from depth_ros.engines.recipe import format_size
from depth_ros.engines.sizes import SizeStep
from depth_ros.errors import DepthRosError, InputError, ParameterError
from depth_ros.ros.node.company import Company, CompanyNode
from depth_ros.ros.node.declare import DeclaredParameters
from depth_ros.ros.node.diagnostics import NodeReport
from depth_ros.ros.node.engine_manager import EngineManager
from depth_ros.ros.node.guarded_executor import CALLBACK
from depth_ros.ros.node.health import Condition, Health
from depth_ros.ros.node.lifecycle import Lifecycle
from depth_ros.ros.node.parameters import ParametersT
from depth_ros.ros.node.qos import INCOMPATIBLE
from depth_ros.ros.node.report_file import ReportFile
from depth_ros.ros.node.roles import (
    FrameT,
    Inputs,
    InputTopic,
    Job,
    JobQueue,
    OpenProcessor,
    Outputs,
    OutputT,
    WantedT,
)
from depth_ros.ros.node.size_keeper import Running, SizeKeeper
from depth_ros.ros.node.statistics import NodeStatistics
from depth_ros.ros.node.stop_request import is_stop_requested
from depth_ros.ros.node.throttled_warnings import ThrottledWarnings
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros.ros.node.worker import Worker, tell_nobody
from depth_ros.settings import SettingValue
from depth_ros.streams.mailbox import Mailbox
from depth_ros.tasks.pipeline import NetworkSettings
from depth_ros.tasks.processor import SettingsT

JobT_contra = TypeVar('JobT_contra', bound=Job, contravariant=True)
POLL_S = 0.1
CONFIGURE_POLL_S = 0.01


class Inbox(Protocol[JobT_contra]):
    """Where a task's inputs put their jobs."""

    @property
    def warn(self) -> ThrottledWarnings:
        """Throttled warnings: reason and sentence."""

    @property
    def is_active(self) -> bool:
        """Whether the node works; services refuse while it does not."""

    def put(self, job: JobT_contra) -> None:
        """Hand over a job; it becomes an output or a counted drop."""

    def refuse(self, error: InputError) -> None:
        """Count and name messages that cannot become a job."""


def no_steps(settings: NetworkSettings) -> tuple[SizeStep, ...]:
    """Return no presets to choose from."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeParts(Generic[ParametersT, SettingsT, FrameT, WantedT, OutputT]):
    """What a task brings.

    Attributes:
        name: Name of the node.
        parameters: Its dataclass of parameters.
        open_processor: Opens a processor.
        outputs: Advertises the topics.
        inputs: Prepares the subscriptions.
        job_noun: What a job is called in words, plural: ``'pairs'``.
        queue: Makes what stands before the worker; by default the newest job wins.
        steps: Lists the presets that ``auto`` chooses from; none where it chooses nothing.
        on_failed: Called with jobs that failed in the worker, in its thread.
        company: Shared with other nodes of the process; None if it is alone there.
    """

    name: str
    parameters: type[ParametersT]
    open_processor: OpenProcessor[FrameT, WantedT, OutputT, SettingsT]
    outputs: Callable[
        [Node, ParametersT, ThrottledWarnings], Outputs[WantedT, OutputT, ParametersT]
    ]
    inputs: Callable[[Node, ParametersT, Inbox], Inputs[ParametersT]]
    job_noun: str
    queue: Callable[[], JobQueue] = Mailbox
    steps: Callable[[NetworkSettings], tuple[SizeStep, ...]] = no_steps
    on_failed: Callable[..., None] = tell_nobody
    company: Company | None = None


class TaskNode(Generic[ParametersT, SettingsT, FrameT, WantedT, OutputT]):
    """Owns a node and its parts; see ``run_node``. It is what the lifecycle manages."""

    def __init__(self, parts: NodeParts[ParametersT, SettingsT, FrameT, WantedT, OutputT]) -> None:
        """Declare parameters, advertise, and start opening the engine.

        Raises:
            ParameterError: If a start value is refused.
        """
        self._parts = parts
        self.node = CompanyNode(parts.name, parts.company, allow_undeclared_parameters=True)
        self._declared = DeclaredParameters(self.node, parts.parameters)
        parameters, log = self._declared.current, self.node.get_logger()
        self.warn = ThrottledWarnings(log.warning)
        self._report_file = ReportFile(parameters.report_file)
        self._failure: DepthRosError | None = None
        self._statistics = NodeStatistics()
        self.outputs = parts.outputs(self.node, parameters, self.warn)
        self._worker: Worker[FrameT, WantedT, OutputT, SettingsT] = Worker(
            sink=self.outputs,
            statistics=self._statistics,
            warn=self.warn,
            queue=parts.queue(),
            on_failed=parts.on_failed,
        )
        self.inputs = parts.inputs(self.node, parameters, self)
        self._engine_manager = EngineManager(
            declared=self._declared,
            worker=self._worker,
            open_processor=parts.open_processor,
            on_change=self._on_change,
            on_opened=partial(wake, self.node.create_guard_condition(self._poll)),
            log=log,
        )
        self._engine_manager.on_preset_refused = self._on_preset_refused
        self._sizes: tuple[tuple[SettingValue, ...], SizeKeeper | None] = ((), None)
        self.lifecycle = Lifecycle(self.node, self)
        self._is_starting = parameters.autostart
        if self._is_starting or parameters.build_only:
            self._engine_manager.open()
        self._health = Health(self.node, self.warn, job_noun=parts.job_noun)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(POLL_S, self._poll, clock=steady)
        self.node.create_timer(parameters.diagnostics_period_s, self._diagnose, clock=steady)

    @property
    def is_finished(self) -> bool:
        """Whether the first engine failed to open, or opening it was the whole task."""
        is_built = self._declared.current.build_only and self._engine_manager.is_open
        return is_built or self.failure is not None

    @property
    def failure(self) -> DepthRosError | None:
        """Why the node cannot go on; None while it can."""
        return self._failure or self._engine_manager.failure

    @property
    def is_active(self) -> bool:
        """Whether the node works; see ``Lifecycle``."""
        return self.lifecycle.is_active

    def put(self, job: Job[FrameT]) -> None:
        """Take a job from the inputs."""
        if not job.frame_id:
            self.warn('frame_id', NO_FRAME_ID)
        if self.outputs.wanted() is not None:
            self._statistics.job()
            self._worker.submit(job)
            return
        self._statistics.drop('no_subscriber')
        try:
            self.outputs.publish_alone(job)
        except InputError as error:
            self.warn(error.reason, str(error))

    def refuse(self, error: InputError) -> None:
        """Count and name messages that cannot become a job."""
        self._statistics.drop(error.reason)
        self.warn(error.reason, str(error))

    def close(self) -> int:
        """Finish the frame under way, close the statistics, and return the exit code.

        The report is written before and after: whoever waits for the end may lose patience.
        """
        self._write_report()
        try:
            self._worker.close()
            self.inputs.close()
        finally:
            self._write_report()
        log = self.node.get_logger()
        if self.failure is not None:
            what = 'cannot go on' if self._engine_manager.is_open else 'cannot start'
            log.fatal(f'{what}: {self.failure}')
            return 1
        processor = self._worker.processor
        if self._declared.current.build_only and processor is not None:
            log.info(f'build_only: ready is {processor.describe()}')
            return 0
        log.info(self._statistics.snapshot().end_text())
        return 0

    def report(self) -> NodeReport:
        """Return the state of the node."""
        processor = self._worker.processor
        return NodeReport(
            identity=processor.identity if processor else None,
            engine_description=processor.describe() if processor else '',
            lifecycle=self.lifecycle.state,
            input=self.inputs.input,
            inputs=self.inputs.counts(),
            incompatible_qos=self.warn.count(INCOMPATIBLE),
            callback_failures=self.warn.count(CALLBACK),
            in_flight=self._worker.num_in_flight,
            statistics=self._statistics.snapshot(),
            versions=versions(),
            details=self.outputs.details(),
        )

    def configure(self) -> None:
        """Wait for the engine, with progress in diagnostics.

        Raises:
            DepthRosError: Why it cannot be opened; unless the node started by itself, and so
                ends, another attempt may follow.
        """
        self._engine_manager.open()
        due_s = time.monotonic()
        while not (self._engine_manager.is_open or is_stop_requested()):
            self._engine_manager.poll()
            if self.failure is not None:
                raise self._forgotten_failure()
            if time.monotonic() >= due_s:
                self._diagnose()
                due_s = time.monotonic() + self._declared.current.diagnostics_period_s
            time.sleep(CONFIGURE_POLL_S)

    def activate(self) -> None:
        """Subscribe, or subscribe again."""
        for topic in self.inputs.topics():
            topic.resume()
        self._subscribe()

    def deactivate(self) -> None:
        """Unsubscribe; what is in work is finished."""
        for topic in self.inputs.topics():
            topic.pause()

    def cleanup(self) -> None:
        """Close the engine."""
        self._engine_manager.release()

    def _forgotten_failure(self) -> DepthRosError:
        """Return why it failed; a node that somebody manages may try again."""
        failure = self.failure
        assert failure is not None
        if not self._is_starting:
            self._engine_manager.release()
        return failure

    def _poll(self) -> None:
        """Come up once the engine runs, if that is wanted; subscribe once the topics are known."""
        self._engine_manager.poll()
        is_built = self._engine_manager.is_open and not self._declared.current.build_only
        if self._is_starting and is_built and self.failure is None:
            self._is_starting = False
            if not self.lifecycle.bring_up():
                self._failure = self.lifecycle.error
        elif self.lifecycle.is_active:
            self._subscribe()
            self._keep_size()
        if self.failure is not None:
            self._diagnose()

    def _keep_size(self) -> None:
        """Where the preset is ``auto``, see whether another size suits the camera better."""
        settings, processor = self._declared.current.settings, self._worker.processor
        if processor is None or settings.engine.preset != AUTO_PRESET:
            return
        key, keeper = self._sizes
        if key != settings.pipeline_key:
            keeper = self._keeper(self._parts.steps(settings))
            self._sizes = (settings.pipeline_key, keeper)
        if keeper is not None:
            running = Running(
                identity=processor.identity,
                num_threads=settings.engine.num_threads,
                frame_size=processor.frame_size,
            )
            keeper.poll(running, time.monotonic())

    def _keeper(self, steps: tuple[SizeStep, ...]) -> SizeKeeper | None:
        log = self.node.get_logger()
        if len(steps) < 2:
            log.info('preset auto: there is one size alone')
            return None
        sizes = ', '.join(f'{format_size(step.size)} ({step.preset})' for step in steps)
        log.info(f'preset auto: one of {sizes}, as the camera and this machine allow')
        return SizeKeeper(
            steps, self._statistics, ask=self._engine_manager.take_preset, say=log.info
        )

    def _on_preset_refused(self) -> None:
        _, keeper = self._sizes
        if keeper is not None:
            keeper.refused(time.monotonic())

    def _subscribe(self) -> None:
        if not self.inputs.input and self.inputs.start():
            check_apart(self.inputs.topics(), self.outputs.rates())

    def _write_report(self) -> None:
        try:
            self._report_file.write(self.report().as_dict())
        except DepthRosError as error:
            self.node.get_logger().error(f'no report: {error}')

    def _on_change(self, parameters: ParametersT) -> None:
        self.outputs.set_parameters(parameters)
        self.inputs.set_parameters(parameters)

    def _diagnose(self) -> None:
        engine = self._engine_manager
        self._health.tell(
            Condition(
                report=self.report(),
                failure=self.failure,
                degradation=engine.degradation,
                phase=engine.phase,
                missing=self.inputs.missing() if self.lifecycle.is_active else [],
                inputs=self.inputs.topics() if self.lifecycle.is_active else [],
                outputs=self.outputs.rates(),
            )
        )


def wake(condition: GuardCondition) -> None:
    """Let an executor look at once instead of at the next beat; a node that is gone needs none."""
    with suppress(rclpy_implementation.InvalidHandle):
        condition.trigger()


NO_FRAME_ID = (
    'images and their camera_info have an empty frame_id, so nobody can place the outputs; '
    'set the optical frame in the camera driver'
)


def check_apart(inputs: Sequence[InputTopic], outputs: Sequence[TopicRate]) -> None:
    """Require that a node does not take its own output for a camera.

    Raises:
        ParameterError: If a topic is subscribed to and published.
    """
    published = {rate.topic for rate in outputs}
    for topic in inputs:
        if topic.rate.topic in published:
            raise ParameterError(
                f'{topic.rate.topic} is an input and an output of this node; remap one of them '
                '(names:=image_pipeline does not go with rectified input of these names)'
            )


def versions() -> dict[str, str]:
    """Return the versions that matter for a report."""
    return {
        'depth_ros': __version__,
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
    }
