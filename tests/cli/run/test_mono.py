"""``depth-ros run mono``: metres only where their scale is known, files and bags, resume."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.cli.run import mono as run_mono
from depth_ros.files.cloud import read_ply
from depth_ros.files.image import read_rgb
from depth_ros.frames import MultiViewFrame
from depth_ros.messages.headers import fill_header
from depth_ros.pictures.panels import write_picture
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.no_network import NoNetwork
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import MonoSettings
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.bag_writer import info, raw, stamp, write_bag
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.depth_messages import DEPTH_KINDS
from tests.kit.mono_doubles import (
    CAMERA,
    FLOOR_M,
    HEIGHT,
    UNIT_M,
    WIDTH,
    open_truth,
    room_depth,
    room_image,
    truth_pipeline,
)
from tests.kit.multiview_doubles import CAMERA as WALK_CAMERA
from tests.kit.multiview_doubles import START_NS, TruthProcessor, pose_at, view_at

FIXED = ('--scale-mode', 'fixed', '--scale', f'factor={UNIT_M}')
FOCAL = ('--focal-length-px', str(CAMERA.fx))


@pytest.fixture(autouse=True)
def known_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_mono, 'open_mono', open_truth)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / 'images'
    images.mkdir()
    for index in range(3):
        write_picture(images / f'{index:06d}.png', room_image())
    return images


def run(source: Path, output: Path, *more: object) -> int:
    return main(['run', 'mono', str(source), '-o', str(output), *map(str, more)])


def summary_of(output: Path) -> dict:
    return json.loads((output / 'summary.json').read_text())


def counts(output: Path) -> tuple[int, int]:
    summary = summary_of(output)
    return summary['outputs'], summary['skipped']


def test_without_a_scale_only_relative_files_are_written(folder, tmp_path, capsys) -> None:
    output = tmp_path / 'out'
    assert run(folder / '000000.png', output) == 0
    written = sorted(path.name for path in output.iterdir())
    assert written == [
        '000000.json',
        '000000_picture.png',
        '000000_relative_depth.npy',
        'summary.json',
    ]
    relative = np.load(output / '000000_relative_depth.npy')
    np.testing.assert_allclose(relative, room_depth() / UNIT_M, rtol=1e-4)
    summary = summary_of(output)
    assert summary['scale_mode'] == 'none' and not summary['is_untrained']
    assert summary['images'][0]['depth_m'] == {'p5': None, 'p50': None, 'p95': None}
    out = capsys.readouterr().out
    assert 'relative' in out and 'set --scale-mode to' in out
    assert run(folder / '000000.png', output) == 0
    assert counts(output) == (0, 1), 'files that cannot be are not missed'


def test_metres_of_a_folder_and_every_file(folder, tmp_path, capsys) -> None:
    output = tmp_path / 'out'
    assert run(folder, output, *FIXED, *FOCAL) == 0
    depth = np.load(output / '000001_depth.npy')
    np.testing.assert_allclose(depth, room_depth(), rtol=1e-4)
    png = cv2.imread(str(output / '000001_depth_mm.png'), cv2.IMREAD_UNCHANGED)
    assert png.dtype == np.uint16 and np.abs(png / 1000.0 - depth).max() <= 0.00051
    points, _ = read_ply(output / '000001_cloud.ply')
    np.testing.assert_allclose(np.sort(points[:, 2]), np.sort(depth.ravel()), rtol=1e-4)
    row, column = 100, 20
    index = row * WIDTH + column
    np.testing.assert_allclose(
        points[index, 0], (column - 79.5) / CAMERA.fx * depth[row, column], rtol=1e-4
    )
    summary = summary_of(output)
    assert (summary['received'], summary['outputs'], summary['refused']) == (3, 3, {})
    assert summary['images'][0]['scale']['factor'] == UNIT_M
    assert summary['calibration'] == 'focal length 100 px, images taken as rectified'
    assert f'/ {np.median(room_depth()):.2f} /' in capsys.readouterr().out


def test_an_interrupted_run_goes_on_and_other_settings_do_it_again(folder, tmp_path) -> None:
    output = tmp_path / 'out'
    assert run(folder, output, *FIXED, *FOCAL) == 0
    (output / '000002.json').write_text('{"name"', encoding='utf-8')
    assert run(folder, output, *FIXED, *FOCAL) == 0
    assert counts(output) == (1, 2)
    assert run(folder, output, *FIXED, *FOCAL, '--overwrite') == 0
    assert counts(output) == (3, 0)
    assert run(folder, output, *FIXED, '--focal-length-px', '90') == 0
    assert counts(output) == (3, 0)
    assert run(folder, output, *FIXED, '--focal-length-px', '90', '--max-depth-m', '3') == 0
    assert counts(output) == (3, 0)
    assert np.isposinf(np.load(output / '000000_depth.npy')).any()
    (output / '000000_cloud.ply').unlink()
    assert run(folder, output, *FIXED, '--focal-length-px', '90', '--max-depth-m', '3') == 0
    assert counts(output) == (1, 2)


def test_camera_height_and_training_rig(folder, tmp_path) -> None:
    height = ('--scale-mode', 'camera_height', '--scale', f'camera_height_m={FLOOR_M}')
    for name, more in (('h', height), ('r', ('--scale-mode', 'training_rig'))):
        assert run(folder / '000000.png', tmp_path / name, *more, *FOCAL) == 0
        depth = np.load(tmp_path / name / '000000_depth.npy')
        np.testing.assert_allclose(depth, room_depth(), rtol=0.05)


@pytest.mark.parametrize('name', DEPTH_KINDS)
def test_reference_depth_of_a_bag(name: str, folder, tmp_path) -> None:
    unit_m, make = DEPTH_KINDS[name]
    recorded = [('/camera_info', info(CAMERA, stamp_ns=stamp(0)))]
    depth = make(room_depth())
    topic = '/depth/image' + ('/compressedDepth' if hasattr(depth, 'format') else '')
    recorded.append(('/image_rect', raw(read_rgb(folder / '000000.png'), stamp_ns=stamp(1))))
    fill_header(depth.header, stamp_ns=stamp(1), frame_id='camera')
    bag = write_bag(tmp_path / 'bag', [*recorded, (topic, depth)])
    more = ('--scale-mode', 'reference_depth', '--depth-unit-m', str(unit_m))
    assert run(bag, tmp_path / 'out', *more) == 0
    depth_m = np.load(tmp_path / 'out' / f'{stamp(1):019d}_depth.npy')
    np.testing.assert_allclose(depth_m, room_depth(), rtol=0.02)


def test_reference_depth_by_name_and_an_image_without_one(folder, tmp_path) -> None:
    references = tmp_path / 'references'
    references.mkdir()
    np.save(references / '000000.npy', room_depth()[::2, ::2])
    millimetres = np.rint(room_depth() * 1000.0).astype(np.uint16)
    millimetres[::2] = 0
    cv2.imwrite(str(references / '000001.png'), millimetres)
    output = tmp_path / 'out'
    more = ('--scale-mode', 'reference_depth', '--reference', references, *FOCAL)
    assert run(folder, output, *more) == 0
    for index in (0, 1):
        depth = np.load(output / f'00000{index}_depth.npy')
        np.testing.assert_allclose(depth, room_depth(), rtol=0.02)
    assert not (output / '000002_depth.npy').exists()
    assert run(folder / '000000.png', output) == 0
    left = sorted(path.name for path in output.glob('000000*'))
    assert left == ['000000.json', '000000_picture.png', '000000_relative_depth.npy']
    assert run(folder, output, *more) == 0
    np.save(references / '000000.npy', 2.0 * room_depth())
    assert run(folder, output, *more) == 0
    assert counts(output) == (1, 2), 'another reference: done again'
    depth = np.load(output / '000000_depth.npy')
    np.testing.assert_allclose(depth, 2.0 * room_depth(), rtol=0.02)


def recording(count: int = 3):
    recorded = [('/cam/camera_info', info(CAMERA, stamp_ns=stamp(0)))]
    for index in range(count):
        recorded.append(('/cam/image_raw', raw(room_image(), stamp_ns=stamp(index + 1))))
    return recorded


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_bags_bring_their_own_calibration_and_resume(tmp_path, storage) -> None:
    bag = write_bag(tmp_path / 'bag', recording(), storage=storage)
    output = tmp_path / 'out'
    assert run(bag, output, *FIXED) == 0
    summary = summary_of(output)
    assert (summary['received'], summary['outputs']) == (3, 3)
    assert '/cam/camera_info of the bag' in summary['calibration']
    assert [image['name'] for image in summary['images']] == [
        f'{stamp(index):019d}' for index in (1, 2, 3)
    ]
    depth = np.load(output / f'{stamp(2):019d}_depth.npy')
    np.testing.assert_allclose(depth, room_depth(), rtol=1e-4)
    (output / f'{stamp(2):019d}.json').unlink()
    assert run(bag, output, *FIXED) == 0
    assert counts(output) == (1, 2)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_a_damaged_bag_gives_what_was_before_the_damage(tmp_path, capsys) -> None:
    bag = write_bag(tmp_path / 'bag', recording(20), storage='sqlite3')
    (file,) = bag.glob('*.db3')
    with closing(sqlite3.connect(file)) as database, database:
        database.execute('UPDATE messages SET data = substr(data, 1, 20) WHERE id = 15')
    code = run(bag, tmp_path / 'out', *FIXED, '--write', 'depth')
    err = capsys.readouterr().err
    assert code == 2 and 'cannot be read further' in err and 'Traceback' not in err
    summary = summary_of(tmp_path / 'out')
    assert summary['refused'] == {'bag': 1}
    assert 1 <= summary['outputs'] < 20


def test_made_up_weights_are_written_over_the_picture(folder, tmp_path, capsys) -> None:
    trained, untrained = tmp_path / 'trained', tmp_path / 'untrained'
    assert run(folder / '000000.png', trained) == 0
    assert run(folder / '000000.png', untrained, '--model', 'tio_depth') == 0
    plain, marked = (cv2.imread(str(path / '000000_picture.png')) for path in (trained, untrained))
    rows = slice(30, 30 + HEIGHT)
    assert (plain[rows, 12 : 12 + WIDTH] != marked[rows, 12 : 12 + WIDTH]).any(
        axis=-1
    ).mean() > 0.05
    assert summary_of(untrained)['is_untrained']
    assert 'untrained' in capsys.readouterr().out
    code = run(folder / '000000.png', untrained, '--model', 'tio_depth', *FIXED, *FOCAL)
    assert code == 2 and 'made-up weights' in capsys.readouterr().err


def ros_yaml(path: Path) -> Path:
    k = CAMERA.k.ravel().tolist()
    p = CAMERA.p.ravel().tolist()
    path.write_text(
        f'image_width: {WIDTH}\nimage_height: {HEIGHT}\ncamera_name: cam\n'
        f'camera_matrix: {{rows: 3, cols: 3, data: {k}}}\n'
        'distortion_model: plumb_bob\n'
        'distortion_coefficients: {rows: 1, cols: 5, data: [0.3, 0.1, 0, 0, 0]}\n'
        'rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}\n'
        f'projection_matrix: {{rows: 3, cols: 4, data: {p}}}\n',
        encoding='utf-8',
    )
    return path


def test_one_camera_file_is_enough_and_raw_images_are_rectified(folder, tmp_path) -> None:
    calibration = ros_yaml(tmp_path / 'camera.yaml')
    output = tmp_path / 'out'
    assert run(folder / '000000.png', output, *FIXED, '--calibration', calibration) == 0
    assert 'images taken as raw' in summary_of(output)['calibration']
    assert np.isnan(np.load(output / '000000_depth.npy')[0, 0]), 'outside the raw image'
    assert (
        run(folder / '000000.png', output, *FIXED, '--calibration', calibration, '--rectified')
        == 0
    )
    assert np.isfinite(np.load(output / '000000_depth.npy')).all()


def test_a_bad_image_among_several_is_left_out(folder, tmp_path, capsys) -> None:
    whole = (folder / '000001.png').read_bytes()
    (folder / '000001.png').write_bytes(whole[: len(whole) // 2])
    output = tmp_path / 'out'
    assert run(folder, output, *FIXED, *FOCAL, '--write', 'depth') == 2
    assert '000001 left out' in capsys.readouterr().err
    summary = summary_of(output)
    assert (summary['outputs'], summary['refused']) == (2, {'compressed': 1})


MISTAKES = {
    'no camera': (FIXED, ('--calibration FILE', '--focal-length-px')),
    'two cameras': ((*FIXED, *FOCAL, '--calibration', 'x.yaml'), ('not both',)),
    'mode without value': (('--scale-mode', 'fixed'), ('--scale-factor',)),
    'unknown setting': ((*FIXED, '--scale', 'facter=2'), ('facter', 'camera_height_m')),
    'word for number': (('--scale', 'factor=big'), ('float', 'big')),
    'reference without mode': (('--reference', 'r'), ('--scale-mode reference_depth',)),
    'mode without reference': (('--scale-mode', 'reference_depth'), ('--reference',)),
    'unknown model': (('--model', 'sgbm'), ('monodepth2', 'tio_depth')),
    'unknown file kind': (('--write', 'disparity'), ('relative', 'cloud')),
    'negative focal length': (('--focal-length-px', '-1'), ('above 0',)),
}


@pytest.mark.parametrize('name', MISTAKES)
def test_mistakes_are_told_in_one_sentence(folder, tmp_path, capsys, name) -> None:
    more, parts = MISTAKES[name]
    assert run(folder, tmp_path / 'out', *more) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert all(part in err for part in parts), err


def test_pairs_are_for_another_command(tmp_path, capsys) -> None:
    for side in ('left', 'right'):
        (tmp_path / f'a_{side}.png').touch()
    assert main(['run', 'mono', str(tmp_path), '-o', str(tmp_path / 'out')]) == 2
    said = capsys.readouterr().err
    assert 'a_left.png and a_right.png' in said
    assert f'depth-ros run stereo {tmp_path} {tmp_path} --calibration FILE' in said


def test_nothing_to_read_is_told(tmp_path, capsys) -> None:
    (tmp_path / 'empty').mkdir()
    for name in ('empty', 'missing.png'):
        assert run(tmp_path / name, tmp_path / 'out') == 2
        assert name in capsys.readouterr().err


def test_images_one_folder_deeper_are_pointed_at(folder, tmp_path, capsys) -> None:
    assert run(folder.parent, tmp_path / 'out') == 2
    said = capsys.readouterr().err
    assert f'did you mean {folder}?' in said and 'it takes' not in said


def test_a_walk_that_lacks_its_poses_alone_is_told_so(walk, tmp_path, capsys) -> None:
    (walk / 'poses.txt').unlink()
    assert run(walk, tmp_path / 'out', '--refine', 'multiview') == 2
    said = capsys.readouterr().err
    assert 'has images/ and K.txt but no poses.txt' in said and 'COLMAP' not in said


def test_without_weights_it_says_what_to_type(folder, tmp_path) -> None:
    outcome = depth_ros('run', 'mono', folder, '-o', 'out', cwd=tmp_path)
    expect_one_sentence(outcome, 'monodepth2', 'depth-ros build monodepth2')


# A camera that moves


NUM_VIEWS = 5
WALK_NS = [START_NS + 50_000_000 * step for step in range(NUM_VIEWS)]


class ImageTruth(TruthProcessor):
    """Knows the depth of every image of the walk by its pixels: files have no times."""

    def depth_of(self, frame: MultiViewFrame) -> np.ndarray:
        pixels = frame.reference.image.tobytes()
        views = [view_at(stamp_ns) for stamp_ns in WALK_NS]
        return next(view.depth for view in views if view.image.tobytes() == pixels)


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with poses, and a machine without a mono network's weights."""

    def open_moving(settings: MonoSettings, *, progress: object = None) -> MonoProcessor:
        keyframes = KeyframeDepths(
            lambda progress: ImageTruth(settings.multiview), settings.keyframes
        )
        return MonoProcessor(Pipeline(NoNetwork()), settings, keyframes=keyframes)

    monkeypatch.setattr(run_mono, 'open_mono', open_moving)
    folder = tmp_path / 'walk'
    (folder / 'images').mkdir(parents=True)
    for index, stamp_ns in enumerate(WALK_NS):
        write_picture(folder / 'images' / f'{index:05d}.png', view_at(stamp_ns).image)
    np.savetxt(folder / 'K.txt', WALK_CAMERA.k)
    np.savetxt(folder / 'poses.txt', [pose_at(stamp_ns).ravel() for stamp_ns in WALK_NS])
    return folder


