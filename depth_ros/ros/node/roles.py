"""Protocols between the parts of a node; every node implements them. Imports no ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from depth_ros.ros.node.parameters import NodeParameters
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros.tasks.pipeline import Identity
from depth_ros.tasks.processor import SettingsT

FrameT = TypeVar('FrameT')
FrameT_co = TypeVar('FrameT_co', covariant=True)
FrameT_contra = TypeVar('FrameT_contra', contravariant=True)
JobT = TypeVar('JobT')
WantedT = TypeVar('WantedT')
WantedT_co = TypeVar('WantedT_co', covariant=True)
WantedT_contra = TypeVar('WantedT_contra', contravariant=True)
OutputT = TypeVar('OutputT', bound='Output')
OutputT_co = TypeVar('OutputT_co', bound='Output', covariant=True)
OutputT_contra = TypeVar('OutputT_contra', bound='Output', contravariant=True)
ParametersT_contra = TypeVar('ParametersT_contra', bound=NodeParameters, contravariant=True)


class Output(Protocol):
    """One frame's results."""

    @property
    def stages_s(self) -> Mapping[str, float]:
        """Wall seconds by stage."""

    @property
    def valid_fraction(self) -> float:
        """Share of known pixels, 0..1."""


class FrameProcessor(Protocol[FrameT_contra, WantedT_contra, OutputT_co, SettingsT]):
    """Turns frames into outputs; one worker thread owns it. See ``tasks.processor.Processor``."""

    @property
    def settings(self) -> SettingsT:
        """Its current settings."""

    @property
    def identity(self) -> Identity:
        """Model, engine, precision and size in words."""

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """``(height, width)`` of the last frame; None before the first, and where unknown."""

    def describe(self) -> str:
        """Return model and engines in one line."""

    def check_settings(self, settings: SettingsT) -> None:
        """Raise what ``set_settings`` would raise about a value, and change nothing."""

    def set_settings(self, settings: SettingsT) -> None:
        """Take over settings of the same ``pipeline_key``."""

    def process(self, frame: FrameT_contra, *, wanted: WantedT_contra) -> OutputT_co:
        """Run one frame end to end."""

    def close(self) -> None:
        """Close the engines."""


OpenProcessor = Callable[..., FrameProcessor[FrameT, WantedT, OutputT, SettingsT]]
"""Opens a processor of settings and ``progress=``, e.g. ``open_stereo``."""


class Job(Protocol[FrameT_co]):
    """Messages on their way to the worker."""

    @property
    def accepted_s(self) -> float:
        """Monotonic clock at the callback."""

    @property
    def stamp_ns(self) -> int:
        """Stamp of the results."""

    @property
    def frame_id(self) -> str:
        """Frame of the results."""

    def decode(self) -> FrameT_co:
        """Convert the messages; the worker's thread does this.

        Raises:
            InputError: Naming what is wrong with which message.
        """


class JobQueue(Protocol[JobT]):
    """Queue between callbacks and worker: a ``Mailbox`` or a queue with another policy."""

    @property
    def num_waiting(self) -> int:
        """Jobs that wait."""

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""

    def put(self, item: JobT) -> int:
        """Put a job and return how many jobs were dropped, itself included."""

    def take(self, timeout_s: float | None = None) -> JobT | None:
        """Wait for a job and take it; None after the time, or once it is closed."""

    def close(self) -> int:
        """Refuse further jobs, wake the waiting thread, and return how many jobs were dropped."""


class Outputs(Protocol[WantedT_co, OutputT_contra, ParametersT_contra]):
    """Where a task's outputs go; ``TopicPublishers`` is one."""

    def wanted(self) -> WantedT_co | None:
        """Return which outputs have subscribers, None if there are none."""

    def publish(self, output: OutputT_contra, *, stamp_ns: int, frame_id: str) -> None:
        """Publish an output."""

    def publish_alone(self, job: Job[Any]) -> None:
        """Publish what needs no computation, for a job that nobody wants computed.

        Raises:
            InputError: If the calibration cannot be used.
        """

    def set_parameters(self, parameters: ParametersT_contra) -> None:
        """Use other parameters from the next output on."""

    def rates(self) -> Sequence[TopicRate]:
        """Return how the messages of every topic go out."""

    def details(self) -> Mapping[str, str]:
        """Return further key-values for diagnostics and the report."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputCounts:
    """Counters of messages before they become jobs.

    Attributes:
        totals: Counter by name, e.g. ``received_left``.
        by_reason: Counter by reason, by what happened, e.g. ``{'refused': {'zero_stamp': 3}}``.
    """

    totals: Mapping[str, int]
    by_reason: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class InputTopic(Protocol):
    """A topic that a node subscribes to; ``WatchedTopic`` is one.

    Attributes:
        is_needed: Whether nothing comes out while it is silent: ERROR, else WARN.
    """

    is_needed: bool

    @property
    def rate(self) -> TopicRate:
        """How its messages come."""

    @property
    def timeout_s(self) -> float:
        """Longest silence; infinite where the topic may be silent."""

    @property
    def is_dead(self) -> bool:
        """Whether it is needed and was silent for too long."""

    def pause(self) -> None:
        """Unsubscribe; counters stay."""

    def resume(self) -> None:
        """Subscribe again."""


class Inputs(Protocol[ParametersT_contra]):
    """A node's subscriptions."""

    @property
    def input(self) -> str:
        """Which topics were taken, e.g. ``'raw'``; empty before ``start`` has succeeded."""

    def start(self) -> bool:
        """Subscribe once the topics are known; otherwise warn and return False."""

    def set_parameters(self, parameters: ParametersT_contra) -> None:
        """Take over what can change while running."""

    def missing(self) -> list[tuple[str, str]]:
        """Return (reason, sentence) for every topic without messages."""

    def topics(self) -> Sequence[InputTopic]:
        """Return what is subscribed to."""

    def counts(self) -> InputCounts:
        """Return the statistics of the messages."""

    def close(self) -> None:
        """Hand out nothing more."""
