"""Runs a job: plans, has the work placed, merges each recording when its parts are there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from depth_ros.errors import DepthRosError
from depth_ros.files.settings_text import yaml_value
from depth_ros.recordings.calibration_starts import CalibrationStart, changes_of
from depth_ros.recordings.copied import CopiedTopics
from depth_ros.recordings.free_names import expect_free_names
from depth_ros.recordings.fused_cloud import write_cloud_of
from depth_ros.recordings.job import TASK_KINDS, RecordingJob
from depth_ros.recordings.ledger import main_reason
from depth_ros.recordings.local import Finished
from depth_ros.recordings.merge import MergedPart, merge
from depth_ros.recordings.places import held, join, read_whole, sweep
from depth_ros.recordings.plan import (
    PARTS,
    RecordingPlan,
    WorkItem,
    part_name,
    plan_job,
    result_files,
)
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.result_mark import begin_mark, finish_mark, is_finished
from depth_ros.recordings.sinks import expect_libraries, write_sinks
from depth_ros.recordings.stamps_again import StampsAgain, stamps_again
from depth_ros.recordings.unfinished import write_unfinished
from depth_ros.recordings.workshop import FinishedPart
from depth_ros.settings import SettingValue, values_of

MAX_CHANGES = 100
"""Changes of a calibration that are kept: one that is estimated anew may change in every image."""
Scheduler = Callable[[Sequence[WorkItem]], Iterable[Finished]]
"""Takes all the work and gives each item back when it is done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingResult:
    """What came of one recording.

    Attributes:
        name: Its name.
        bag: Path of the result.
        made: Outputs.
        made_before: Of them, those that were there.
        refused: Refused images by reason.
        calibration_changes: Times of recording at which calibrations change, by topic.
        start_ns: First time of recording.
        empty: Tasks that made nothing, with their most frequent reason.
        again: Outputs whose stamps came before in the recording.
    """

    name: str
    bag: str
    made: int
    made_before: int
    refused: Mapping[str, int]
    calibration_changes: Mapping[str, Sequence[int]]
    start_ns: int
    empty: Mapping[str, str]
    again: StampsAgain


def run_job(
    job: RecordingJob, bags: Sequence[str], out: str, schedule: Scheduler
) -> Iterator[RecordingResult]:
    """Process recordings; each result is given when its bag is written.

    Args:
        job: What to do.
        bags: Recordings.
        out: Folder of results.
        schedule: Places the work.

    Raises:
        DepthRosError: If a recording, a setting, an engine or the disk says no.
    """
    plans = plan_job(job, bags)
    yield from run_plans(job, plans, out, schedule)


def run_plans(
    job: RecordingJob, plans: Sequence[RecordingPlan], out: str, schedule: Scheduler
) -> Iterator[RecordingResult]:
    """Process what was planned; as ``run_job``.

    Raises:
        InputError: Reason ``'out'``, if a result would replace an input or a stranger's file.
        DepthRosError: If another job writes into the same folder of this machine.
    """
    expect_libraries(job.sinks)
    expect_free_names(plans, out)
    with held(join(out, PARTS)):
        yield from _results(job, plans, out, schedule)


def _results(
    job: RecordingJob, plans: Sequence[RecordingPlan], out: str, schedule: Scheduler
) -> Iterator[RecordingResult]:
    for folder in (out, join(out, PARTS)):
        sweep(folder)
    items = [item for plan in plans for item in plan.items]
    owners = [plan for plan in plans for _ in plan.items]
    done: dict[str, dict[int, FinishedPart]] = {plan.name: {} for plan in plans}
    identities: dict[str, str] = {}
    unfinished = {plan.name: plan.bag for plan in plans}
    write_unfinished(out, unfinished)
    for finished in schedule(items):
        plan = owners[finished.number]
        _expect_one_identity(identities, items[finished.number], finished.part)
        done[plan.name][finished.number] = finished.part
        if len(done[plan.name]) == len(plan.items):
            first = owners.index(plan)
            parts = [done[plan.name][first + place] for place in range(len(plan.items))]
            result = _merged(job, plan, out, parts)
            del unfinished[plan.name]
            write_unfinished(out, unfinished)
            yield result


