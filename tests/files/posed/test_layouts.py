"""Readers of posed folders: round trips, known answers, and files that are damaged."""

from __future__ import annotations

import struct
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from depth_ros.errors import CalibrationError, DepthRosError, InputError
from depth_ros.files.posed.colmap import MODELS, ColmapCamera, calibration
from depth_ros.files.posed.layouts import read_posed_folder
from depth_ros.files.posed.mvsnet import read_cam, read_pairs
from depth_ros.geometry.rigid import inverse, rigid, rotation_from_vector

K = np.array([[200.0, 0.0, 79.5], [0.0, 210.0, 59.5], [0.0, 0.0, 1.0]])
HEIGHT, WIDTH = 120, 160
POSES = [
    rigid(rotation_from_vector(np.array([0.1, 0.2 * n, -0.1])), np.array([n * 0.1, 0.2, -0.3]))
    for n in range(3)
]
POINTS = np.array([[x, y, 3.0 + 0.5 * y] for x in (-1.0, 0.0, 1.0) for y in (-0.5, 0.0, 0.5, 0.9)])


def write_images(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def rows(matrix):
    return '\n'.join(' '.join(f'{value:.17g}' for value in row) for row in matrix)


@pytest.fixture
def poses_folder(tmp_path):
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    (tmp_path / 'K.txt').write_text(rows(K))
    (tmp_path / 'poses.txt').write_text(rows([pose.ravel() for pose in POSES]) + '\n')
    return tmp_path


@pytest.fixture
def mvsnet_folder(tmp_path):
    write_images(tmp_path / 'images', [f'{n:08d}.jpg' for n in range(3)])
    (tmp_path / 'cams').mkdir()
    for n, pose in enumerate(POSES):
        extrinsic = inverse(pose)
        extrinsic[:3, 3] *= 1000.0
        text = f'extrinsic\n{rows(extrinsic)}\n\nintrinsic\n{rows(K)}\n\n425.0 2.5 192 902.5\n'
        (tmp_path / 'cams' / f'{n:08d}_cam.txt').write_text(text)
    (tmp_path / 'pair.txt').write_text('3\n0\n2 1 9.5 2 3.1\n1\n1 0 4.0\n2\n1 1 2.0\n')
    return tmp_path


def colmap_quaternion(pose):
    """Independent of the package: from the eigenvector of the rotation."""
    rotation = inverse(pose)[:3, :3]
    vector, _ = cv2.Rodrigues(rotation)
    angle = np.linalg.norm(vector)
    axis = vector.ravel() / angle
    return np.concatenate([[np.cos(angle / 2)], axis * np.sin(angle / 2)])


def write_colmap_text(folder, *, has_tracks=True):
    folder.mkdir(parents=True)
    (folder / 'cameras.txt').write_text(f'# c\n1 PINHOLE {WIDTH} {HEIGHT} 200 210 80 60\n')
    lines = ['# images']
    for n, pose in enumerate(POSES):
        q, t = colmap_quaternion(pose), inverse(pose)[:3, 3]
        numbers = ' '.join(f'{value:.17g}' for value in (*q, *t))
        lines += [f'{n + 1} {numbers} 1 {n}.png', '10 20 -1' if n else '']
    (folder / 'images.txt').write_text('\n'.join(lines) + '\n')
    track = ' 1 0' if has_tracks else ''
    points = [f'{n + 1} {x} {y} {z} 1 2 3 0.5{track}' for n, (x, y, z) in enumerate(POINTS)]
    (folder / 'points3D.txt').write_text('\n'.join(points) + '\n')


def write_colmap_binary(folder, *, has_tracks=True):
    folder.mkdir(parents=True)
    camera = struct.pack('<QiiQQ4d', 1, 1, 1, WIDTH, HEIGHT, 200, 210, 80, 60)
    (folder / 'cameras.bin').write_bytes(camera)
    data = struct.pack('<Q', len(POSES))
    for n, pose in enumerate(POSES):
        q, t = colmap_quaternion(pose), inverse(pose)[:3, 3]
        data += struct.pack('<i7di', n + 1, *q, *t, 1) + f'{n}.png'.encode() + b'\0'
        data += struct.pack('<Q', n) + n * struct.pack('<ddq', 1.0, 2.0, -1)
    (folder / 'images.bin').write_bytes(data)
    data = struct.pack('<Q', len(POINTS))
    for n, point in enumerate(POINTS):
        data += struct.pack('<Q3d3Bd', n + 1, *point, 1, 2, 3, 0.5)
        data += struct.pack('<Qii', 1, 1, 0) if has_tracks else struct.pack('<Q', 0)
    (folder / 'points3D.bin').write_bytes(data)


@pytest.fixture(params=[write_colmap_text, write_colmap_binary], ids=['text', 'binary'])
def colmap_folder(tmp_path, request):
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    request.param(tmp_path / 'sparse' / '0')
    return tmp_path


def check_views(folder, *, unit=1.0):
    assert len(folder.views) == 3
    for view, pose in zip(folder.views, POSES, strict=True):
        np.testing.assert_allclose(view.world_from_camera, pose, atol=1e-12)
        np.testing.assert_allclose(view.k, K, atol=1e-12)
        posed = view.view(np.zeros((HEIGHT, WIDTH, 3), np.uint8), stamp_ns=5)
        assert posed.frame.camera.fx == 200.0 and posed.frame.stamp_ns == 5


def test_plain_matrices(poses_folder):
    folder = read_posed_folder(poses_folder)
    check_views(folder)
    assert folder.layout == 'poses' and folder.is_sequence and folder.is_metric
    assert [view.name for view in folder.views] == ['0', '1', '2']


def test_rows_by_table(poses_folder):
    (poses_folder / 'frame_rows.csv').write_text('file,pose_row\n2.png,0\n1.png,1\n0.png,2\n')
    views = read_posed_folder(poses_folder).views
    np.testing.assert_allclose(views[0].world_from_camera, POSES[2])


def test_mvsnet_layout_in_millimetres(mvsnet_folder):
    folder = read_posed_folder(mvsnet_folder, unit_m=0.001)
    check_views(folder)
    assert [view.sources for view in folder.views] == [(1, 2), (0,), (1,)]
    assert folder.views[0].depth_range_m == pytest.approx((0.425, 0.9025))
    assert not folder.is_sequence and folder.views[1].name == '00000001'


def test_a_cam_file_without_the_number_of_depths(mvsnet_folder):
    path = mvsnet_folder / 'cams' / '00000000_cam.txt'
    path.write_text(path.read_text().replace('425.0 2.5 192 902.5', '425.0 2.5'))
    assert read_cam(path).depth_range == pytest.approx((425.0, 425.0 + 191 * 2.5))


def test_colmap_model(colmap_folder):
    folder = read_posed_folder(colmap_folder)
    check_views(folder)
    assert folder.layout == 'colmap' and not folder.is_metric
    np.testing.assert_allclose(folder.points, POINTS)
    near, far = folder.views[0].depth_range_m
    assert 0.0 < near < 2.6 and far > 3.4


MIXES = {
    'no second lines': lambda text: text.replace('\n10 20 -1', '').replace('.png\n\n', '.png\n'),
    'blank lines between': lambda text: text.replace('\n', '\n\n'),
    'keypoints of many points': lambda text: text.replace('10 20 -1', '10 20 -1 ' * 9),
    'as COLMAP writes it': lambda text: text,
}


@pytest.mark.parametrize('mix', MIXES)
def test_colmap_text_with_and_without_second_lines(tmp_path, mix):
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    write_colmap_text(tmp_path / 'sparse')
    path = tmp_path / 'sparse' / 'images.txt'
    path.write_text(MIXES[mix](path.read_text()))
    check_views(read_posed_folder(tmp_path))


@pytest.mark.parametrize('binary', [('cameras',), ('images',), ('cameras', 'points3D')])
def test_colmap_model_that_is_partly_binary(tmp_path, binary):
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    write_colmap_text(tmp_path / 'sparse')
    write_colmap_binary(tmp_path / 'other')
    for name in binary:
        (tmp_path / 'sparse' / f'{name}.txt').unlink()
        (tmp_path / 'other' / f'{name}.bin').rename(tmp_path / 'sparse' / f'{name}.bin')
    check_views(read_posed_folder(tmp_path))


@pytest.mark.parametrize('omega', [0.3, 0.7, 0.95])
def test_colmap_fov_lens(omega):
    """Pixels of rays by the FOV formula, and by the equidistant lens that is given for it."""
    camera = ColmapCamera(
        model='FOV', size=(480, 640), parameters=np.array([300, 301, 320.5, 240.5, omega])
    )
    k, d = calibration(camera)
    theta = np.linspace(0.01, 0.7, 50)
    wanted = 300 * np.arctan(2 * np.tan(theta) * np.tan(omega / 2)) / omega
    powers = theta[:, None] ** np.array([3, 5, 7, 9])
    np.testing.assert_allclose(k[0, 0] * (theta + powers @ d), wanted, atol=0.1)
    assert (k[0, 2], k[1, 2]) == (320.0, 240.0)


def test_fisheye_of_zeros_is_not_taken_as_rectified(tmp_path):
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    write_colmap_text(tmp_path / 'sparse')
    path = tmp_path / 'sparse' / 'cameras.txt'
    path.write_text(f'1 OPENCV_FISHEYE {WIDTH} {HEIGHT} 200 210 80 60 0 0 0 0\n')
    view = read_posed_folder(tmp_path).views[0].read()
    assert view.frame.camera.is_fisheye and not view.frame.is_rectified


@pytest.mark.parametrize('write', [write_colmap_text, write_colmap_binary])
def test_pycolmap_reads_the_same(tmp_path, write):
    pytest.importorskip('pycolmap', reason='pycolmap is not installed')
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    write(tmp_path / 'sparse' / '0', has_tracks=False)
    folder = read_posed_folder(tmp_path, use_pycolmap=True)
    check_views(folder)
    np.testing.assert_allclose(np.sort(folder.points, 0), np.sort(POINTS, 0))


class FakeColmap(SimpleNamespace):
    """Has what is used of pycolmap, with the names of one version or another."""

    def __init__(self, is_old: bool) -> None:
        super().__init__(Reconstruction=lambda place: self)
        model = 'PINHOLE' if is_old else SimpleNamespace(name='PINHOLE')
        params = [200, 210, 80, 60]
        camera = SimpleNamespace(model=model, height=HEIGHT, width=WIDTH, params=params)
        self.cameras = {7: camera}
        self.points3D = {n: SimpleNamespace(xyz=point) for n, point in enumerate(POINTS)}
        self.images = {n: self.image(n, pose, is_old) for n, pose in enumerate(POSES)}
        self.images[9] = SimpleNamespace(has_pose=False)

    def image(self, number, pose, is_old):
        w, *xyz = colmap_quaternion(pose)
        rotation = SimpleNamespace(quat=[*xyz, w])
        motion = SimpleNamespace(rotation=rotation, translation=inverse(pose)[:3, 3])
        place = motion if is_old else lambda: motion
        return SimpleNamespace(name=f'{number}.png', camera_id=7, cam_from_world=place)


@pytest.mark.parametrize('is_old', [True, False])
def test_pycolmap_of_either_version(colmap_folder, is_old, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pycolmap', FakeColmap(is_old))
    folder = read_posed_folder(colmap_folder, use_pycolmap=True)
    check_views(folder)
    np.testing.assert_allclose(folder.points, POINTS)


def test_what_pycolmap_cannot_read_is_named(colmap_folder, monkeypatch):
    def refuse(place):
        raise ValueError('no such thing')

    monkeypatch.setitem(sys.modules, 'pycolmap', SimpleNamespace(Reconstruction=refuse))
    with pytest.raises(InputError, match=r'0: pycolmap cannot read it \(no such thing\)'):
        read_posed_folder(colmap_folder, use_pycolmap=True)


def test_missing_pycolmap_is_said(colmap_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pycolmap', None)
    with pytest.raises(DepthRosError, match='pip install pycolmap'):
        read_posed_folder(colmap_folder, use_pycolmap=True)


def test_colmap_distortion_and_half_pixel():
    camera = ColmapCamera(
        model='OPENCV',
        size=(120, 160),
        parameters=np.array([200, 210, 80, 60, 0.1, 0.2, 0.3, 0.4]),
    )
    k, d = calibration(camera)
    assert (k[0, 2], k[1, 2]) == (79.5, 59.5)
    assert d.tolist() == [0.1, 0.2, 0.3, 0.4, 0.0]
    radial = ColmapCamera(
        model='RADIAL', size=(120, 160), parameters=np.array([200, 80, 60, 0.1, 0.2])
    )
    k, d = calibration(radial)
    assert k[0, 0] == k[1, 1] == 200 and d.tolist() == [0.1, 0.2, 0.0, 0.0, 0.0]
    for model in MODELS.values():
        used = [at for at in model.d if at is not None]
        focal = 2 if model.has_two_focal_lengths else 1
        assert model.count == focal + 2 + len(used)


def broken(folder, path, old, new):
    file = folder / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_posed_folder(folder)
    assert caught.value.reason == 'posed_file'
    assert file.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ('old', 'new', 'says'),
    [
        ('extrinsic', 'extrinsc', "'extrinsic' is missing"),
        ('425.0', 'near', "line 12: the line of depths holds 'near'"),
        ('425.0 2.5 192 902.5', '900 -1 192', 'line 12: the depth range'),
        ('425.0 2.5 192 902.5', '', 'no last line'),
        ('200', 'nan', "line 8: the matrix 'intrinsic' holds NaN"),
        ('0 0 1\n\n425.0 2.5 192 902.5\n', '', "line 7: 'intrinsic' has 6 of 9"),
    ],
)
def test_a_damaged_cam_file_costs_its_own_view_alone(mvsnet_folder, old, new, says):
    file = mvsnet_folder / 'cams' / '00000001_cam.txt'
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    folder = read_posed_folder(mvsnet_folder)
    assert [view.name for view in folder.views] == ['00000000', '00000002']
    assert [view.sources for view in folder.views] == [(1,), ()]
    ((name, error),) = folder.refused
    assert (name, error.reason) == ('00000001', 'posed_file')
    assert file.name in str(error) and says in str(error)


def test_a_missing_cam_file_is_a_view_without_a_pose(mvsnet_folder):
    (mvsnet_folder / 'cams' / '00000002_cam.txt').unlink()
    folder = read_posed_folder(mvsnet_folder)
    assert [view.sources for view in folder.views] == [(1,), (0,)]
    assert '00000002_cam.txt' in str(folder.refused[0][1])


@pytest.mark.parametrize(
    ('path', 'old', 'new', 'says'),
    [
        ('pair.txt', '2 1 9.5', '3 1 9.5', 'line 3'),
        ('pair.txt', '1\n1 0 4.0', '0\n1 0 4.0', 'line 4'),
        ('pair.txt', '3\n0', 'x\n0', 'line 1'),
        ('pair.txt', '3\n0', '4\n0', '9 lines'),
        ('pair.txt', '1 1 2.0', '1 7 2.0', 'sources [7]'),
        ('pair.txt', '1 0 4.0', '1 0 good', 'line 5'),
    ],
)
def test_damaged_mvsnet_files_are_named(mvsnet_folder, path, old, new, says):
    assert says in broken(mvsnet_folder, path, old, new)


@pytest.mark.parametrize(
    ('path', 'old', 'new', 'says'),
    [
        ('K.txt', '200', 'wide', '9 numbers'),
        ('K.txt', '200', '', 'got 8'),
        ('poses.txt', ' 1\n', ' 1\n1 2 3\n', 'line 2'),
        ('poses.txt', ' 1\n', ' x\n', 'line 1'),
    ],
)
def test_damaged_matrix_files_are_named(poses_folder, path, old, new, says):
    assert says in broken(poses_folder, path, old, new)


def test_poses_that_do_not_fit_the_images(poses_folder):
    (poses_folder / 'images' / '3.png').write_bytes(b'x')
    with pytest.raises(InputError, match='3 poses for 4 images'):
        read_posed_folder(poses_folder)
    table = poses_folder / 'frame_rows.csv'
    for text in ('0.png,0\n', 'file,pose_row\n0.png,x\n', 'file,pose_row\n0.png,3\n'):
        table.write_text(text)
        with pytest.raises(InputError, match=r'frame_rows\.csv'):
            read_posed_folder(poses_folder)


def test_images_without_a_pose_are_refused_by_name(poses_folder):
    (poses_folder / 'frame_rows.csv').write_text('file,pose_row\n0.png,0\n2.png,1\n')
    folder = read_posed_folder(poses_folder)
    assert [view.name for view in folder.views] == ['0', '2']
    ((name, error),) = folder.refused
    assert (name, error.reason) == ('1', 'no_pose') and '1.png' in str(error)


def test_an_image_that_the_table_names_and_nobody_copied_is_refused_by_name(poses_folder):
    (poses_folder / 'frame_rows.csv').write_text('file,pose_row\n0.png,0\n1.png,1\n2.png,2\n')
    (poses_folder / 'images' / '1.png').unlink()
    ((name, error),) = read_posed_folder(poses_folder).refused
    assert name == '1' and '1.png, which is not among the images' in str(error)


def test_endings_in_capitals_count_and_equal_names_are_refused(poses_folder):
    images = poses_folder / 'images'
    (images / '1.png').rename(images / '1.JPG')
    assert [view.name for view in read_posed_folder(poses_folder).views] == ['0', '1', '2']
    (images / '2.png').rename(images / '1.png')
    with pytest.raises(InputError, match="two images are called '1'"):
        read_posed_folder(poses_folder)


def test_a_nan_pose_is_refused_when_the_view_is_made(poses_folder):
    text = (poses_folder / 'poses.txt').read_text()
    (poses_folder / 'poses.txt').write_text('nan' + text[text.index(' ') :])
    views = read_posed_folder(poses_folder).views
    with pytest.raises(InputError) as caught:
        views[0].view(np.zeros((HEIGHT, WIDTH, 3), np.uint8), stamp_ns=0)
    assert caught.value.reason == 'pose_values'


def test_a_rounded_rotation_is_made_exact(poses_folder):
    rounded = '\n'.join(' '.join(f'{x:.4f}' for x in pose.ravel()) for pose in POSES)
    (poses_folder / 'poses.txt').write_text(rounded)
    for file, pose in zip(read_posed_folder(poses_folder).views, POSES, strict=True):
        view = file.view(np.zeros((HEIGHT, WIDTH, 3), np.uint8), stamp_ns=0)
        rotation = view.world_from_camera[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
        np.testing.assert_allclose(view.world_from_camera, pose, atol=2e-4)


def test_an_image_of_another_size_is_refused(colmap_folder):
    view = read_posed_folder(colmap_folder).views[0]
    with pytest.raises(InputError, match='80x60'):
        view.view(np.zeros((60, 80, 3), np.uint8), stamp_ns=0)


def test_intrinsics_of_another_resolution_are_refused(poses_folder):
    view = read_posed_folder(poses_folder).views[0]
    with pytest.raises(CalibrationError, match='another resolution'):
        view.view(np.zeros((60, 80, 3), np.uint8), stamp_ns=0)


def test_a_focal_length_of_zero_is_refused(poses_folder):
    (poses_folder / 'K.txt').write_text(rows(np.zeros((3, 3))))
    view = read_posed_folder(poses_folder).views[0]
    with pytest.raises(CalibrationError):
        view.view(np.zeros((HEIGHT, WIDTH, 3), np.uint8), stamp_ns=0)


@pytest.mark.parametrize('name', ['cameras', 'images', 'points3D'])
def test_cut_colmap_files_are_named(tmp_path, name):
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    write_colmap_binary(tmp_path / 'sparse')
    path = tmp_path / 'sparse' / f'{name}.bin'
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=f'{name}.bin'):
        read_posed_folder(tmp_path)


def test_colmap_names_do_not_lead_outside(tmp_path):
    write_images(tmp_path / 'images', [f'{n}.png' for n in range(3)])
    write_images(tmp_path / 'other', ['0.png'])
    write_colmap_text(tmp_path / 'sparse')
    path = tmp_path / 'sparse' / 'images.txt'
    path.write_text(path.read_text().replace(' 0.png', ' ../other/0.png'))
    with pytest.raises(InputError, match='leads outside'):
        read_posed_folder(tmp_path)


def test_an_unusable_colmap_camera_is_named(tmp_path):
    write_images(tmp_path / 'images', ['0.png'])
    write_colmap_text(tmp_path / 'sparse')
    path = tmp_path / 'sparse' / 'cameras.txt'
    path.write_text('1 THIN_PRISM_FISHEYE 160 120 1 2 3 4 5 6 7 8 9 10 11 12\n')
    with pytest.raises(InputError, match='image_undistorter'):
        read_posed_folder(tmp_path)


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r'pair\.txt'):
        read_posed_folder(tmp_path)


def test_pairs_without_sources(tmp_path):
    (tmp_path / 'pair.txt').write_text('1\n4\n0\n')
    assert read_pairs(tmp_path / 'pair.txt') == {4: ()}


@pytest.mark.parametrize('suffix', ['.JPG', '.PNG', '.jpeg'])
def test_endings_of_mvsnet_images_may_be_in_capitals(mvsnet_folder, suffix):
    for path in (mvsnet_folder / 'images').iterdir():
        path.rename(path.with_suffix(suffix))
    assert all(view.image.is_file() for view in read_posed_folder(mvsnet_folder).views)