def test_a_walk_without_a_network_gives_metres_sigma_and_source(walk, tmp_path, capsys) -> None:
    output = tmp_path / 'out'
    assert run(walk, output, '--refine', 'multiview', '--rate', '20') == 0
    text = capsys.readouterr().out
    assert '00000                      0.0 % known   no depth yet' in text
    assert 'move the camera sideways' in text
    assert not (output / '00000_depth.npy').exists()
    assert not list(output.glob('*_relative_depth.npy'))
    depth, sigma, source = (
        np.load(output / f'00004_{name}.npy') for name in ('depth', 'depth_sigma', 'depth_source')
    )
    truth = view_at(WALK_NS[4]).depth
    known = np.isfinite(depth)
    assert known.mean() > 0.6 and np.array_equal(source == 1, known)
    assert np.array_equal(np.isfinite(sigma), known)
    assert np.median(np.abs(depth - truth)[known] / truth[known]) < 0.02
    images = summary_of(output)['images']
    assert images[0]['refined']['keyframe_age_s'] is None
    assert images[4]['refined']['shares']['keyframe'] == pytest.approx(known.mean(), abs=1e-3)
    assert read_rgb(output / '00000_picture.png').shape[1] > 2 * 160
    assert run(walk, output, '--refine', 'multiview', '--rate', '20') == 0
    assert counts(output) == (NUM_VIEWS, 0), 'an image depends on those before it'


