"""``depth-ros calibration``: verdicts that a person would give, round trips, boards."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.files.calibration import read_mono_calibration, read_stereo_calibration
from tests.kit.boards import K, write_board_pairs
from tests.kit.shared_data import shared_path

EUROC, CHESS = 'data/euroc_v101_stereo', 'data/opencv_stereo_chessboard'
OAK, KITTI = 'data/oakd_stereo', 'data/kitti_odometry_grey'
KITTI_TEXT = (
    'P0: 718.856 0 607.1928 0 0 718.856 185.2157 0 0 0 1 0\n'
    'P1: 718.856 0 607.1928 -386.1448 0 718.856 185.2157 0 0 0 1 0\n'
)


def euroc() -> list[Path]:
    root = shared_path(EUROC)
    name = min(path.name for path in (root / 'mav0/cam0/data').glob('*.png'))
    return [root, *(root / 'mav0' / side / 'data' / name for side in ('cam0', 'cam1'))]


def oak() -> list[Path]:
    root = shared_path(OAK)
    return [root / 'stereodemo_calibration.json', root / 'desk_left.png', root / 'desk_right.png']


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(['calibration', *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: object
) -> tuple[int, str, str]:
    return run(capsys, 'check', *words, '--picture', tmp_path / 'check.png')


def test_euroc_is_sound(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = check(capsys, tmp_path, *euroc())
    assert code == 0
    for words in (
        '752x480',
        'raw',
        'baseline 0.1101 m',
        'focal length 436.2 px',
        'SOUND: rows meet',
    ):
        assert words in out
    assert cv2.imread(str(tmp_path / 'check.png')).shape[1] > 1000


def test_oak_is_sound_and_tells_its_useful_part(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = check(capsys, tmp_path, *oak())
    assert code == 0
    for words in ('baseline 0.0750 m', '1 to 5 m useful', 'columns 0% to 95%', 'SOUND: rows meet'):
        assert words in out


def test_kitti_is_sound(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = shared_path(KITTI)
    file = tmp_path / 'calib.txt'
    file.write_text(KITTI_TEXT)
    code, out, _ = check(capsys, tmp_path, file, root / 'left.png', root / 'right.png')
    assert code == 0
    assert 'grey pair' in out and 'baseline 0.5372 m' in out and 'SOUND: rows meet' in out
    code, out, _ = check(capsys, tmp_path, file, root / 'right.png', root / 'left.png')
    assert code == 2 and 'WRONG: left and right look swapped' in out


def test_raw_images_called_rectified_are_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = check(capsys, tmp_path, *euroc(), '--rectified')
    assert code == 2
    assert 'WRONG: rows of left and right do not match' in out


def test_without_a_pair_the_numbers_are_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = check(capsys, tmp_path, euroc()[0])
    assert code == 0
    assert 'SOUND by its numbers' in out and 'turned by 0.8' in out
    assert (tmp_path / 'check.png').is_file()


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (('a.png', 'b.png'), 'got 0 and 2 images'),
        (('rig.json', 'a.png'), 'got 1 and 1 images'),
        (('nothing.yaml',), 'there is no calibration file nothing.yaml'),
        (('nothing.yaml', '--size', '640'), 'WIDTHxHEIGHT'),
        (('nothing.yaml', '--alpha', '2'), 'alpha is 0 to 1'),
    ],
)
def test_mistakes_are_one_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    code, out, err = run(capsys, 'check', *words)
    assert code == 2 and not out
    assert sentence in err and err.count('\n') == 1


def test_convert_writes_what_every_command_reads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = run(capsys, 'convert', euroc()[0], '-o', tmp_path / 'ros')
    assert code == 0 and 'baseline 0.1101 m' in out
    before, after = (read_stereo_calibration([path]) for path in (euroc()[0], tmp_path / 'ros'))
    np.testing.assert_array_equal(before.right.p, after.right.p)
    code, out, _ = check(capsys, tmp_path, tmp_path / 'ros', *euroc()[1:])
    assert code == 0 and 'SOUND: rows meet' in out


def test_convert_refuses_what_is_no_rig(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chess = shared_path(CHESS)
    code, _, err = run(
        capsys, 'convert', chess / 'intrinsics.yml', '--size', '640x480', '-o', tmp_path / 'x'
    )
    assert code == 2 and 'extrinsics' in err
    assert not (tmp_path / 'x').exists()
    code, out, _ = run(
        capsys, 'convert', chess / 'left_intrinsics.yml', '--mono', '-o', tmp_path / 'one'
    )
    assert code == 0 and 'camera.yaml' in out
    assert read_mono_calibration(tmp_path / 'one/camera.yaml').camera.fx == pytest.approx(
        535.9, abs=0.1
    )


@pytest.mark.parametrize('is_charuco', [False, True], ids=['chessboard', 'charuco'])
def test_a_rendered_rig_comes_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, is_charuco: bool
) -> None:
    if is_charuco and not hasattr(getattr(cv2, 'aruco', None), 'CharucoDetector'):
        pytest.skip('this OpenCV has no ChArUco detector')
    folder = write_board_pairs(tmp_path / 'board', is_charuco=is_charuco)
    words = ['--board', '9x6', '--square-mm', '25', '-o', tmp_path / 'out']
    words += ['--marker-mm', '17.5'] if is_charuco else []
    code, out, _ = run(capsys, 'create', folder, *words)
    assert code == 0
    assert 'of 12 moments' in out and 'rows after rectifying' in out
    rig = read_stereo_calibration([tmp_path / 'out'])
    np.testing.assert_allclose(rig.left.k, K, atol=3.0)
    assert -rig.right.p[0, 3] / rig.right.fx == pytest.approx(0.08, rel=0.01)
    report = json.loads((tmp_path / 'out/report.json').read_text())
    assert report['rms_px'] < 0.3
    assert report['row_error_px']['mean'] < 0.2
    assert len(report['left']['view_rms_px']) >= 8
    assert 0.3 < report['left']['coverage']['cells'] <= 1.0
    assert cv2.imread(str(tmp_path / 'out/corners.png')) is not None


def test_one_camera_is_judged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = shared_path(CHESS) / 'left_intrinsics.yml'
    code, out, _ = check(capsys, tmp_path, path, '--mono')
    assert code == 0 and 'plumb_bob' in out and 'SOUND by its numbers' in out
    code, _, err = check(capsys, tmp_path, path, 'a.png', '--mono')
    assert code == 2 and 'got 2 files' in err


def test_a_square_in_metres_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, 'create', tmp_path, '--board', '9x6', '--square-mm', '0.025')
    assert code == 2 and 'type --square-mm 25' in err


def test_one_camera_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write_board_pairs(tmp_path / 'board')
    for path in folder.glob('right*'):
        path.unlink()
    for path in sorted(folder.glob('left*')):
        path.rename(path.with_name(path.name.replace('left', 'view')))
    code, out, _ = run(
        capsys, 'create', folder, '--board', '9x6', '--square-mm', 25, '-o', tmp_path / 'out'
    )
    assert code == 0 and 'camera.yaml' in out
    camera = read_mono_calibration(tmp_path / 'out/camera.yaml').camera
    np.testing.assert_allclose(camera.k, K, atol=3.0)


def test_a_bag_without_calibration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip('rosbags', reason='rosbags is not installed')
    from tests.kit.bag_writer import raw, stamp, write_bag

    folder = write_board_pairs(tmp_path / 'board', count=8)
    recorded = []
    for number in range(8):
        for side in ('left', 'right'):
            image = cv2.imread(str(folder / f'{side}{number:02}.png'))
            at_ns = stamp(0) + number * 1_000_000_000
            recorded.append((f'/{side}/image_raw', raw(image, stamp_ns=at_ns)))
    bag = write_bag(tmp_path / 'bag', recorded)
    code, out, _ = run(
        capsys, 'create', bag, '--board', '9x6', '--square-mm', 25, '-o', tmp_path / 'out'
    )
    assert code == 0 and 'of 8 moments' in out
    rig = read_stereo_calibration([tmp_path / 'out'])
    assert -rig.right.p[0, 3] / rig.right.fx == pytest.approx(0.08, rel=0.02)


def test_the_real_chessboards(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rows within a fifth of a pixel, 83 mm apart; and the result is sound on its own pair."""
    chess = shared_path(CHESS)
    code, out, err = run(
        capsys, 'create', chess, '--board', '9x6', '--square-mm', '25', '-o', tmp_path / 'out'
    )
    assert code == 0
    assert 'board found in 13 of 13 moments' in out
    assert '13 views are few' in err
    report = json.loads((tmp_path / 'out/report.json').read_text())
    assert report['row_error_px']['mean'] < 0.2
    assert report['baseline_m'] == pytest.approx(0.0834, abs=0.0008)
    code, out, _ = check(
        capsys, tmp_path, tmp_path / 'out', chess / 'left01.jpg', chess / 'right01.jpg'
    )
    assert code == 0 and 'SOUND: rows meet' in out


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (('--board', '9', '--square-mm', '25'), 'COLUMNSxROWS'),
        (('--board', '9x6', '--square-mm', '0'), 'squares of under 1 m'),
        (('--board', '9x6', '--square-mm', '25', '--marker-mm', '30'), 'markers are smaller'),
        (('--board', '5x4', '--square-mm', '25'), 'the board was found in 0 images'),
    ],
)
def test_wrong_boards_are_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    folder = write_board_pairs(tmp_path / 'board', count=4)
    code, _, err = run(capsys, 'create', folder, *words, '-o', tmp_path / 'out')
    assert code == 2
    assert sentence in err.splitlines()[-1]
    assert not (tmp_path / 'out').exists()


def test_convert_writes_over_no_calibration(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / 'right.yaml').write_text('mine')
    code, _, err = run(capsys, 'convert', euroc()[0], '-o', tmp_path)
    assert code == 2 and 'right.yaml is there already' in err
    assert (tmp_path / 'right.yaml').read_text() == 'mine'
    assert not (tmp_path / 'left.yaml').exists()
