"""``depth-ros run stereo``: what it writes, what it skips, what it refuses."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.cli.run.stereo_outputs import KINDS
from depth_ros.files.cloud import read_ply
from depth_ros.files.maps import depth_millimetres
from depth_ros.models.registry import DEFAULT_STEREO_MODEL
from depth_ros.pictures.panels import Scale
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.shared_data import shared_path


def words_for(pair, output, *more):
    return [
        'run',
        'stereo',
        str(pair.left),
        str(pair.right),
        '--calibration',
        str(pair.calibration),
        '-o',
        str(output),
        '--model',
        'sgbm',
        '--sgbm',
        'num_disparities=64',
        *more,
    ]


@pytest.fixture(scope='module')
def done(pair, tmp_path_factory):
    """One run in a process of its own; several tests look at it."""
    output = tmp_path_factory.mktemp('run') / 'new' / 'folder'
    outcome = depth_ros(*words_for(pair, output), cwd=pair.folder)
    assert outcome.code == 0, outcome.err
    return output, outcome


def test_depth_is_right_in_metres(pair, done):
    depth = np.load(done[0] / 'room_left_depth.npy')
    assert depth.dtype == np.float32
    truth = pair.view.left.depth
    known = np.isfinite(depth) & ~pair.view.left_occluded
    assert known.mean() > 0.7
    error = np.abs(depth[known] / truth[known] - 1.0)
    assert np.median(error) < 0.02
    assert np.percentile(error, 90) < 0.15


def test_disparity_and_depth_agree(pair, done):
    depth = np.load(done[0] / 'room_left_depth.npy')
    disparity = np.load(done[0] / 'room_left_disparity.npy')
    rig = pair.view.camera
    positive = disparity > 0
    np.testing.assert_allclose(
        depth[positive], rig.left.fx * rig.baseline_m / disparity[positive], rtol=1e-5
    )
    np.testing.assert_array_equal(np.isnan(depth), np.isnan(disparity))


def test_png_is_16_bit_millimetres(done):
    depth = np.load(done[0] / 'room_left_depth.npy')
    png = cv2.imread(str(done[0] / 'room_left_depth_mm.png'), cv2.IMREAD_UNCHANGED)
    assert png.dtype == np.uint16
    known = np.isfinite(depth) & (depth < 65)
    assert np.abs(png[known] / 1000.0 - depth[known]).max() <= 0.00051
    assert (png[~np.isfinite(depth)] == 0).all()


def test_millimetres_of_every_kind_of_value():
    depth = np.array([[0.0014, 1.0, 65.535, 65.6, np.inf, -np.inf, np.nan, -2.0]], np.float32)
    np.testing.assert_array_equal(depth_millimetres(depth), [[1, 1000, 65535, 0, 0, 0, 0, 0]])


def test_cloud_and_picture(done):
    depth = np.load(done[0] / 'room_left_depth.npy')
    points, _ = read_ply(done[0] / 'room_left_cloud.ply')
    assert len(points) == np.isfinite(depth).sum()
    assert points[:, 2].min() == pytest.approx(depth[np.isfinite(depth)].min(), rel=1e-6)
    picture = cv2.imread(str(done[0] / 'room_left_picture.png'))
    assert picture.shape[1] > 3 * 192


def test_summary_and_what_is_printed(done):
    output, outcome = done
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['model'] == 'sgbm'
    assert (summary['received'], summary['outputs'], summary['skipped']) == (1, 1, 0)
    assert 0.5 < summary['valid_fraction'] <= 1.0
    assert set(summary['stages_ms']['infer']) == {'p50', 'p95', 'p99'}
    assert {'rectify', 'preprocess', 'infer', 'postprocess', 'depth'} <= set(summary['stages_ms'])
    assert summary['versions']['numpy'] == np.__version__
    assert summary['calibration'] == 'stereodemo JSON, images taken as rectified'
    median_m = float(np.nanmedian(np.load(output / 'room_left_depth.npy')))
    assert f'/ {median_m:.2f} /' in outcome.out
    assert str(output) in outcome.out


def test_second_run_skips_and_changes_do_not(pair, tmp_path, capsys):
    def state():
        summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
        return summary['outputs'], summary['skipped'], summary['engine']

    words = words_for(pair, tmp_path / 'out')
    assert main(words) == 0
    assert state() == (1, 0, 'opencv')
    before = (tmp_path / 'out' / 'room_left_depth.npy').stat().st_mtime_ns
    assert main(words) == 0
    assert state() == (0, 1, 'opencv')
    assert (tmp_path / 'out' / 'room_left_depth.npy').stat().st_mtime_ns == before
    assert main([*words, '--overwrite']) == 0
    assert state()[:2] == (1, 0)
    assert main([*words, '--max-depth-m', '3']) == 0
    assert state()[:2] == (1, 0), 'other settings: done again'
    assert np.isposinf(np.load(tmp_path / 'out' / 'room_left_depth.npy')).any()
    assert main([*words, '--max-depth-m', '3']) == 0
    assert state()[:2] == (0, 1)
    (tmp_path / 'out' / 'room_left_cloud.ply').unlink()
    assert main([*words, '--max-depth-m', '3']) == 0
    assert state()[:2] == (1, 0), 'a file is gone: done again'


def test_an_interrupted_pair_is_done_again(pair, tmp_path):
    words = words_for(pair, tmp_path)
    assert main(words) == 0
    (tmp_path / 'room_left.json').write_text('{"name": "room_', encoding='utf-8')
    (tmp_path / 'room_left_depth.npy').write_bytes(b'')
    assert main(words) == 0
    assert np.load(tmp_path / 'room_left_depth.npy').shape == (120, 192)


def test_write_chooses_files(pair, tmp_path):
    assert main([*words_for(pair, tmp_path), '--write', 'cloud,depth']) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        'room_left_cloud.ply',
        'room_left_depth.npy',
        'room_left.json',
        'summary.json',
    }
    assert len(KINDS) == 5


def folders_of(pair, root):
    """Two folders: 0, 1 and 2 pair, 3 has no right image, 2's right image is cut short."""
    for side, source in (('left', pair.left), ('right', pair.right)):
        (root / side).mkdir()
        for index in range(3):
            shutil.copy(source, root / side / f'{index:06d}.png')
    shutil.copy(pair.left, root / 'left' / '000003.png')
    whole = pair.right.read_bytes()
    (root / 'right' / '000002.png').write_bytes(whole[: len(whole) // 2])
    return root / 'left', root / 'right'


def test_folder_goes_on_after_a_bad_pair_and_ends_with_2(pair, tmp_path):
    left, right = folders_of(pair, tmp_path)
    words = ('run', 'stereo', left, right, '--calibration', pair.calibration, '-o', 'out')
    outcome = depth_ros(*words, '--write', 'depth', cwd=tmp_path)
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert any('000003.png has no right image' in line for line in lines)
    assert any('000002 left out' in line and 'not a whole image' in line for line in lines)
    assert 'Traceback' not in outcome.err
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert (summary['received'], summary['outputs'], summary['unpaired_left']) == (3, 2, 1)
    assert summary['refused'] == {'compressed': 1}
    assert [entry['name'] for entry in summary['pairs']] == ['000000', '000001']


@pytest.mark.parametrize('odd', [0, 2])
def test_a_pair_of_another_size_is_left_out_though_the_calibration_states_none(
    pair, tmp_path, capsys, odd
):
    rig, names = pair.view.camera, ('left', 'right')
    matrices = (rig.left.p, rig.right.p)
    lines = [f'P{i}: {" ".join(map(str, p.ravel()))}' for i, p in enumerate(matrices)]
    (tmp_path / 'calib.txt').write_text('\n'.join(lines), encoding='utf-8')
    for name, source in zip(names, (pair.left, pair.right), strict=True):
        (tmp_path / name).mkdir()
        for index in range(3):
            image = cv2.imread(str(source))
            size = (100, 60) if index == odd else image.shape[1::-1]
            cv2.imwrite(str(tmp_path / name / f'{index:06d}.png'), cv2.resize(image, size))
    sides = [str(tmp_path / name) for name in names]
    words = ['--calibration', str(tmp_path / 'calib.txt'), '-o', str(tmp_path / 'out')]
    assert main(['run', 'stereo', *sides, *words, '--model', 'sgbm', '--write', 'depth']) == 2
    said = capsys.readouterr().err
    assert f'{odd:06d} left out: the calibration is for' in said and '100x60' in said
    assert 'its file states no size: that of other images is taken' in said
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['outputs'] == 2 and summary['refused'] == {'calibration_size': 1}


def test_folder_with_a_bad_calibration_stops_at_once(pair, tmp_path):
    left, right = folders_of(pair, tmp_path)
    (left / '000003.png').unlink()
    swapped = json.loads(pair.calibration.read_text()) | {'baseline_meters': -0.12}
    (tmp_path / 'swapped.json').write_text(json.dumps(swapped), encoding='utf-8')
    words = ('run', 'stereo', left, right, '--calibration', 'swapped.json')
    expect_one_sentence(depth_ros(*words, cwd=tmp_path), 'swapped')


def test_one_folder_with_left_and_right_names(pair, tmp_path, capsys):
    words = ['run', 'stereo', str(pair.folder), str(pair.folder), '--write', 'depth']
    assert main([*words, '--calibration', str(pair.calibration), '-o', str(tmp_path)]) == 0
    assert (tmp_path / 'room_left_depth.npy').is_file()
    assert '1 done' in capsys.readouterr().out


def ros_yaml(camera):
    return (
        f'image_width: {camera.width}\nimage_height: {camera.height}\ncamera_name: cam\n'
        f'camera_matrix:\n  rows: 3\n  cols: 3\n  data: {camera.k.ravel().tolist()}\n'
        'distortion_model: plumb_bob\n'
        'distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0, 0, 0, 0, 0]\n'
        'rectification_matrix:\n  rows: 3\n  cols: 3\n  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]\n'
        f'projection_matrix:\n  rows: 3\n  cols: 4\n  data: {camera.p.ravel().tolist()}\n'
    )


def test_ros_calibration_without_baseline_needs_the_argument(pair, tmp_path):
    left = pair.view.camera.left
    (tmp_path / 'left.yaml').write_text(ros_yaml(left), encoding='utf-8')
    (tmp_path / 'right.yaml').write_text(ros_yaml(left), encoding='utf-8')
    words = ('run', 'stereo', pair.left, pair.right, '--calibration', tmp_path, '-o', 'out')
    expect_one_sentence(depth_ros(*words, cwd=tmp_path), 'gives no baseline', '--baseline-m')
    assert main([str(word) for word in (*words[:-1], tmp_path / 'out', '--baseline-m', 0.12)]) == 0
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['calibration'] == 'ROS camera_info YAML, images taken as raw'
    depth = np.load(tmp_path / 'out' / 'room_left_depth.npy')
    known = np.isfinite(depth) & ~pair.view.left_occluded
    assert np.median(np.abs(depth[known] / pair.view.left.depth[known] - 1.0)) < 0.02


def test_resized_images_need_a_scaled_calibration(pair, tmp_path):
    for path in (pair.left, pair.right):
        large = cv2.resize(cv2.imread(str(path)), (384, 240), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / path.name), large)
    words = ['run', 'stereo', str(tmp_path / pair.left.name), str(tmp_path / pair.right.name)]
    words += ['--calibration', str(pair.calibration), '-o', str(tmp_path / 'out')]
    outcome = depth_ros(*words, cwd=tmp_path)
    expect_one_sentence(outcome, '192x120', '384x240', '--scale-calibration')
    assert main([*words, '--scale-calibration']) == 0
    depth = np.load(tmp_path / 'out' / 'room_left_depth.npy')[::2, ::2]
    known = np.isfinite(depth) & ~pair.view.left_occluded
    assert np.median(np.abs(depth[known] / pair.view.left.depth[known] - 1.0)) < 0.03


@pytest.fixture
def spoiled(pair, tmp_path):
    """Files with one fault each, by name."""
    (tmp_path / 'text.png').write_text('no image', encoding='utf-8')
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'cut.png').write_bytes(pair.right.read_bytes()[:3000])
    cv2.imwrite(str(tmp_path / 'small.png'), np.zeros((60, 60, 3), np.uint8))
    (tmp_path / 'bad.json').write_text('{"baseline_meters": 1', encoding='utf-8')
    (tmp_path / 'notes.txt').write_text('hello', encoding='utf-8')
    swapped = json.loads(pair.calibration.read_text()) | {'baseline_meters': -0.12}
    (tmp_path / 'swapped.json').write_text(json.dumps(swapped), encoding='utf-8')
    (tmp_path / 'empty').mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ('changes', 'parts'),
    [
        ({'left': 'none.png'}, ['no file or folder none.png']),
        ({'left': 'text.png'}, ['text.png is not a whole image']),
        ({'right': 'empty.png'}, ['empty.png is not a whole image']),
        ({'right': 'cut.png'}, ['cut.png is not a whole image']),
        ({'right': 'small.png'}, ['192x120', 'small.png is 60x60']),
        ({'right': 'empty'}, ['two files or two folders']),
        ({'left': 'empty', 'right': 'empty'}, ['no image in empty has a partner']),
        ({'calibration': 'none.json'}, ['no calibration file none.json']),
        ({'calibration': 'bad.json'}, ['bad.json', 'stereodemo JSON']),
        ({'calibration': 'notes.txt'}, ['notes.txt is no calibration', 'KITTI']),
        ({'calibration': 'swapped.json'}, ['swapped']),
        ({'more': ['--model', 'monet']}, ["no stereo model 'monet'", 'sgbm']),
        ({'more': ['--engine', 'abacus']}, ["no engine 'abacus'"]),
        ({'more': ['--write', 'depth,video']}, ['--write', 'video']),
        (
            {'more': ['--model', 'sgbm', '--sgbm', 'blocks=3']},
            ["no setting 'blocks'", 'block_size'],
        ),
        ({'more': ['--model', 'sgbm', '--sgbm', 'block_size=big']}, ['block_size must be int']),
        ({'more': ['--model', 'sgbm', '--sgbm', 'num_disparities=30']}, ['multiple of 16']),
        ({'more': ['--model', 'sgbm', '--sgbm', 'mode=9way']}, ['3way']),
        (
            {'more': ['--model', 'crestereo_tiny', '--sgbm', 'mode=5way']},
            ['crestereo_tiny', 'add --model sgbm'],
        ),
        (
            {'more': ['--model', 'sgbm', '--preset', 'fast']},
            ['--preset changes nothing of sgbm', 'add --model crestereo_tiny_hinted'],
        ),
        ({'more': ['--range', '8:0.5']}, ["'8:0.5' is no NEAR:FAR", '--range']),
        ({'more': ['--size', 'large']}, ['HEIGHTxWIDTH']),
        ({'more': ['--threads', 'many']}, ['--threads', '--help']),
        ({'more': ['--raw', '--rectified']}, ['not allowed with']),
        ({'more': ['--model', 'crestereo']}, ['no weights', 'depth-ros build crestereo']),
        ({'more': ['--model', 'crestereo', '--size', '50x50']}, ['multiples of 16']),
        ({'more': ['-o', 'notes.txt']}, ['notes.txt is a file', '-o/--out']),
        ({'more': ['--output', 'out']}, ['--output is called --out now']),
    ],
)
def test_mistakes_are_told_in_one_sentence(pair, spoiled, changes, parts):
    words = [
        changes.get('left', pair.left),
        changes.get('right', pair.right),
        '--calibration',
        changes.get('calibration', pair.calibration),
        *changes.get('more', []),
    ]
    outcome = depth_ros('run', 'stereo', *words, cwd=spoiled)
    expect_one_sentence(outcome, *parts)