def test_poses_in_the_folder_are_taken_without_a_word(walk, tmp_path, capsys) -> None:
    assert run(walk, tmp_path / 'out', '--rate', '20') == 0
    assert 'poses.txt' in capsys.readouterr().err
    assert (tmp_path / 'out' / '00004_depth.npy').exists()


def test_a_walk_without_depth_says_so_and_leaves_nothing_of_the_run_before(
    walk, tmp_path, capsys
) -> None:
    output = tmp_path / 'out'
    assert run(walk, output, '--rate', '20') == 0
    assert (output / '00004_cloud.ply').exists()
    (output / '00004_mine.txt').write_text('of the user', encoding='utf-8')
    np.savetxt(walk / 'poses.txt', [pose_at(START_NS).ravel()] * NUM_VIEWS)
    for image in (walk / 'images').iterdir():
        write_picture(image, view_at(START_NS).image)
    assert run(walk, output, '--rate', '20') == 2
    out = capsys.readouterr().out
    assert f'no depth in any of {NUM_VIEWS}: no keyframe' in out and 'too slow' not in out
    left = {path.name for path in output.glob('00004*')}
    assert left == {'00004.json', '00004_picture.png', '00004_mine.txt'}
    reason = summary_of(output)['images'][4]['scale']['reason']
    assert reason.startswith('no keyframe') and 'scale' not in reason


