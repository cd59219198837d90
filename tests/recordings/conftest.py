"""Recordings of planes and jobs over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rosbags', reason='rosbags is not installed')
pytest.importorskip('mcap', reason='mcap is not installed')

from depth_ros.models.sgbm.settings import SgbmSettings
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.job import RecordingJob, WorkerSettings
from depth_ros.recordings.job_file import default_task
from depth_ros.recordings.outputs import PairOutputs
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.plane_drive import Drive

SGBM = StereoSettings(model='sgbm', sgbm=SgbmSettings(num_disparities=16))


def stereo_job(
    *,
    frames: int = 2,
    outputs: PairOutputs | None = None,
    settings: StereoSettings = SGBM,
    copy: str = '',
    overlap_s: float = 0.5,
    **input_changes: Any,
) -> RecordingJob:
    outputs = outputs or PairOutputs(row_error_every=0)
    task = default_task('stereo', settings=settings, outputs=outputs)
    return RecordingJob(
        tasks=(replace(task, input=replace(task.input, **input_changes)),),
        segments=SegmentSettings(frames=frames, overlap_s=overlap_s),
        workers=WorkerSettings(),
        copy=CopySettings(topics=copy),
    )


@pytest.fixture(scope='session')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Drive().write(tmp_path_factory.mktemp('drive') / 'drive.mcap')


def without_parts(folder: Path) -> dict[str, bytes]:
    """Content of the results by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob('*.*')) if path.is_file()}


def names(parts: Sequence[Path]) -> set[str]:
    return {path.name for path in parts}