def test_two_photos_alone_give_disparity_and_its_picture(pair, tmp_path, capsys):
    words = ['run', 'stereo', str(pair.left), str(pair.right), '-o', str(tmp_path / 'out')]
    assert main([*words, '--model', 'sgbm']) == 0
    said = capsys.readouterr()
    assert 'no metres' in said.out and '--fov-deg DEG with --baseline-m M' in said.err
    name = pair.left.stem
    kept = {path.name for path in (tmp_path / 'out').iterdir()}
    assert kept == {f'{name}{end}' for end in ('.json', '_disparity.npy', '_picture.png')} | {
        'summary.json'
    }


def test_swapped_pairs_are_told_again_when_they_are_skipped(pair, tmp_path, capsys):
    words = ['run', 'stereo', str(pair.right), str(pair.left), '-o', str(tmp_path)]
    words += ['--calibration', str(pair.calibration), '--model', 'sgbm']
    for _ in range(2):
        assert main(words) == 2
        assert f'{pair.right.stem} looks wrong: left and right look' in capsys.readouterr().out


def test_pictures_share_a_range_of_colours_on_request(pair, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'depth_ros.cli.run.stereo_outputs.stereo_panel',
        lambda **given: seen.append(given['depth_scale']) or np.zeros((2, 2, 3), np.uint8),
    )
    words = words_for(pair, tmp_path, '--write', 'picture')
    for more in ([], ['--range', '0.5:8'], ['--range', '0.5:8']):
        assert main([*words, *more]) == 0
    assert seen == [None, Scale(low=0.5, high=8.0)], 'the same range is not drawn again'