@pytest.mark.parametrize('odd', [0, 3])
def test_an_image_of_another_size_is_left_out_by_name(walk, tmp_path, capsys, odd: int) -> None:
    write_picture(walk / 'images' / f'{odd:05d}.png', np.zeros((60, 80, 3), np.uint8))
    assert run(walk, tmp_path / 'out', '--rate', '20') == 2
    said = capsys.readouterr().err
    assert f'{odd:05d} left out: {odd:05d}.png is 80x60, the others are 160x120' in said
    assert counts(tmp_path / 'out') == (NUM_VIEWS - 1, 0)
    assert summary_of(tmp_path / 'out')['refused'] == {'size_mismatch': 1}


@pytest.mark.parametrize('odd', [0, 1])
def test_an_image_that_does_not_go_with_the_calibration_is_left_out_by_name(
    folder, tmp_path, capsys, odd: int
) -> None:
    numbers = ' '.join(str(number) for number in CAMERA.p.ravel())
    (tmp_path / 'calib.txt').write_text(f'P0: {numbers}\nP1: {numbers}\n', encoding='utf-8')
    write_picture(folder / f'{odd:06d}.png', np.zeros((60, 100, 3), np.uint8))
    assert run(folder, tmp_path / 'out', *FIXED, '--calibration', tmp_path / 'calib.txt') == 2
    said = capsys.readouterr().err
    assert f'{odd:06d} left out: the calibration is for 160x120 (its file states no size' in said
    assert counts(tmp_path / 'out') == (2, 0)