def _merged(
    job: RecordingJob, plan: RecordingPlan, out: str, parts: Sequence[FinishedPart]
) -> RecordingResult:
    """Write a recording's bag unless it is there, made of the same parts."""
    files = result_files(out, plan.name)
    refused: Counter[str] = Counter()
    for part in parts:
        refused.update(part.refused)
    made = sum(part.made for part in parts)
    changes = _calibration_changes(plan, parts)
    made_of = {
        'recording': plan.bag,
        'tasks': {item.task.kind: _as_text(item.task.values) for item in plan.items},
        'copy': job.copy.topics,
        'sinks': _texts(values_of(job.sinks)),
        'fusion': _texts(values_of(job.fusion)),
        'parts': [part.key for part in parts],
        'made': made,
        'refused': dict(sorted(refused.items())),
        'calibration_changes': changes,
    }
    if not is_finished(out, plan.name, made_of):
        begin_mark(out, plan.name, made_of)
        _write_result(job, plan, out, parts)
        write_sinks(job.sinks, files.bag, out, plan.name)
        write_cloud_of(job.fusion, files.bag, out, plan.name)
        finish_mark(out, plan.name, made_of)
    return RecordingResult(
        name=plan.name,
        bag=files.bag,
        made=made,
        made_before=sum(part.made for part in parts if part.was_there),
        refused=refused,
        calibration_changes=changes,
        start_ns=min(item.start_ns for item in plan.items),
        empty=_empty(plan, parts, files.ledger),
        again=stamps_again(read_whole(files.figures).splitlines()),
    )


def _empty(plan: RecordingPlan, parts: Sequence[FinishedPart], ledger: str) -> dict[str, str]:
    """Return the tasks without any output, with what the ledger says most often."""
    made: Counter[str] = Counter()
    for item, part in zip(plan.items, parts, strict=True):
        made[item.task.kind] += part.made
    empty = {kind: 'there was no image' for kind, number in made.items() if not number}
    if not empty:
        return {}
    lines = [json.loads(line) for line in read_whole(ledger).splitlines()]
    for kind in empty:
        refusals = [(line['reason'], line['text']) for line in lines if line['task'] == kind]
        if refusals:
            empty[kind] = main_reason(refusals)
    return empty


def _calibration_changes(
    plan: RecordingPlan, parts: Sequence[FinishedPart]
) -> dict[str, list[int]]:
    """Return the times at which calibrations change, by topic, of all tasks; at most the first."""
    starts: dict[str, list[CalibrationStart]] = {}
    for item, part in zip(plan.items, parts, strict=True):
        starts.setdefault(item.task.kind, []).extend(part.calibrations)
    found: dict[str, list[int]] = {}
    for of_task in starts.values():
        found.update(changes_of(of_task))
    return {topic: times[:MAX_CHANGES] for topic, times in sorted(found.items())}


def _as_text(values: Mapping[str, Mapping[str, SettingValue]]) -> dict[str, dict[str, str]]:
    """Return values as YAML writes them: JSON has no infinity."""
    return {group: _texts(found) for group, found in values.items()}


def _texts(values: Mapping[str, SettingValue]) -> dict[str, str]:
    return {name: yaml_value(value) for name, value in values.items()}


def _write_result(
    job: RecordingJob, plan: RecordingPlan, out: str, parts: Sequence[FinishedPart]
) -> None:
    merged = [
        MergedPart(
            start_ns=item.start_ns,
            task=TASK_KINDS[item.task.kind].place,
            segment=item.segment.number,
            name=part_name(out, part.key),
        )
        for item, part in zip(plan.items, parts, strict=True)
    ]
    if not job.copy.topics:
        merge(merged, result_files(out, plan.name))
        return
    recording = Recording(plan.bag)
    try:
        merge(merged, result_files(out, plan.name), CopiedTopics(recording, job.copy))
    finally:
        recording.close()


def _expect_one_identity(identities: dict[str, str], item: WorkItem, part: FinishedPart) -> None:
    """Require that all workers compute alike, to the last bit."""
    key = json.dumps([item.task.kind, item.task.values], sort_keys=True)
    if identities.setdefault(key, part.identity) != part.identity:
        raise DepthRosError(
            f'two workers compute {item.task.kind} differently (other processors or versions of '
            'libraries), so the result would depend on chance; use machines of one kind with the '
            'same packages'
        )