def test_a_folder_of_another_task_is_refused(pair, tmp_path, capsys):
    (tmp_path / 'summary.json').write_text('{"task": "mono"}')
    assert main(words_for(pair, tmp_path)) == 2
    assert 'holds results of run mono' in capsys.readouterr().err


def test_a_rough_calibration_gives_rough_metres(pair, tmp_path):
    """90 degrees see as far to each side as ahead: f is half the width."""
    words = ['run', 'stereo', str(pair.left), str(pair.right), '-o', str(tmp_path)]
    assert main([*words, '--model', 'sgbm', '--fov-deg', '90', '--baseline-m', '0.2']) == 0
    depth, disparity = (
        np.load(tmp_path / f'{pair.left.stem}_{kind}.npy') for kind in ('depth', 'disparity')
    )
    known = np.isfinite(depth)
    np.testing.assert_allclose(
        depth[known], 0.2 * depth.shape[1] / 2 / disparity[known], rtol=1e-5
    )


@pytest.mark.parametrize('words', [['--fov-deg', '70'], ['--fov-deg', '200', '--baseline-m', '1']])
def test_a_rough_calibration_is_whole(pair, tmp_path, words):
    outcome = depth_ros('run', 'stereo', pair.left, pair.right, *words, cwd=tmp_path)
    expect_one_sentence(outcome, '--fov-deg within 0..180 with --baseline-m above 0')


