"""Mono depth over a recording, and calibrations that are files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.camera import PinholeCamera
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.calibration_writer import write_ros_yaml
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.headers import stamp_ns
from depth_ros.recordings import mono_work
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.job import RecordingJob, WorkerSettings
from depth_ros.recordings.job_file import default_task
from depth_ros.recordings.outputs import MonoOutputs
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.tasks.mono.settings import MonoSettings, RefineMode, ScaleMode, ScaleSettings
from tests.kit import mono_doubles
from tests.kit.bag_writer import Recorded, info, raw, stamp
from tests.kit.job_kit import bag_messages, process, raw_messages
from tests.kit.plane_drive import Drive, cameras, depth_of, disparity_at, write_mcap, write_rig
from tests.recordings.conftest import stereo_job

NUM_FRAMES = 5
FACTOR_M = 2.5
RELATIVE = '/mono/relative_depth/image'
DEPTH = '/mono/depth/image'


def mono_job(
    *,
    frames: int = 2,
    mode: ScaleMode = ScaleMode.FIXED,
    calibration: Path | str = '',
) -> RecordingJob:
    scale = ScaleSettings(mode=mode, factor=FACTOR_M if mode is ScaleMode.FIXED else 0.0)
    task = default_task(
        'mono', settings=MonoSettings(scale=scale), outputs=MonoOutputs(relative_depth=True)
    )
    return RecordingJob(
        tasks=(replace(task, input=replace(task.input, calibration=str(calibration))),),
        segments=SegmentSettings(frames=frames),
        workers=WorkerSettings(),
        copy=CopySettings(),
    )


@pytest.fixture(autouse=True)
def network_that_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mono_work, 'open_mono', mono_doubles.open_truth)


def room(path: Path, *, has_infos: bool = True) -> Path:
    """A camera that stands in the room."""
    image = mono_doubles.room_image()
    recorded: list[Recorded] = []
    for index in range(NUM_FRAMES):
        if has_infos:
            recorded.append(
                ('/camera/camera_info', info(mono_doubles.CAMERA, stamp_ns=stamp(index)))
            )
        recorded.append(('/camera/image_rect', raw(image, stamp_ns=stamp(index))))
    return write_mcap(path, recorded)


def depths_of(bag: Path, name: str) -> list[np.ndarray]:
    return [decode_depth(message) for topic, _, message in bag_messages(bag) if topic == name]


def test_metres_are_the_relative_depth_times_the_factor(tmp_path: Path) -> None:
    bag = room(tmp_path / 'room.mcap')
    result = process(mono_job(), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (NUM_FRAMES, {})
    made = tmp_path / 'out/room.mcap'
    relative, metric = depths_of(made, RELATIVE), depths_of(made, DEPTH)
    truth = mono_doubles.room_depth()
    assert len(relative) == len(metric) == NUM_FRAMES
    for one, other in zip(relative, metric, strict=True):
        known = np.isfinite(other)
        assert known.mean() > 0.9
        np.testing.assert_allclose(other[known], FACTOR_M * one[known], rtol=1e-6)
        np.testing.assert_allclose(one[known] * mono_doubles.UNIT_M, truth[known], rtol=1e-3)
    stamps = [
        stamp_ns(message.header.stamp)
        for topic, _, message in bag_messages(made)
        if topic == DEPTH
    ]
    assert stamps == [stamp(index) for index in range(NUM_FRAMES)]


def test_without_a_scale_there_are_no_metres(tmp_path: Path) -> None:
    bag = room(tmp_path / 'room.mcap')
    process(mono_job(mode=ScaleMode.NONE), bag, tmp_path / 'out')
    made = tmp_path / 'out/room.mcap'
    assert not depths_of(made, DEPTH)
    assert len(depths_of(made, RELATIVE)) == NUM_FRAMES


@pytest.mark.parametrize('frames', [1, 100])
def test_messages_do_not_depend_on_where_the_recording_is_cut(tmp_path: Path, frames: int) -> None:
    bag = room(tmp_path / 'room.mcap')
    process(mono_job(), bag, tmp_path / 'two')
    process(mono_job(frames=frames), bag, tmp_path / 'other')
    one, other = (raw_messages(tmp_path / name / 'room.mcap') for name in ('two', 'other'))
    assert one == other


def test_a_scale_that_follows_the_frames_before_is_refused(tmp_path: Path) -> None:
    bag = room(tmp_path / 'room.mcap')
    job = mono_job()
    settings = MonoSettings(scale=ScaleSettings(mode=ScaleMode.CAMERA_HEIGHT, camera_height_m=1.0))
    task = replace(job.tasks[0], settings=settings)
    with pytest.raises(ParameterError, match=r'follows the frames before.*fixed'):
        process(replace(job, tasks=(task,)), bag, tmp_path / 'out')
    moving = replace(job.tasks[0], settings=MonoSettings(refine=RefineMode.MULTIVIEW))
    with pytest.raises(ParameterError, match=r'refine multiview follows the frames before'):
        process(replace(job, tasks=(moving,)), bag, tmp_path / 'out')


def test_a_camera_without_camera_info_takes_the_calibration_of_a_file(tmp_path: Path) -> None:
    bag = room(tmp_path / 'room.mcap')
    bare = room(tmp_path / 'bare.mcap', has_infos=False)
    with pytest.raises(InputError, match='no camera_info'):
        process(mono_job(), bare, tmp_path / 'out')
    file = tmp_path / 'camera.yaml'
    write_ros_yaml(file, mono_doubles.CAMERA, name='camera')
    process(mono_job(), bag, tmp_path / 'out')
    process(mono_job(calibration=file), bare, tmp_path / 'out')
    recorded, of_file = (
        depths_of(tmp_path / f'out/{name}.mcap', DEPTH) for name in ('room', 'bare')
    )
    np.testing.assert_array_equal(recorded, of_file)


def test_a_rig_of_a_file_decides_and_a_changed_file_is_done_again(tmp_path: Path) -> None:
    """The rig of the file is twice as wide as that of the recording: depth is twice as far."""
    bag = Drive().write(tmp_path / 'drive.mcap')
    rig = [wider(camera, 2.0) for camera in cameras()]
    write_rig(tmp_path / 'rig', rig)
    job = stereo_job(calibration=str(tmp_path / 'rig/left.yaml'), images='rectified')
    first = process(job, bag, tmp_path / 'out')
    assert (first.made, first.made_before) == (8, 0)
    for index, depth in enumerate(depths_of(tmp_path / 'out/drive.mcap', '/stereo/depth/image')):
        expected = 2.0 * depth_of(disparity_at(index))
        assert float(np.nanmedian(depth[:, 32:])) == pytest.approx(expected, rel=0.01)
    assert process(job, bag, tmp_path / 'out').made_before == 8
    write_rig(tmp_path / 'rig', [wider(camera, 3.0) for camera in cameras()])
    assert process(job, bag, tmp_path / 'out').made_before == 0


def wider(camera: PinholeCamera, factor: float) -> PinholeCamera:
    p = camera.p.copy()
    p[0, 3] *= factor
    return replace(camera, p=p)
