"""What there is to do for some recordings: items of work, decided by indexes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from depth_ros.errors import InputError
from depth_ros.recordings.copied import CopiedTopics
from depth_ros.recordings.job import TASK_KINDS, JobTask, RecordingJob
from depth_ros.recordings.merge import ResultFiles
from depth_ros.recordings.places import join, stem_of
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.segments import Segment, cut, whole

PARTS = 'parts'


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkItem:
    """One segment of one recording for one task.

    Attributes:
        bag: Path of the recording.
        task: Task, with its topics named.
        segment: The stretch.
        overlap_ns: Time within which partners were recorded.
        start_ns: First time of recording.
    """

    bag: str
    task: JobTask
    segment: Segment
    overlap_ns: int
    start_ns: int


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordingPlan:
    """All that a job does with one recording.

    Attributes:
        bag: Its path.
        name: What its results are called.
        items: The work.
        num_bytes: Size when decompressed.
        files: Its MCAP files.
    """

    bag: str
    name: str
    items: tuple[WorkItem, ...]
    num_bytes: int
    files: tuple[str, ...] = ()

    @property
    def num_frames(self) -> int:
        """Reference images of all tasks."""
        return sum(item.segment.num_frames for item in self.items)


def plan_job(job: RecordingJob, bags: Sequence[str]) -> tuple[RecordingPlan, ...]:
    """Read the index of every recording and cut it into work.

    Raises:
        InputError: If a recording cannot be used, its topics are not clear, or two have one name.
    """
    return tuple(_plan(job, bag) for bag in _named(bags))


def plan_sound(
    job: RecordingJob, bags: Sequence[str]
) -> tuple[tuple[RecordingPlan, ...], dict[str, InputError]]:
    """Plan the recordings that can be used, and return why the others cannot, by their paths.

    Raises:
        InputError: If two would have results of one name.
    """
    plans, refused = [], {}
    for bag in _named(bags):
        try:
            plans.append(_plan(job, bag))
        except InputError as error:
            refused[bag] = error
    return tuple(plans), refused


def _named(bags: Sequence[str]) -> list[str]:
    """Return recordings once each, and require that their results have different names."""
    named: dict[str, str] = {}
    for bag in bags:
        other = named.setdefault(stem_of(bag), bag)
        if other != bag:
            raise InputError(
                'bag',
                f'{other} and {bag} would have results of one name; rename one of them, or '
                'process them into two folders',
            )
    return list(named.values())


def part_name(out: str, key: str) -> str:
    """Return the name of a part below the folder of results."""
    return join(out, PARTS, f'{key}.mcap')


def result_files(out: str, name: str) -> ResultFiles:
    """Return the names of a recording's results."""
    return ResultFiles(
        bag=join(out, f'{name}.mcap'),
        ledger=join(out, f'{name}.ledger.jsonl'),
        figures=join(out, f'{name}.figures.jsonl'),
    )


def _plan(job: RecordingJob, bag: str) -> RecordingPlan:
    recording = Recording(bag)
    try:
        if job.copy.topics:
            CopiedTopics(recording, job.copy)
        items = [item for task in job.tasks for item in _items(job, task, recording)]
        num_bytes = sum(chunk.num_bytes for chunk in recording.chunks)
    finally:
        recording.close()
    return RecordingPlan(
        bag=bag,
        name=recording.name,
        items=tuple(items),
        num_bytes=num_bytes,
        files=tuple(file.name for file in recording.files),
    )


def _items(job: RecordingJob, task: JobTask, recording: Recording) -> list[WorkItem]:
    try:
        named, topic = task.guessed(recording.topics)
    except InputError as error:
        raise type(error)(error.reason, f'{recording.path}: {error}') from None
    is_sequential = TASK_KINDS[task.kind].is_sequential
    segments = [whole(recording, topic)] if is_sequential else cut(recording, topic, job.segments)
    return [
        WorkItem(
            bag=recording.path,
            task=named,
            segment=segment,
            overlap_ns=round(job.segments.overlap_s * 1e9),
            start_ns=recording.chunks[segment.first].start_ns,
        )
        for segment in segments
    ]
