"""Where the calibration of a task comes from, told from a few chunks of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depth_ros.recordings.calibration_starts import (
    CalibrationStart,
    calibration_start,
    changes_of,
    infos_in,
)
from depth_ros.recordings.camera_frames import FROM_FILE
from depth_ros.recordings.job import JobTask
from depth_ros.recordings.plan import RecordingPlan
from depth_ros.recordings.recording import Recording

NUM_LOOKED_AT = 9
"""Chunks of a topic that are read, spread over the recording."""
INFO_KEYS = ('left_info', 'right_info', 'info', 'depth_info')
"""Fields of the groups of topics that name a camera_info."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationSource:
    """Where the calibration of one task comes from.

    Attributes:
        task: Its name.
        text: As a sentence.
    """

    task: str
    text: str


def calibration_sources(plan: RecordingPlan) -> list[CalibrationSource]:
    """Return where each task of a plan has its calibration from, and whether it seems to change.

    Raises:
        DepthRosError: If the recording cannot be read.
    """
    tasks = {item.task.kind: item.task for item in plan.items}
    recording = Recording(plan.bag)
    try:
        return [
            CalibrationSource(task=kind, text=_source(recording, task))
            for kind, task in tasks.items()
        ]
    finally:
        recording.close()


def _source(recording: Recording, task: JobTask) -> str:
    calibration = getattr(task.input, 'calibration', '')
    if calibration:
        return f'calibration of the file {calibration}'
    named = [getattr(task.input, key, '') for key in INFO_KEYS]
    topics = [topic for topic in dict.fromkeys(named) if topic and topic != FROM_FILE]
    if not topics:
        return 'no calibration'
    looks = {topic: _looked_at(recording, topic) for topic in topics}
    names = f'calibration of {" and ".join(topics)}'
    changes = {topic: _since(recording, look.starts) for topic, look in looks.items()}
    changes = {topic: since for topic, since in changes.items() if since}
    first = looks[topics[0]]
    where = f'in {first.count} of {first.total} chunks looked at'
    if not changes:
        return f'{names}, the same {where}'
    listed = ', '.join(f'{topic} {since}' for topic, since in changes.items())
    return f'{names}; it CHANGES {where} ({listed}): each image takes that of its moment'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Look:
    """Calibrations in some of the chunks that hold a topic, the first and the last among them."""

    starts: Sequence[CalibrationStart]
    count: int
    total: int


def _looked_at(recording: Recording, topic: str) -> _Look:
    holding = [place for place, chunk in enumerate(recording.chunks) if chunk.counts.get(topic)]
    count = min(NUM_LOOKED_AT, len(holding))
    chosen = np.linspace(0, len(holding) - 1, count).round().astype(int)
    infos = [info for place in chosen for info in infos_in(recording, topic, holding[place])]
    starts = [calibration_start(info) for info in infos]
    return _Look(starts=starts, count=count, total=len(holding))


def _since(recording: Recording, starts: Sequence[CalibrationStart]) -> str:
    """Return since when the calibration of one topic is another, in words; empty for never."""
    for times in changes_of(starts).values():
        return f'by {(times[0] - recording.chunks[0].start_ns) / 1e9:.1f} s'
    return ''
