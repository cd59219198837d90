"""Results beside the bag hold what the bag holds, and are the same bytes every time."""

from __future__ import annotations

import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.errors import DepthRosError, InputError
from depth_ros.messages.depth import decode_depth
from depth_ros.recordings.job import RecordingJob
from depth_ros.recordings.job_file import default_task
from depth_ros.recordings.outputs import PairOutputs
from depth_ros.recordings.result_settings import FusedCloudSettings, SinkSettings
from tests.kit.bag_writer import rig_messages, stamp
from tests.kit.job_kit import bag_messages, process
from tests.kit.plane_drive import write_mcap
from tests.recordings.conftest import stereo_job

DEPTH = '/stereo/depth/image'
NUM_FRAMES = 8


def sink_job(*, frames: int = 2, **switches: object) -> RecordingJob:
    outputs = PairOutputs(
        depth_encoding='16UC1', image=True, confidence=True, points=True, row_error_every=0
    )
    job = stereo_job(frames=frames, outputs=outputs)
    return replace(job, sinks=SinkSettings(**switches))


def tree(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder but the parts', by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and 'parts' not in path.parts
    }


def depth_of_bag(bag: Path) -> list[np.ndarray]:
    return [decode_depth(message) for topic, _, message in bag_messages(bag) if topic == DEPTH]


def test_files_are_the_maps_of_the_bag(drive: Path, tmp_path: Path) -> None:
    process(sink_job(files=True), drive, tmp_path)
    folder = tmp_path / 'drive.files/stereo'
    paths = sorted((folder / 'depth/image').iterdir())
    assert [path.name for path in paths] == [
        f'{index:06d}_{stamp(index)}.png' for index in range(NUM_FRAMES)
    ]
    for path, depth in zip(paths, depth_of_bag(tmp_path / 'drive.mcap'), strict=True):
        units = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        found = np.where(units > 0, units * np.float32(0.001), np.nan)
        np.testing.assert_array_equal(found, depth)
    assert np.load(next((folder / 'confidence').iterdir())).dtype == np.float32
    camera = json.loads(next((folder / 'depth/camera_info').iterdir()).read_text())
    assert (camera['height'], camera['width']) == units.shape


@pytest.mark.parametrize('kind', ['files', 'webdataset', 'zarr'])
def test_sinks_are_the_same_bytes_wherever_the_recording_is_cut(
    drive: Path, tmp_path: Path, kind: str
) -> None:
    if kind == 'zarr':
        pytest.importorskip('zarr', minversion='3', reason='zarr is not installed')
    for name, frames in (('two', 2), ('again', 2), ('other', 3)):
        process(sink_job(frames=frames, **{kind: True}), drive, tmp_path / name)
    two, again, other = (tree(tmp_path / name) for name in ('two', 'again', 'other'))
    assert two == again
    beside = {name: data for name, data in two.items() if name.startswith(f'drive.{kind}/')}
    assert beside == {name: other[name] for name in beside}
    assert len(beside) >= 1


def test_a_shard_has_a_sample_for_every_output(drive: Path, tmp_path: Path) -> None:
    process(sink_job(webdataset=True, shard_frames=3), drive, tmp_path)
    shards = sorted((tmp_path / 'drive.webdataset').iterdir())
    assert [shard.name for shard in shards] == [f'drive-{n:06d}.tar' for n in range(3)]
    samples: dict[str, set[str]] = {}
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, ending = member.name.partition('.')
                samples.setdefault(key, set()).add(ending)
                if ending == 'json':
                    about = json.load(tar.extractfile(member))
                    assert about['stamp_ns'] == stamp(int(key))
                    assert about['units_m'] == {'stereo/depth/image': 0.001}
    assert len(samples) == NUM_FRAMES
    assert set(map(frozenset, samples.values())) == {
        frozenset(
            {
                'json',
                'stereo_depth_image.png',
                'stereo_depth_camera_info.json',
                'stereo_confidence.npy',
                'stereo_rectified_image.png',
                'stereo_points.npy',
            }
        )
    }


