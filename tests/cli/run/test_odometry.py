"""``depth-ros run odometry``: folders and bags to trajectories, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.cli.run.odometry_inputs import frame_stamps
from depth_ros.files.trajectories import read_trajectory
from depth_ros.frames import CameraFrame
from depth_ros.geometry.rigid import inverse
from depth_ros.pictures.panels import write_picture
from depth_ros.tasks.odometry.processor import OdometryProcessor
from depth_ros.tasks.odometry.values import OdometryOutput
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.odometry_sequences import shots
from tests.kit.shared_data import shared_path

NUM_FRAMES = 5


@pytest.fixture(scope='module')
def rgbd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered RGB-D folder with times in nanoseconds as names."""
    folder = tmp_path_factory.mktemp('rgbd')
    for name in ('images', 'depth'):
        (folder / name).mkdir()
    for index in range(NUM_FRAMES):
        view = shots('room', 60)[index].view
        name = f'{10**18 + index * 10**8}.png'
        write_picture(folder / 'images' / name, view.image)
        millimetres = np.rint(1e3 * view.depth).astype(np.uint16)
        assert cv2.imwrite(str(folder / 'depth' / name), millimetres)
    np.savetxt(folder / 'K.txt', view.camera.p[:, :3])
    return folder


def run(folder: Path, output: Path, *more: str) -> int:
    return main(['run', 'odometry', str(folder), '-o', str(output), *more])


@pytest.mark.parametrize('model', ['sift', 'orb'])
def test_a_folder_becomes_a_trajectory_with_its_own_times(
    rgbd: Path, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(rgbd, tmp_path / 'out', '--model', model) == 0
    path = read_trajectory(tmp_path / 'out' / 'trajectory.txt')
    assert path.stamps_ns.tolist() == [10**18 + index * 10**8 for index in range(NUM_FRAMES)]
    np.testing.assert_array_equal(path.poses[0], np.eye(4))
    room = shots('room', 60)
    truth = inverse(room[0].pose) @ room[NUM_FRAMES - 1].pose
    assert np.linalg.norm(path.poses[-1, :3, 3] - truth[:3, 3]) < 0.02
    picture = cv2.imread(str(tmp_path / 'out' / 'trajectory.png'))
    assert picture.shape == (640, 640, 3)
    record = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert record['placed'] == NUM_FRAMES and record['states']['tracking'] == NUM_FRAMES - 1
    assert record['reasons'] == {}
    with (tmp_path / 'out' / 'states.csv').open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row['state'] for row in rows] == ['initialising'] + ['tracking'] * (NUM_FRAMES - 1)
    assert float(rows[-1]['sigma_m']) > 0
    assert 'frames placed' in capsys.readouterr().out


