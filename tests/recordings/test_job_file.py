"""Jobs as YAML: read, refused with the nearest name, written for a recording."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from depth_ros.errors import DepthRosError
from depth_ros.recordings.job_file import job_text, read_job
from depth_ros.recordings.recording import Recording
from depth_ros.recordings.stereo_work import StereoWork
from tests.kit.plane_drive import Drive


def written(folder: Path, text: str) -> Path:
    path = folder / 'job.yaml'
    path.write_text(text)
    return path


def test_a_job_takes_the_settings_of_the_node(tmp_path: Path) -> None:
    job = read_job(
        written(
            tmp_path,
            'tasks:\n  stereo:\n    settings: {model: sgbm, sgbm.block_size: 7, max_depth_m: 9}\n'
            '    outputs: {points: true}\nsegments: {frames: 8}\nworkers: {threads: 2}\n',
        )
    )
    (task,) = job.tasks
    assert task.values['settings']['sgbm.block_size'] == 7
    assert task.values['settings']['max_depth_m'] == 9.0
    assert task.values['outputs']['points'] is True
    assert (task.threads, job.segments.frames) == (2, 8)


def test_the_job_that_is_written_for_a_recording_reads_back(drive: Path, tmp_path: Path) -> None:
    recording = Recording(str(drive))
    text = job_text(recording.topics)
    job = read_job(written(tmp_path, text))
    (task,) = job.tasks
    assert task.kind == 'stereo'
    assert task.values['input']['left'] == '/left/image_rect'
    assert task.values['settings']['max_depth_m'] == math.inf
    for line in text.splitlines():
        assert len(line) < 100


def test_a_recording_of_one_camera_gets_a_mono_job(tmp_path: Path) -> None:
    lost = [('right', number) for number in range(8)]
    bag = Drive(without=lost).write(tmp_path / 'drive.mcap')
    job = read_job(written(tmp_path, job_text(Recording(str(bag)).topics)))
    assert [task.kind for task in job.tasks] == ['mono']


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('task: {}', "there is no key 'task' of .*did you mean 'tasks'"),
        ('tasks: {sterio: {}}', "there is no key 'sterio' in tasks .*did you mean 'stereo'"),
        ('tasks: {stereo: {outputs: {pionts: true}}}', "'pionts'.*did you mean 'points'"),
        ('tasks: {stereo: {settings: {modell: sgbm}}}', "'modell'.*did you mean 'model'"),
        ('tasks: {stereo: {settings: {model: sgmb}}}', "there is no stereo model 'sgmb'.*sgbm"),
        ('tasks: {stereo: {outputs: {points: 3}}}', r'tasks.stereo.outputs.points is a bool'),
        ('tasks: {stereo: {outputs: {points_stride: 0}}}', 'must be within 1'),
        ('tasks: {stereo: 3}', 'tasks.stereo must be a mapping'),
        ('tasks: {}', 'at least one of stereo, mono'),
        ('segments: {frames: 3}', 'at least one of stereo, mono'),
        ('- 1', 'must be a mapping'),
        ('', 'must be a mapping'),
        ('tasks: [', 'is no YAML'),
        ('tasks: {1: 2}', 'must be a mapping'),
        ('tasks: {stereo: {}}\nfusion: {cloud: true}', 'fusion.cloud needs poses.*add odometry'),
        ('tasks: {stereo: {}}\ncopy: {topic: all}', "'topic'.*did you mean 'topics'"),
    ],
)
def test_what_is_wrong_is_named_with_the_remedy(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DepthRosError, match=words):
        read_job(written(tmp_path, text))


def test_hints_that_follow_the_pair_before_are_refused(tmp_path: Path) -> None:
    """Segments, and with them the number of workers, would change the bytes."""
    text = 'tasks: {stereo: {settings: {model: crestereo_tiny_hinted, hints: previous}}}'
    (task,) = read_job(written(tmp_path, text)).tasks
    with pytest.raises(DepthRosError, match=r'follow the pair before.*set hints to auto'):
        StereoWork(task)