def test_shards_are_read_by_the_package_webdataset(drive: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip('webdataset', reason='webdataset is not installed')
    process(sink_job(webdataset=True), drive, tmp_path)
    shard = tmp_path / 'drive.webdataset/drive-000000.tar'
    samples = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode())
    assert len(samples) == NUM_FRAMES
    assert samples[0]['stereo_confidence.npy'].dtype == np.float32


def test_zarr_reads_back_the_maps_of_the_bag(drive: Path, tmp_path: Path) -> None:
    zarr = pytest.importorskip('zarr', minversion='3', reason='zarr is not installed')
    process(sink_job(zarr=True), drive, tmp_path)
    group = zarr.open_group(str(tmp_path / 'drive.zarr'), mode='r')
    units = group['stereo_depth_image']
    assert (units.shape[0], units.dtype, units.attrs['unit_m']) == (NUM_FRAMES, np.uint16, 0.001)
    for index, depth in enumerate(depth_of_bag(tmp_path / 'drive.mcap')):
        found = np.where(units[index] > 0, units[index] * np.float32(0.001), np.nan)
        np.testing.assert_array_equal(found, depth)
    stamps = group['stereo_depth_image_stamp_ns'][:]
    assert stamps.tolist() == [stamp(index) for index in range(NUM_FRAMES)]


def test_a_missing_library_is_named_before_the_work(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'zarr', None)
    with pytest.raises(DepthRosError, match="pip install 'zarr>=3'"):
        process(sink_job(zarr=True), drive, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_switch_that_is_turned_off_deletes_what_it_made(drive: Path, tmp_path: Path) -> None:
    process(sink_job(files=True), drive, tmp_path)
    result = process(sink_job(), drive, tmp_path)
    assert result.made_before == NUM_FRAMES
    assert not (tmp_path / 'drive.files').exists()


def test_depth_and_odometry_become_one_cloud_on_the_walls_of_the_room(tmp_path: Path) -> None:
    from depth_ros.files.cloud import read_ply
    from depth_ros.models.sgbm.settings import SgbmSettings
    from depth_ros.scenes.paths import scene_path
    from depth_ros.tasks.stereo.settings import StereoSettings

    path = scene_path('room')
    bag = write_mcap(tmp_path / 'walk.mcap', rig_messages(path, 6))
    settings = StereoSettings(model='sgbm', sgbm=SgbmSettings(num_disparities=64))
    outputs = PairOutputs(image=True, row_error_every=0)
    job = stereo_job(settings=settings, outputs=outputs)
    job = replace(
        job,
        tasks=(*job.tasks, default_task('odometry')),
        fusion=FusedCloudSettings(cloud=True),
    )
    clouds = []
    for name, frames in (('one', 2), ('two', 100)):
        segments = replace(job.segments, frames=frames)
        process(replace(job, segments=segments), bag, tmp_path / name)
        clouds.append((tmp_path / name / 'walk.ply').read_bytes())
    assert clouds[0] == clouds[1]
    points, colours = read_ply(tmp_path / 'one/walk.ply')
    assert len(points) > 1000
    assert len(np.unique(colours, axis=0)) > 10
    # Odometry's frame has x forward: the room's far wall is the largest x that many points have.
    truth = path.view(0).depth
    assert np.percentile(points[:, 0], 95) == pytest.approx(np.percentile(truth, 95), rel=0.1)


@pytest.mark.parametrize('has_odometry', [False, True])
def test_a_cloud_needs_poses_and_colour(drive: Path, tmp_path: Path, has_odometry: bool) -> None:
    job = replace(stereo_job(), fusion=FusedCloudSettings(cloud=True))
    if has_odometry:
        job = replace(job, tasks=(*job.tasks, default_task('odometry')))
    with pytest.raises(InputError, match=r'add odometry to the tasks|image to true|no poses'):
        process(job, drive, tmp_path)
    assert json.loads((tmp_path / 'drive.json').read_text())['files'] is None