def test_a_folder_with_both_sides_is_given_once(pair, tmp_path, capsys):
    folder = tmp_path / 'both'
    folder.mkdir()
    for side in ('left', 'right'):
        (folder / f'a_{side}.png').write_bytes(getattr(pair, side).read_bytes())
    (folder / 'b_left.HEIC').write_bytes(b'')
    assert main(['run', 'stereo', str(folder), '--model', 'sgbm', '-o', str(tmp_path / 'o')]) == 0
    said = capsys.readouterr()
    assert said.out.startswith('a_left')
    assert said.err.count('1 .HEIC in') == 1


@pytest.mark.parametrize(
    ('model', 'valid_fraction'),
    [('sgbm', 0.75), ('crestereo_tiny', 0.999), (DEFAULT_STEREO_MODEL, 0.6)],
)
def test_real_oak_d_room_has_believable_metres(tmp_path, model, valid_fraction):
    folder = shared_path('data/oakd_stereo')
    words = ['run', 'stereo', str(folder / 'toy_left.png'), str(folder / 'toy_right.png')]
    words += ['--calibration', str(folder / 'stereodemo_calibration.json')]
    words += ['--no-calibrated-limits', '--model', model]
    assert main([*words, '-o', str(tmp_path)]) == 0
    depth = np.load(tmp_path / 'toy_left_depth.npy')
    assert np.isfinite(depth).mean() > valid_fraction
    toy = depth[280:360, 300:400]
    assert 0.7 < np.nanmedian(toy) < 1.3, 'the toy stands about one metre away'
    floor = [np.nanmedian(depth[row, 100:500]) for row in (250, 320, 400, 470)]
    assert floor == sorted(floor, reverse=True), 'the floor comes nearer down the image'


