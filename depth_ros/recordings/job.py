"""A job: what is done to recordings, each setting described once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Protocol, cast

from depth_ros.errors import InputError
from depth_ros.files.bag_topics import BagTopic
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.outcome import SegmentWork
from depth_ros.recordings.result_settings import FusedCloudSettings, SinkSettings
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.settings import Settings, SettingValue, described, values_of


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings(Settings):
    """What a worker may use; the number of workers is no part of a job."""

    threads: int = described(
        1,
        'CPU threads of a worker. The last bit of a result may depend on it, so it is part of '
        'the job; the number of workers is not.',
        minimum=1,
        maximum=1024,
    )
    gpus: float = described(
        0.0,
        'GPUs that Ray keeps free for a worker, or a part of one.',
        minimum=0.0,
        maximum=64.0,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskKind:
    """One line of the table of tasks.

    Attributes:
        input: Group of settings that names the topics.
        settings: Group of the task, the same as the parameters of its node.
        outputs: Group that says what is written.
        work: ``module:name`` of the class that does it; its ``guessed`` fills in the topics.
        place: Its place among the numbers of channels; never changes.
        is_sequential: Whether a frame depends on all before it: a recording is one segment then.
    """

    input: str
    settings: str
    outputs: str
    work: str
    place: int
    is_sequential: bool = False

    def groups(self) -> dict[str, type[Settings]]:
        """Import the groups, by their key in a job."""
        names = {'input': self.input, 'settings': self.settings, 'outputs': self.outputs}
        return {key: cast('type[Settings]', imported(name)) for key, name in names.items()}


_HERE = 'depth_ros.recordings'
TASK_KINDS: dict[str, TaskKind] = {
    'stereo': TaskKind(
        input=f'{_HERE}.topics:PairTopicNames',
        settings='depth_ros.tasks.stereo.settings:StereoSettings',
        outputs=f'{_HERE}.outputs:PairOutputs',
        work=f'{_HERE}.stereo_work:StereoWork',
        place=0,
    ),
    'mono': TaskKind(
        input=f'{_HERE}.topics:CameraTopicNames',
        settings='depth_ros.tasks.mono.settings:MonoSettings',
        outputs=f'{_HERE}.outputs:MonoOutputs',
        work=f'{_HERE}.mono_work:MonoWork',
        place=1,
    ),
    'odometry': TaskKind(
        input=f'{_HERE}.topics:OdometryTopicNames',
        settings='depth_ros.tasks.odometry.settings:OdometrySettings',
        outputs=f'{_HERE}.odometry_outputs:OdometryOutputs',
        work=f'{_HERE}.odometry_work:OdometryWork',
        place=2,
        is_sequential=True,
    ),
    'multiview': TaskKind(
        input=f'{_HERE}.topics:KeyframeTopicNames',
        settings=f'{_HERE}.multiview_settings:SegmentedViewSettings',
        outputs=f'{_HERE}.outputs:PosedOutputs',
        work=f'{_HERE}.multiview_work:MultiviewWork',
        place=3,
    ),
    'match': TaskKind(
        input=f'{_HERE}.topics:MatchTopicNames',
        settings='depth_ros.tasks.matching.settings:MatchSettings',
        outputs=f'{_HERE}.match_work:MatchOutputs',
        work=f'{_HERE}.match_work:MatchWork',
        place=4,
    ),
    'mono_refined': TaskKind(
        input=f'{_HERE}.topics:PosedTopicNames',
        settings='depth_ros.tasks.mono.settings:MonoSettings',
        outputs=f'{_HERE}.outputs:RefinedOutputs',
        work=f'{_HERE}.mono_refined_work:MonoRefinedWork',
        place=5,
        is_sequential=True,
    ),
}
"""Every task that a job can name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JobTask:
    """One task of a job.

    Attributes:
        kind: Its name in ``TASK_KINDS``.
        input: Which topics.
        settings: What runs and how.
        outputs: What is written.
        threads: CPU threads of a worker.
    """

    kind: str
    input: Settings
    settings: Settings
    outputs: Settings
    threads: int = 1

    @cached_property
    def values(self) -> dict[str, Mapping[str, SettingValue]]:
        """Everything as it is written, by group: what results depend on."""
        return {
            'input': values_of(self.input),
            'settings': values_of(self.settings),
            'outputs': values_of(self.outputs),
            'workers': {'threads': self.threads},
        }

    def guessed(self, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of its reference images.

        Raises:
            InputError: If the topics of a recording are not clear; lists them, and says which key
                names them.
        """
        try:
            return work_class(self.kind).guessed(self, topics)
        except InputError as error:
            raise type(error)(error.reason, _in_keys(self, error)) from None

    def open(self) -> SegmentWork:
        """Load the engines.

        Raises:
            DepthRosError: As the task's own ``depth_ros.open_...``.
        """
        return work_class(self.kind)(self)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordingJob:
    """Tasks, how recordings are cut for them, and what is made of the results."""

    tasks: tuple[JobTask, ...]
    segments: SegmentSettings
    workers: WorkerSettings
    copy: CopySettings
    sinks: SinkSettings = SinkSettings()
    fusion: FusedCloudSettings = FusedCloudSettings()


class OpensWork(Protocol):
    """A class that does a task's work."""

    def __call__(self, task: JobTask) -> SegmentWork:
        """Open the engines."""

    def guessed(self, task: JobTask, topics: tuple[BagTopic, ...]) -> tuple[JobTask, str]:
        """Return the task with every topic named, and the topic of its reference images."""


def work_class(kind: str) -> OpensWork:
    """Import the class that does a task's work."""
    return cast('OpensWork', imported(TASK_KINDS[kind].work))


def imported(name: str) -> object:
    """Import ``module:name``."""
    module, _, attribute = name.partition(':')
    return getattr(import_module(module), attribute)


def _in_keys(task: JobTask, error: InputError) -> str:
    """Return a sentence about topics with the job's keys instead of the names of options."""
    is_rig = hasattr(task.input, 'left_info')
    infos = {'info_topic': 'input.left_info and input.right_info'} if is_rig else {}
    keys = {**_KEYS, **infos}
    return re.sub(_OPTION, lambda found: keys[found.group()], str(error))


_KEYS = {
    'left_topic': 'input.left',
    'right_topic': 'input.right',
    'left_info_topic': 'input.left_info',
    'right_info_topic': 'input.right_info',
    'image_topic': 'input.image',
    'info_topic': 'input.info',
    'depth_topic': 'input.depth',
}
_OPTION = re.compile('|'.join(rf'\b{name}\b' for name in _KEYS))