def test_without_depth_there_are_directions_and_no_trajectory(
    rgbd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(rgbd, tmp_path, '--source', 'mono') == 0
    assert not (tmp_path / 'trajectory.txt').exists()
    with (tmp_path / 'directions.csv').open() as lines:
        rows = list(csv.DictReader(lines))
    assert rows and json.loads((tmp_path / 'summary.json').read_text())['length_m'] is None
    length = np.linalg.norm([float(rows[-1][name]) for name in ('dx', 'dy', 'dz')])
    assert length == pytest.approx(1.0, abs=1e-6)
    assert 'no metres' in capsys.readouterr().out


def test_a_run_leaves_nothing_of_the_one_before(rgbd: Path, tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').touch()
    assert run(rgbd, tmp_path) == 0
    assert run(rgbd, tmp_path, '--source', 'mono') == 0
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {'mine.txt', 'directions.csv', 'states.csv', 'summary.json'}


def test_one_image_is_no_sequence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'left.png').touch()
    assert run(tmp_path / 'left.png', tmp_path / 'out') == 2
    assert 'takes a folder of images or a bag' in capsys.readouterr().err


def test_pairs_are_no_sequence_of_one_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ('0_left', '0_right', '1_left', '1_right'):
        (tmp_path / f'{name}.png').touch()
    assert run(tmp_path, tmp_path / 'out', '--intrinsics', '60,60,32,24') == 2
    said = capsys.readouterr().err
    assert '0_left.png' in said and 'left/ and right/' in said and '--calibration FILE' in said


def test_stereo_folders_take_a_calibration(tmp_path: Path) -> None:
    path = shots('room', 60).path
    for side in ('left', 'right'):
        (tmp_path / side).mkdir()
    for index in range(3):
        pair = path.stereo(index)
        write_picture(tmp_path / 'left' / f'{index}.png', pair.left)
        write_picture(tmp_path / 'right' / f'{index}.png', pair.right)
    left, right = path.camera.left, path.camera.right
    rows = [
        f'P{i}: ' + ' '.join(map(str, camera.p.ravel())) for i, camera in enumerate((left, right))
    ]
    (tmp_path / 'calib.txt').write_text('\n'.join(rows) + '\n')
    expect_one_sentence(depth_ros('run', 'odometry', str(tmp_path), cwd=tmp_path), '--calibration')
    code = run(tmp_path, tmp_path / 'out', '--calibration', str(tmp_path / 'calib.txt'))
    assert code == 0
    found = read_trajectory(tmp_path / 'out' / 'trajectory.txt').poses[-1]
    truth = inverse(path.world_from_camera[0]) @ path.world_from_camera[2]
    assert np.linalg.norm(found[:3, 3] - truth[:3, 3]) < 0.03


def test_real_hololens_frames_follow_their_poses(tmp_path: Path) -> None:
    folder = shared_path('data/hololens_mvs')
    assert run(folder, tmp_path) == 0
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 4, 4)
    table = (folder / 'frame_rows.csv').read_text().split()[1:]
    rows = [int(line.split(',')[1]) for line in table]
    truth = inverse(poses[rows[0]]) @ poses[rows[-1]]
    found = read_trajectory(tmp_path / 'trajectory.txt').poses
    assert len(found) == len(rows)
    assert np.linalg.norm(found[-1, :3, 3] - truth[:3, 3]) < 0.05 * np.linalg.norm(truth[:3, 3])


def test_frames_that_are_too_far_apart_are_told(
    rgbd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(rgbd, tmp_path, '--max-gap-s', '0.05') == 0
    said = capsys.readouterr().out
    assert '4 frames came more than 0.05 s after' in said and 'raise --max-gap-s' in said


def test_what_was_placed_is_kept_when_it_is_interrupted(
    rgbd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = OdometryProcessor.process

    def interrupted(self: OdometryProcessor, frame: CameraFrame) -> OdometryOutput:
        if frame.stamp_ns == 10**18 + 3 * 10**8:
            raise KeyboardInterrupt
        return process(self, frame)

    monkeypatch.setattr(OdometryProcessor, 'process', interrupted)
    assert run(rgbd, tmp_path) == 130
    assert len(read_trajectory(tmp_path / 'trajectory.txt')) == 3


def test_thresholds_can_be_set(rgbd: Path, tmp_path: Path) -> None:
    run(rgbd, tmp_path, '--set', 'max_speed_m_s=0.0', '--set', 'max_turn_rad_s=0')
    record = json.loads((tmp_path / 'summary.json').read_text())
    assert record['reasons']['jump'] >= 1 and record['placed'] < NUM_FRAMES - 1


@pytest.mark.parametrize(
    'arguments, word',
    [
        (('--set', 'speed=3'), 'no setting'),
        (('--set', 'min_inliers=2.5'), 'must be int'),
        (('--intrinsics', '1,2,3'), 'FX,FY,CX,CY'),
        (('--rate-hz', '0'), 'above 0'),
        (('--source', 'stereo'), 'left/ and right/'),
        (('--model', 'monodepth2_pose'), 'source mono'),
    ],
)
def test_bad_arguments_are_one_sentence(
    rgbd: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    word: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(rgbd, tmp_path, *arguments) != 0
    assert word in capsys.readouterr().err


def test_a_folder_without_images_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, tmp_path / 'out') != 0
    assert 'no images' in capsys.readouterr().err
    assert run(tmp_path / 'nowhere', tmp_path / 'out') != 0
    assert 'there is no folder' in capsys.readouterr().err


def test_names_are_times_only_if_all_of_them_are() -> None:
    assert frame_stamps([Path('1403715273262142976.png')], 10.0)[0] == [1403715273262142976]
    seconds, note = frame_stamps([Path('1305031102.175304.png')], 10.0)
    assert 'seconds' in note and abs(seconds[0] - 1305031102175304000) < 1000
    assert frame_stamps([Path('1.png'), Path('2.png')], 10.0)[0] == [10**9, 1_100_000_000]