def test_what_the_calibration_calls_useless_is_unknown(tmp_path):
    """The OAK-D's file: 1 to 5 m, without 29 columns at the right and 20 rows at the top."""
    folder = shared_path('data/oakd_stereo')
    words = ['run', 'stereo', str(folder / 'toy_left.png'), str(folder / 'toy_right.png')]
    words += ['--calibration', str(folder / 'stereodemo_calibration.json'), '--model', 'sgbm']
    assert main([*words, '-o', str(tmp_path)]) == 0
    depth = np.load(tmp_path / 'toy_left_depth.npy')
    assert np.isneginf(depth).any(), 'what is nearer is known to be near'
    assert not np.isposinf(depth).any()
    told = depth[np.isfinite(depth)]
    assert told.min() >= 1.0 and told.max() <= 5.0
    assert np.isnan(depth[:20]).all() and np.isnan(depth[:, 611:]).all()
    assert np.isfinite(depth[20:, :611]).mean() > 0.3


def test_hints_of_sgbm_are_given_and_said(pair, tmp_path):
    pytest.importorskip('torch', reason='the network itself runs in torch')
    words = ['--model', 'crestereo_tiny_hinted', '--weights', 'synthetic:1', '--engine', 'torch']
    words += ['--size', '64x96', '--sgbm', 'num_disparities=32']
    for hints, is_given in (('sgbm', True), ('none', False)):
        output = tmp_path / hints
        assert main(words_for(pair, output, *words, '--hints', hints)) == 0
        record = json.loads((output / 'room_left.json').read_text())
        assert ('hint' in record['stages_ms']) == is_given