def test_a_calibration_that_is_of_no_image_is_the_folders_fault(walk, tmp_path, capsys) -> None:
    np.savetxt(walk / 'K.txt', np.diag((4.0, 4.0, 1.0)) @ WALK_CAMERA.k)
    assert run(walk, tmp_path / 'out', '--rate', '20') == 2
    said = capsys.readouterr().err
    assert 'principal point' in said and 'left out' not in said
    assert 'or use images of the resolution that they belong to' in said


def test_a_reference_gives_metres_until_there_are_keyframes(walk, tmp_path, monkeypatch) -> None:
    def open_both(settings: MonoSettings, *, progress: object = None) -> MonoProcessor:
        keyframes = KeyframeDepths(
            lambda progress: ImageTruth(settings.multiview), settings.keyframes
        )
        return MonoProcessor(truth_pipeline(), settings, keyframes=keyframes)

    monkeypatch.setattr(run_mono, 'open_mono', open_both)
    references = tmp_path / 'references'
    references.mkdir()
    np.save(references / '00000.npy', 2.0 * room_depth())
    words = ('--scale-mode', 'reference_depth', '--reference', references, '--rate', '20')
    assert run(walk, tmp_path / 'out', *words) == 0
    depth, source = (
        np.load(tmp_path / 'out' / f'00000_{x}.npy') for x in ('depth', 'depth_source')
    )
    np.testing.assert_allclose(depth, 2.0 * room_depth(), rtol=1e-3)
    assert (source == 3).all()
    later = np.load(tmp_path / 'out' / '00004_depth_source.npy')
    assert (later == 1).mean() > 0.3


