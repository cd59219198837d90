"""Data sets by one word: the path and the metres that are known come out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from depth_ros.cli.kit.commands import CommandParser
from depth_ros.cli.kit.data_sets import Rigs, pinhole, read_depth_frame
from depth_ros.cli.main import main
from depth_ros.cli.run.odometry_inputs import (
    add_input_arguments,
    frame_stamps,
    input_settings,
    open_sequence,
)
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.data_sets.depth_sets import DEPTH_SETS
from depth_ros.files.data_sets.stereo_sets import STEREO_SETS
from depth_ros.files.data_sets.values import DataSetCamera
from depth_ros.files.trajectories import read_trajectory
from depth_ros.geometry.rigid import inverse
from tests.kit.data_set_folders import (
    DEPTH_FOLDERS,
    NUM_FRAMES,
    PATH,
    STEREO_FOLDERS,
    pair,
    stamp_ns,
    view,
)
from tests.kit.odometry_sequences import shots

HAS_OWN_INTRINSICS = ('scannet', 'replica')
STATED_STAMPS = ('euroc',)


def folder_of(layout: str, tmp_path: Path) -> Path:
    STEREO_FOLDERS[layout](tmp_path)
    return tmp_path / '2011_09_26_drive_0001_sync' if layout == 'kitti_raw' else tmp_path


def test_every_layout_has_a_folder_here() -> None:
    assert set(DEPTH_FOLDERS) == set(DEPTH_SETS) and set(STEREO_FOLDERS) == set(STEREO_SETS)


@pytest.mark.parametrize('layout', DEPTH_SETS)
def test_depth_is_in_metres_on_the_pixels_it_was_measured_at(layout: str, tmp_path: Path) -> None:
    DEPTH_FOLDERS[layout](tmp_path)
    files = DEPTH_SETS[layout](tmp_path)
    assert len(files.frames) == NUM_FRAMES
    frame = read_depth_frame(files, files.frames[2])
    step = 2 if layout == 'scannet' else 1
    truth = view(2).depth[::step, ::step].copy()
    if layout == '7scenes':
        assert np.isnan(frame.depth.depth[:20]).all()
        truth[:20] = np.nan
    np.testing.assert_allclose(frame.depth.depth, truth, atol=0.0006)
    assert frame.image.is_rectified and frame.stamp_ns == files.frames[2].stamp_ns


@pytest.mark.parametrize('layout', HAS_OWN_INTRINSICS)
@pytest.mark.parametrize('is_named', [True, False])
def test_odometry_follows_the_path(layout: str, is_named: bool, tmp_path: Path) -> None:
    folder = tmp_path / 'set'
    folder.mkdir()
    DEPTH_FOLDERS[layout](folder)
    words = ['--layout', layout] if is_named else []
    output = tmp_path / 'out'
    assert main(['run', 'odometry', str(folder), '-o', str(output), '--model', 'orb', *words]) == 0
    path = read_trajectory(output / 'trajectory.txt')
    truth = inverse(shots('room', 60)[0].pose) @ shots('room', 60)[NUM_FRAMES - 1].pose
    assert len(path) == NUM_FRAMES
    assert np.linalg.norm(path.poses[-1, :3, 3] - truth[:3, 3]) < 0.02


def test_tum_is_associated_by_time(tmp_path: Path) -> None:
    DEPTH_FOLDERS['tum_rgbd'](tmp_path)
    files = DEPTH_SETS['tum_rgbd'](tmp_path)
    assert [frame.stamp_ns for frame in files.frames] == [stamp_ns(n) for n in range(NUM_FRAMES)]
    assert any('1 images have no depth' in note for note in files.notes)


@pytest.mark.parametrize('layout', STEREO_SETS)
def test_pairs_belong_together_and_have_their_rig(layout: str, tmp_path: Path) -> None:
    files = STEREO_SETS[layout](folder_of(layout, tmp_path))
    assert len(files.pairs) == NUM_FRAMES
    stamps = [one.stamp_ns for one in files.pairs]
    assert stamps == sorted(stamps) and len(set(stamps)) == NUM_FRAMES and stamps[0] > 0
    assert len({one.name for one in files.pairs}) == NUM_FRAMES
    frame = Rigs().read(files.pairs[1])
    np.testing.assert_array_equal(frame.left.image, pair(1).left)
    np.testing.assert_array_equal(frame.right.image, pair(1).right)
    right = frame.right.camera
    assert -right.p[0, 3] / right.p[0, 0] == pytest.approx(PATH.camera.baseline_m, rel=1e-6)
    assert frame.left.camera.p[0, 0] == pytest.approx(PATH.camera.left.fx, rel=0.01)
    assert frame.stamp_ns == stamps[1]


def test_euroc_pairs_by_stamp_and_names_what_is_left(tmp_path: Path) -> None:
    files = STEREO_SETS['euroc'](folder_of('euroc', tmp_path))
    assert [one.stamp_ns for one in files.pairs] == [stamp_ns(n) for n in range(NUM_FRAMES)]
    assert [path.stem for path in files.unpaired] == [str(stamp_ns(90))]


def test_kitti_times_are_read_to_the_nanosecond(tmp_path: Path) -> None:
    files = STEREO_SETS['kitti_raw'](folder_of('kitti_raw', tmp_path))
    assert files.pairs[1].stamp_ns == 1_317_042_145_100_000_001


@pytest.mark.parametrize('layout', ['kitti_object', 'middlebury', 'euroc'])
def test_run_stereo_gives_metres(layout: str, tmp_path: Path) -> None:
    folder = folder_of(layout, tmp_path)
    output = tmp_path / 'out'
    words = ['--layout', layout, '--model', 'sgbm', '-o', str(output), '--write', 'depth']
    assert main(['run', 'stereo', str(folder), *words]) == 0
    found = sorted(output.glob('*_depth.npy'))
    assert len(found) == NUM_FRAMES
    depth, truth = np.load(found[0]), view(0).depth
    if depth.shape == truth.shape:
        known = np.isfinite(depth)
        ratio = depth[known] / truth[known]
        assert known.mean() > 0.5 and np.median(ratio) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize('layout', [*DEPTH_SETS, *STEREO_SETS])
def test_another_folder_is_refused_in_one_sentence(layout: str, tmp_path: Path) -> None:
    read = DEPTH_SETS.get(layout) or STEREO_SETS[layout]
    for folder in (tmp_path, tmp_path / 'nowhere'):
        with pytest.raises(InputError, match='must hold') as caught:
            read(folder)
        assert '\n' not in str(caught.value)


@pytest.mark.parametrize('text', ['nan a.png', '1.5', 'x y', '1e999 a', '\0'])
def test_hostile_lists_name_the_line(text: str, tmp_path: Path) -> None:
    DEPTH_FOLDERS['tum_rgbd'](tmp_path)
    (tmp_path / 'rgb.txt').write_text(f'# list\n{text}\n')
    with pytest.raises(InputError, match=r'line 2 of .*rgb\.txt'):
        DEPTH_SETS['tum_rgbd'](tmp_path)


def test_middlebury_without_calibration_says_so(tmp_path: Path) -> None:
    (tmp_path / 'view1.png').write_bytes(b'')
    with pytest.raises(InputError, match='come without calib'):
        STEREO_SETS['middlebury'](tmp_path)


def test_intrinsics_of_the_sensor_are_scaled_to_resized_images() -> None:
    """ScanNet's colour is 1296x968; many resize it to 640x480 and keep the matrix."""
    of_sensor = DataSetCamera(fx=1170.0, fy=1170.0, cx=647.75, cy=483.75, size=(968, 1296))
    resized = pinhole(of_sensor, 480, 640)
    assert resized.fx == pytest.approx(1170 * 640 / 1296)
    assert resized.cx == pytest.approx((647.75 + 0.5) * 640 / 1296 - 0.5)
    resized_too = DataSetCamera(fx=577.0, fy=577.0, cx=319.5, cy=239.5, size=(968, 1296))
    assert pinhole(resized_too, 480, 640).fx == 577.0


