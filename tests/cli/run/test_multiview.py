"""``depth-ros run multiview``: three layouts, a cloud on the scene, resume, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_ros.cli.main import main
from depth_ros.cli.run import multiview as run_multiview
from depth_ros.files.cloud import read_ply
from depth_ros.files.pfm import read_pfm
from depth_ros.frames import MultiViewFrame
from depth_ros.geometry.rigid import inverse, quaternion_from_rotation
from depth_ros.scenes.solids import View
from depth_ros.tasks.multiview.processor import MultiViewOutput
from depth_ros.tasks.multiview.settings import MultiViewSettings
from tests.kit.cli_process import depth_ros
from tests.kit.multiview_doubles import (
    CAMERA,
    HEIGHT,
    START_NS,
    WIDTH,
    TruthProcessor,
    pose_at,
    view_at,
)

NUM_VIEWS = 7
STEP_NS = 100_000_000
FIRST_NS = START_NS - 300_000_000
RANGE = ('--depth-range', '1', '9')


@lru_cache(1)
def views() -> tuple[View, ...]:
    return tuple(view_at(FIRST_NS + STEP_NS * n) for n in range(NUM_VIEWS))


@lru_cache(1)
def poses() -> tuple[np.ndarray, ...]:
    return tuple(pose_at(FIRST_NS + STEP_NS * n) for n in range(NUM_VIEWS))


class ImageTruth(TruthProcessor):
    """Knows the exact depth of every image; counts the maps it was asked for."""

    num_runs = 0

    def process(self, frame: MultiViewFrame, *, wanted: object = None) -> MultiViewOutput:
        ImageTruth.num_runs += 1
        return super().process(frame)

    def depth_of(self, frame: MultiViewFrame) -> np.ndarray:
        pixels = frame.reference.image.tobytes()
        return next(view.depth for view in views() if view.image.tobytes() == pixels)


@pytest.fixture(autouse=True)
def known_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_truth(settings: MultiViewSettings, *, progress: object = None) -> ImageTruth:
        return ImageTruth(settings)

    monkeypatch.setattr(ImageTruth, 'num_runs', 0)
    monkeypatch.setattr(run_multiview, 'open_multiview', open_truth)


def write_image(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def rows(matrix: np.ndarray) -> str:
    return '\n'.join(' '.join(f'{value:.17g}' for value in row) for row in matrix)


def poses_folder(folder: Path) -> None:
    for index, view in enumerate(views()):
        write_image(folder / 'images' / f'{index:05d}.png', view.image)
    (folder / 'K.txt').write_text(rows(CAMERA.k))
    (folder / 'poses.txt').write_text(rows(np.array([pose.ravel() for pose in poses()])))


def mvsnet_folder(folder: Path) -> None:
    (folder / 'cams').mkdir(parents=True)
    lines = [str(NUM_VIEWS)]
    for index, (view, pose) in enumerate(zip(views(), poses(), strict=True)):
        write_image(folder / 'images' / f'{index:08d}.png', view.image)
        extrinsic = inverse(pose)
        extrinsic[:3, 3] *= 1000.0
        text = f'extrinsic\n{rows(extrinsic)}\n\nintrinsic\n{rows(CAMERA.k)}\n\n1000 42 192 9000\n'
        (folder / 'cams' / f'{index:08d}_cam.txt').write_text(text)
        others = np.argsort(np.abs(np.arange(NUM_VIEWS) - index), kind='stable')[1:]
        lines += [str(index), f'{len(others)} ' + ' '.join(f'{n} 1.0' for n in others)]
    (folder / 'pair.txt').write_text('\n'.join(lines) + '\n')


def colmap_folder(folder: Path) -> None:
    model = folder / 'sparse' / '0'
    model.mkdir(parents=True)
    camera = f'1 PINHOLE {WIDTH} {HEIGHT} 100 100 {CAMERA.cx + 0.5} {CAMERA.cy + 0.5}\n'
    (model / 'cameras.txt').write_text(camera)
    lines = []
    for index, (view, pose) in enumerate(zip(views(), poses(), strict=True)):
        write_image(folder / 'images' / f'{index:05d}.png', view.image)
        back = inverse(pose)
        x, y, z, w = quaternion_from_rotation(back[:3, :3])
        numbers = ' '.join(f'{value:.17g}' for value in (w, x, y, z, *back[:3, 3]))
        lines += [f'{index + 1} {numbers} 1 {index:05d}.png', '']
    (model / 'images.txt').write_text('\n'.join(lines) + '\n')
    depth = views()[0].depth[::8, ::8].ravel()
    row, column = np.mgrid[0:HEIGHT:8, 0:WIDTH:8].reshape(2, -1)
    points = np.stack([(column - CAMERA.cx) / 100, (row - CAMERA.cy) / 100, np.ones(len(row))], 1)
    points = (points * depth[:, None]) @ poses()[0][:3, :3].T + poses()[0][:3, 3]
    text = [f'{n} {x} {y} {z} 1 2 3 0.5' for n, (x, y, z) in enumerate(points)]
    (model / 'points3D.txt').write_text('\n'.join(text) + '\n')


LAYOUTS: dict[str, Callable[[Path], None]] = {
    'poses': poses_folder,
    'mvsnet': mvsnet_folder,
    'colmap': colmap_folder,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    poses_folder(tmp_path / 'walk')
    return tmp_path / 'walk'


def run(folder: Path, *more: object) -> int:
    output = folder.parent / 'out'
    words = ['run', 'multiview', str(folder), '-o', str(output), '--sources', '4']
    return main([*words, *map(str, more)])


def summary_of(folder: Path) -> dict:
    return json.loads((folder.parent / 'out' / 'summary.json').read_text())


def counts(folder: Path) -> tuple[int, int]:
    summary = summary_of(folder)
    return summary['outputs'], summary['skipped']


def errors_on_scene(points: np.ndarray) -> np.ndarray:
    """Give the relative depth error of world points, each in the view that fits it best."""
    best = np.full(len(points), np.inf)
    for view, pose in zip(views(), poses(), strict=True):
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        z = np.maximum(local[:, 2], 1e-9)
        x = np.rint(100.0 * local[:, 0] / z + CAMERA.cx).astype(int)
        y = np.rint(100.0 * local[:, 1] / z + CAMERA.cy).astype(int)
        inside = (local[:, 2] > 0) & (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
        truth = view.depth[y[inside], x[inside]]
        best[inside] = np.minimum(best[inside], np.abs(z[inside] - truth) / truth)
    return best


@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_cloud_lies_on_the_scene(layout, tmp_path, capsys) -> None:
    folder = tmp_path / layout
    LAYOUTS[layout](folder)
    more = {'mvsnet': ('--unit', 'mm'), 'poses': RANGE, 'colmap': ()}[layout]
    assert run(folder, *more) == 0, capsys.readouterr().err
    summary = summary_of(folder)
    assert summary['layout'] == layout and summary['is_metric'] == (layout != 'colmap')
    assert (summary['outputs'], summary['refused']) == (NUM_VIEWS, {})
    points, colors = read_ply(tmp_path / 'out' / 'fused.ply')
    assert len(points) == len(colors) == summary['cloud']['points'] > 4000
    error = errors_on_scene(points.astype(float))
    assert np.median(error) < 0.003 and np.quantile(error, 0.95) < 0.02
    assert ('not metres' in capsys.readouterr().out) == (layout == 'colmap')


def test_files_of_a_reference(folder) -> None:
    assert run(folder, *RANGE) == 0
    output = folder.parent / 'out'
    depth = np.load(output / '00003_depth.npy')
    known = np.isfinite(depth)
    np.testing.assert_array_equal(depth[known], views()[3].depth[known])
    pfm = read_pfm(output / '00003_depth.pfm')
    np.testing.assert_array_equal(pfm, np.where(known, depth, 0.0))
    confidence = np.load(output / '00003_confidence.npy')
    np.testing.assert_array_equal(confidence, known)
    assert cv2.imread(str(output / '00003_picture.png')) is not None
    record = json.loads((output / '00003.json').read_text())
    assert len(record['sources']) == 4 and record['depth_range_m'] == [1.0, 9.0]
    assert record['ran_by']['engine'] == 'truth'
    assert not list(output.glob('.*')), 'a draft is left behind'


def test_a_second_run_gives_the_same_cloud_from_disk(folder, capsys) -> None:
    assert run(folder, *RANGE) == 0
    cloud = (folder.parent / 'out' / 'fused.ply').read_bytes()
    assert run(folder, *RANGE) == 0
    assert counts(folder) == (0, NUM_VIEWS) and ImageTruth.num_runs == NUM_VIEWS
    assert (folder.parent / 'out' / 'fused.ply').read_bytes() == cloud
    assert f'{NUM_VIEWS} done before' in capsys.readouterr().out
    assert run(folder, *RANGE, '--min-views', 2) == 0
    assert counts(folder) == (0, NUM_VIEWS), 'fusing otherwise needs no new depth'
    assert (folder.parent / 'out' / 'fused.ply').read_bytes() != cloud
    assert run(folder, *RANGE, '--overwrite') == 0
    assert counts(folder) == (NUM_VIEWS, 0)


def change_image(folder: Path) -> None:
    path = folder / 'images' / '00000.png'
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def change_pose(folder: Path) -> None:
    lines = (folder / 'poses.txt').read_text().splitlines()
    moved = poses()[0].copy()
    moved[0, 3] -= 0.001
    (folder / 'poses.txt').write_text('\n'.join([rows(moved.reshape(1, -1)), *lines[1:]]))


@pytest.mark.parametrize('change', [change_image, change_pose])
def test_what_depends_on_a_changed_view_is_done_again(folder, change) -> None:
    assert run(folder, *RANGE) == 0
    change(folder)
    assert run(folder, *RANGE) == 0
    done, skipped = counts(folder)
    records = (folder.parent / 'out').glob('0*.json')
    users = [
        path.stem
        for path in records
        if path.stem == '00000' or '00000' in json.loads(path.read_text())['sources']
    ]
    assert done == len(users) > 1 and skipped == NUM_VIEWS - done


@pytest.mark.parametrize(
    'more', [('--depth-range', '1', '8'), ('--sampling', 'inverse'), ('--depths', '48')]
)
def test_other_settings_do_everything_again(folder, more) -> None:
    assert run(folder, *RANGE) == 0
    assert run(folder, *RANGE, *more) == 0
    assert counts(folder) == (NUM_VIEWS, 0)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ('name', 'spoil'),
    [
        ('00002_depth.npy', cut),
        ('00002_confidence.npy', lambda path: np.save(path, np.zeros((2, 2), np.float32))),
        ('00002_depth.pfm', Path.unlink),
        ('00002.json', cut),
    ],
)
def test_what_is_cut_or_gone_is_done_again(folder, name, spoil) -> None:
    assert run(folder, *RANGE) == 0
    spoil(folder.parent / 'out' / name)
    assert run(folder, *RANGE) == 0
    assert counts(folder) == (1, NUM_VIEWS - 1)
    assert np.isfinite(np.load(folder.parent / 'out' / '00002_depth.npy')).mean() > 0.9


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('trouble', ['cut', 'missing', 'small'])
def test_one_bad_image_costs_its_own_view_alone(layout, trouble, tmp_path, capsys) -> None:
    folder = tmp_path / layout
    LAYOUTS[layout](folder)
    images = sorted((folder / 'images').iterdir())
    if trouble == 'cut':
        cut(images[3])
    elif trouble == 'small':
        write_image(images[3], views()[3].image[::2, ::2])
    elif layout == 'poses':
        table = [f'{path.name},{n}' for n, path in enumerate(images)]
        del table[3]
        (folder / 'frame_rows.csv').write_text('\n'.join(['file,pose_row', *table]))
    else:
        images[3].unlink()
    more = {'mvsnet': ('--unit', 'mm'), 'poses': RANGE, 'colmap': ()}[layout]
    assert run(folder, *more) == 2
    name = images[3].stem
    told = [line for line in capsys.readouterr().err.splitlines() if 'left out' in line]
    assert len(told) == 1 and told[0].startswith(f'depth-ros: {name} left out: '), told
    summary = summary_of(folder)
    assert summary['outputs'] == NUM_VIEWS - 1 and sum(summary['refused'].values()) == 1
    assert all(name not in one['sources'] for one in summary['references'])
    points, _ = read_ply(tmp_path / 'out' / 'fused.ply')
    assert np.median(errors_on_scene(points.astype(float))) < 0.003


def test_a_view_without_a_camera_file_is_left_out(tmp_path, capsys) -> None:
    folder = tmp_path / 'dtu'
    mvsnet_folder(folder)
    (folder / 'cams' / '00000003_cam.txt').unlink()
    assert run(folder, '--unit', 'mm') == 2
    assert '00000003 left out' in capsys.readouterr().err
    assert summary_of(folder)['refused'] == {'posed_file': 1}


def test_a_pose_that_jumps_or_is_nan_is_named(folder, capsys) -> None:
    lines = (folder / 'poses.txt').read_text().splitlines()
    lines[0] = 'nan' + lines[0][lines[0].index(' ') :]
    (folder / 'poses.txt').write_text('\n'.join(lines))
    assert run(folder, *RANGE) == 2
    assert '00000 left out: the pose of view' in capsys.readouterr().err
    jumped = poses()[6].copy()
    jumped[0, 3] += 40.0
    (folder / 'poses.txt').write_text('\n'.join([*lines[:6], rows(jumped.reshape(1, -1))]))
    assert run(folder, *RANGE) == 2
    assert '00006 left out: the pose jumped by' in capsys.readouterr().err
    assert summary_of(folder)['refused'] == {'pose_values': 1, 'pose_jump': 1}


def test_two_photographs_from_one_place_do_not_spoil_the_rest(tmp_path) -> None:
    folder = tmp_path / 'dtu'
    colmap_folder(folder)
    shutil.copy(folder / 'images' / '00003.png', folder / 'images' / '00009.png')
    path = folder / 'sparse' / '0' / 'images.txt'
    line = next(line for line in path.read_text().splitlines() if line.endswith('00003.png'))
    path.write_text(path.read_text() + line.replace('00003.png', '00009.png') + '\n\n')
    assert run(folder) == 0
    for record in summary_of(folder)['references']:
        assert {'00003', '00009'} - {record['name'], *record['sources']}


def test_a_full_disk_leaves_no_half_file(folder, monkeypatch, capsys) -> None:
    written = []

    def save(stream: object, values: np.ndarray) -> None:
        written.append(stream.write(b'half'))
        if len(written) > 2:
            raise OSError(28, 'No space left on device')
        stream.seek(0)
        np.lib.format.write_array(stream, values)

    monkeypatch.setattr(np, 'save', save)
    assert run(folder, *RANGE) == 2
    err = capsys.readouterr().err
    assert 'No space left on device' in err and 'Traceback' not in err
    output = folder.parent / 'out'
    names = sorted(path.name for path in output.iterdir())
    assert names == [f'00000{end}' for end in ('.json', *ENDINGS)]
    monkeypatch.undo()
    known = np.load(output / '00000_depth.npy')
    assert known.shape == (HEIGHT, WIDTH)


ENDINGS = ('_confidence.npy', '_depth.npy', '_depth.pfm', '_picture.png')


def test_an_output_that_is_a_file_is_named(folder, capsys) -> None:
    (folder.parent / 'out').write_text('')
    assert run(folder, *RANGE) == 2
    assert str(folder.parent / 'out') in capsys.readouterr().err


def test_pcd_cloud_and_chosen_files(folder) -> None:
    assert run(folder, *RANGE, '--cloud', 'map.pcd', '--write', '') == 0
    names = {path.name for path in (folder.parent / 'out').iterdir()}
    assert 'map.pcd' in names and 'fused.ply' not in names
    assert not any(name.endswith(('.pfm', '.png')) for name in names)
    header, body = (folder.parent / 'out' / 'map.pcd').read_bytes().split(b'DATA binary\n')
    assert len(body) == 16 * int(header.split(b'POINTS ')[1])


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (('--unit', 'inch'), '--unit'),
        (('--engine', 'abacus'), "no engine 'abacus'"),
        (('--depth-range', '5', '1'), '0 < MIN_M < MAX_M'),
        (('--depth-range', '0', '1'), '0 < MIN_M < MAX_M'),
        (('--depth-range', 'nan', '1'), '0 < MIN_M < MAX_M'),
        (('--sources', '0'), '--num-sources must be within 1..8'),
        (('--min-views', '0'), '--fusion-min-views must be within 1..8'),
        (('--voxel-size-m', '0'), '--fusion-voxel-size-m must be within'),
        (('--write', 'obj'), 'pfm,picture'),
        (('--reference', 'last'), '--reference'),
        (('--cloud', 'map.xyzrgb'), 'Open3D'),
    ],
)
def test_words_that_make_no_sense_are_refused_before_any_work(folder, words, says, capsys) -> None:
    if 'Open3D' in says:
        try:
            import open3d  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip('Open3D is installed and writes every ending')
    assert run(folder, *words) == 2
    assert says in capsys.readouterr().err
    assert ImageTruth.num_runs == 0


@pytest.mark.parametrize('layout', [poses_folder, colmap_folder])
def test_a_unit_is_for_the_layout_that_leaves_it_open(layout, tmp_path, capsys) -> None:
    layout(tmp_path / 'in')
    assert run(tmp_path / 'in', '--unit', 'mm') == 2
    assert '--unit mm changes nothing of' in capsys.readouterr().err
    assert ImageTruth.num_runs == 0


def test_a_cloud_without_points_is_a_failure(folder, monkeypatch, capsys) -> None:
    nowhere = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    monkeypatch.setattr(ImageTruth, 'depth_of', lambda self, frame: nowhere)
    assert run(folder) == 2
    assert 'fused.ply: no depth was found alike' in capsys.readouterr().err


def test_one_view_alone_and_an_empty_folder(tmp_path, capsys) -> None:
    folder = tmp_path / 'dtu'
    mvsnet_folder(folder)
    (folder / 'pair.txt').write_text('1\n0\n0\n')
    assert run(folder, '--unit', 'mm') == 2
    assert '00000000 left out' in capsys.readouterr().err
    assert summary_of(folder)['refused'] == {'views': 1}
    (tmp_path / 'empty').mkdir()
    assert run(tmp_path / 'empty') == 2
    err = capsys.readouterr().err
    assert all(word in err for word in ('pair.txt', 'COLMAP', 'K.txt'))


def test_the_range_of_the_folder_gives_way_to_the_one_asked_for(tmp_path) -> None:
    folder = tmp_path / 'dtu'
    mvsnet_folder(folder)
    assert run(folder, '--unit', 'mm') == 0
    assert summary_of(folder)['references'][0]['depth_range_m'] == [1.0, 9.0]
    assert run(folder, '--unit', 'mm', '--depth-range', '1', '3') == 0
    record = summary_of(folder)['references'][0]
    assert record['depth_range_m'] == [1.0, 3.0]
    depth = np.load(tmp_path / 'out' / '00000000_depth.npy')
    assert np.nanmax(depth) <= 3.0 and np.isnan(depth).any()


def test_the_network_itself_runs_on_a_folder(folder, tmp_path) -> None:
    for package in ('torch', 'onnx', 'onnxscript'):
        pytest.importorskip(package, reason=f'exporting needs {package}')
    words = ('run', 'multiview', folder, '-o', 'net', '--size', '64x96', '--depths', 16)
    words = (
        *words,
        '--sources',
        2,
        '--min-sources',
        1,
        '--weights',
        'synthetic:0',
        '--threads',
        1,
        *RANGE,
    )
    outcome = depth_ros(*words, cwd=tmp_path)
    assert outcome.code == 2 and 'no point in net/fused.ply' in outcome.err  # made-up weights
    summary = json.loads((tmp_path / 'net' / 'summary.json').read_text())
    assert summary['outputs'] == NUM_VIEWS
    assert summary['references'][0]['ran_by']['size'] == '64x96'
    depth = np.load(tmp_path / 'net' / '00003_depth.npy')
    assert depth.shape == (HEIGHT, WIDTH) and np.isfinite(depth).mean() > 0.5
    assert np.nanmin(depth) >= 1.0 and np.nanmax(depth) <= 9.0
    assert depth_ros(*words, cwd=tmp_path).out.startswith(f'0 depth maps done, {NUM_VIEWS} done')