def test_a_factor_that_no_mode_uses_is_said(folder, tmp_path, capsys) -> None:
    words = ('--scale-factor', '2', '--scale-mode', 'camera_height')
    run(tmp_path / 'absent.png', tmp_path / 'out', *words, '--scale', 'camera_height_m=1')
    assert '--scale-factor is not used by --scale-mode camera_height' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (('--refine', 'multiview', '--rate', '0'), '--rate takes images a second'),
        (('--refine', 'multiview', *FOCAL), 'brings its own calibration'),
        (('--refine', 'sometimes'), 'auto, multiview, none'),
    ],
)
def test_what_does_not_go_with_a_walk_is_said(walk, tmp_path, capsys, words, said) -> None:
    assert run(walk, tmp_path / 'out', *words) == 2
    assert said in capsys.readouterr().err


def test_images_without_poses_cannot_be_refined(folder, tmp_path, capsys) -> None:
    assert run(folder / '000000.png', tmp_path / 'out', '--refine', 'multiview') == 2
    assert 'poses.txt' in capsys.readouterr().err
    assert run(folder, tmp_path / 'out', '--scale-mode', 'motion') == 2
    assert 'poses.txt' in capsys.readouterr().err
    assert run(folder, tmp_path / 'out', '--refine', 'multiview', *FOCAL) == 2
    assert 'is no folder of posed images' in capsys.readouterr().err