STAMPS = {
    'nanoseconds': ('1403715273262142976', 1403715273262142976),
    'microseconds': ('1403715273262142', 1403715273262142000),
    'milliseconds': ('1403715273262', 1403715273262000000),
    'seconds': ('1403715273', 1403715273000000000),
    'decimal seconds': ('1403715273.262142', 1403715273262142000),
}


@pytest.mark.parametrize('name', STAMPS)
def test_names_are_times_by_their_digits_and_that_is_said(name: str) -> None:
    stem, expected = STAMPS[name]
    stamps, note = frame_stamps([Path(f'{stem}.png')], 10.0)
    assert stamps == [expected] and name.split()[-1] in note


@pytest.mark.parametrize('stems', [['1', '2'], ['000001', '000002'], ['a', 'b'], ['12345678901']])
def test_other_names_are_no_times(stems: list[str]) -> None:
    stamps, note = frame_stamps([Path(f'{stem}.png') for stem in stems], 10.0)
    assert stamps[0] == 10**9 and '--rate-hz' in note


def sequence(folder: Path, *words: str):
    parser = CommandParser()
    add_input_arguments(parser)
    settings = input_settings(parser.parse_args([str(folder), *words]))
    return open_sequence(settings, lambda reason, text: None)


STATED = ('--intrinsics', '577,578,159,119')


@pytest.mark.parametrize('layout', ['tum_rgbd', 'icl_nuim', '7scenes'])
def test_stated_intrinsics_and_unit_win_over_the_layout(layout: str, tmp_path: Path) -> None:
    DEPTH_FOLDERS[layout](tmp_path)
    plain = sequence(tmp_path, '--layout', layout)
    stated = sequence(tmp_path, '--layout', layout, *STATED, '--depth-unit-m', '0.0004')
    unit_m = DEPTH_SETS[layout](tmp_path).unit_m
    theirs, own = next(plain.frames()), next(stated.frames())
    np.testing.assert_allclose(own.depth.depth, theirs.depth.depth * 0.0004 / unit_m, rtol=1e-4)
    assert own.image.camera.fx == own.depth.camera.fx == 577.0
    assert any('--intrinsics, --depth-unit-m' in note for note in stated.notes)
    assert not any('instead' in note for note in plain.notes)


def test_a_recognised_layout_keeps_its_unit_beside_stated_intrinsics(tmp_path: Path) -> None:
    DEPTH_FOLDERS['tum_rgbd'](tmp_path)
    frame = next(sequence(tmp_path, *STATED).frames())
    np.testing.assert_allclose(frame.depth.depth, view(0).depth, atol=0.0006)
    assert frame.image.camera.fx == 577.0


@pytest.mark.parametrize(
    ('layout', 'words'),
    [
        ('tum_rgbd', ('--raw',)),
        ('tum_rgbd', ('--rate-hz', '5')),
        ('scannet', ('--source', 'stereo')),
        ('euroc', STATED),
        ('euroc', ('--depth-unit-m', '0.001')),
    ],
)
def test_an_option_without_effect_on_a_layout_is_refused(
    layout: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    {**DEPTH_FOLDERS, **STEREO_FOLDERS}[layout](tmp_path)
    with pytest.raises(ParameterError, match=f'{words[0]}.* changes nothing of layout {layout}'):
        sequence(tmp_path, '--layout', layout, *words)


def test_a_stated_calibration_wins_over_that_of_the_pairs(tmp_path: Path, capsys) -> None:
    """Half the baseline gives half the depth."""
    folder, other = folder_of('middlebury', tmp_path), tmp_path / 'other.txt'
    given = STEREO_SETS['middlebury'](folder).pairs[0].calibration[0].read_text()
    half = 500.0 * PATH.camera.baseline_m
    other.write_text(re.sub(r'baseline=\S+', f'baseline={half:g}', given))
    depths = []
    for name, words in (('own', ()), ('stated', ('--calibration', str(other)))):
        output = tmp_path / name
        words = ('--layout', 'middlebury', '--model', 'sgbm', *words, '-o', str(output))
        assert main(['run', 'stereo', str(folder), *words, '--write', 'depth']) == 0
        depths.append(np.load(min(output.glob('*_depth.npy'))))
    known = np.isfinite(depths[0])
    np.testing.assert_allclose(depths[1][known], depths[0][known] / 2.0, rtol=1e-4)
    assert '--calibration is taken instead' in capsys.readouterr().err
    assert 'with --calibration' in (output / 'summary.json').read_text()


@pytest.mark.parametrize(
    'layout', ['euroc', 'kitti_raw', 'kitti_odometry', 'kitti_object', 'eth3d']
)
def test_run_stereo_names_the_layout_that_fits(layout: str, tmp_path: Path, capsys) -> None:
    folder = folder_of(layout, tmp_path)
    assert main(['run', 'stereo', str(folder), '-o', str(tmp_path / 'out')]) == 2
    assert f'add --layout {layout}' in capsys.readouterr().err


@pytest.mark.parametrize('is_above', [True, False])
def test_the_folder_beside_that_fits_is_named(is_above: bool, tmp_path: Path) -> None:
    wanted = tmp_path / 'sets' / 'wanted'
    (wanted / 'other').mkdir(parents=True)
    STEREO_FOLDERS['kitti_odometry'](wanted)
    given = wanted.parent if is_above else wanted / 'other'
    with pytest.raises(InputError, match=f'must hold .*; {re.escape(str(wanted))} does'):
        sequence(given, '--layout', 'kitti_odometry')
