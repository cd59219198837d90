"""Every kind of calibration file gives the rig that it was written from.

The truth is a rig of two turned cameras: a point in front of it must fall on one row of both
rectified images, with the disparity that its depth asks for, whatever the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_ros.camera import PinholeCamera
from depth_ros.errors import CalibrationError
from depth_ros.files.calibration import (
    FORMATS,
    StereoCalibration,
    read_mono_calibration,
    read_stereo_calibration,
)
from depth_ros.files.calibration_formats.document import open_document
from depth_ros.files.calibration_writer import write_ros_yaml
from depth_ros.geometry.rectify import rectified_rig
from tests.kit.calibration_files import (
    HEIGHT,
    KINDS,
    KITTI,
    REALSENSE,
    T_M,
    WIDTH,
    R,
    camchain,
    ros,
    save,
)
from tests.kit.shared_data import shared_path


@pytest.mark.parametrize('name', KINDS)
def test_points_fall_on_one_row_with_their_disparity(tmp_path: Path, name: str) -> None:
    written = KINDS[name](tmp_path)
    size = (720, 1280) if name == 'ZED' else (HEIGHT, WIDTH)
    rig = read_stereo_calibration(written.files, image_size=size)
    assert not rig.is_rectified
    assert rig.left.is_fisheye == written.is_fisheye
    assert (rig.left.height, rig.left.width) == size
    expect_geometry(rig)


def expect_geometry(rig: StereoCalibration) -> None:
    """Ask in the left raw camera's frame, where the truth is known."""
    points = np.random.default_rng(2).uniform((-0.5, -0.4, 1.0), (0.5, 0.4, 4.0), (50, 3))
    left = points @ rig.left.r.T
    right = (points @ R.T + T_M) @ rig.right.r.T
    first, second = project(rig.left, left), project(rig.right, right)
    np.testing.assert_allclose(first[:, 1], second[:, 1], atol=0.02)
    stereo = rectified_rig(rig.left, rig.right)
    disparity = stereo.left.fx * stereo.baseline_m / left[:, 2]
    np.testing.assert_allclose(first[:, 0] - second[:, 0], disparity, atol=0.05)
    assert stereo.baseline_m == pytest.approx(np.linalg.norm(T_M), rel=1e-4)


def project(camera: PinholeCamera, points: np.ndarray) -> np.ndarray:
    homogeneous = points @ camera.p[:, :3].T
    return homogeneous[:, :2] / homogeneous[:, 2:]


@pytest.mark.parametrize('name', KINDS)
def test_one_format_alone_claims_each(tmp_path: Path, name: str) -> None:
    document = open_document(KINDS[name](tmp_path).files[0])
    assert len([entry for entry in FORMATS if entry.matches(document)]) == 1


@pytest.mark.parametrize('name', KINDS)
def test_cut_files_end_in_one_sentence(tmp_path: Path, name: str) -> None:
    """Half of a file, and a file whose numbers are words."""
    written = KINDS[name](tmp_path)
    path = written.files[0]
    text = path.read_text(encoding='utf-8')
    for broken in (text[: len(text) // 2], text.replace('0', 'x'), text.replace('[', '')):
        path.write_text(broken, encoding='utf-8')
        try:
            read_stereo_calibration(written.files, image_size=(HEIGHT, WIDTH))
        except CalibrationError as error:
            assert '\n' not in str(error)


@pytest.mark.parametrize('name', KINDS)
def test_what_is_written_reads_back_the_same(tmp_path: Path, name: str) -> None:
    written = KINDS[name](tmp_path / 'in')
    size = (720, 1280) if name == 'ZED' else (HEIGHT, WIDTH)
    rig = read_stereo_calibration(written.files, image_size=size)
    out = tmp_path / 'out'
    out.mkdir()
    for side, camera in (('left', rig.left), ('right', rig.right)):
        write_ros_yaml(out / f'{side}.yaml', camera, name=side)
    again = read_stereo_calibration([out])
    for before, after in ((rig.left, again.left), (rig.right, again.right)):
        for matrix in ('k', 'r', 'p'):
            np.testing.assert_array_equal(getattr(before, matrix), getattr(after, matrix))
        assert after.is_fisheye == before.is_fisheye
        np.testing.assert_array_equal(after.d[: before.d.size], before.d)


@pytest.mark.parametrize(
    ('model', 'lens'), [('omni', 'radtan'), ('ds', 'none'), ('pinhole', 'fov'), ('eucm', 'none')]
)
def test_other_models_of_kalibr_are_refused_by_name(tmp_path: Path, model: str, lens: str) -> None:
    path = camchain(tmp_path).files[0]
    text = path.read_text().replace('pinhole', model).replace('radtan', lens)
    path.write_text(text)
    word = model if model != 'pinhole' else lens
    with pytest.raises(CalibrationError, match=f'{word!r}.*pinhole-equi'):
        read_stereo_calibration([path])


@pytest.mark.parametrize(
    ('folder', 'fx', 'baseline_m'),
    [
        ('image_0', 700.0, 0.5),
        ('image_00/data', 700.0, 0.5),
        ('elsewhere', 700.0, 0.5),
        ('image_2', 710.0, 0.5),
        ('image_02/data', 710.0, 0.5),
    ],
)
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig'])
def test_kitti_takes_the_pair_of_the_images_folder(
    tmp_path: Path, folder: str, fx: float, baseline_m: float, encoding: str
) -> None:
    path = tmp_path / 'calib.txt'
    path.write_text(KITTI, encoding=encoding)
    rig = read_stereo_calibration(
        [path], image_size=(370, 1226), image=tmp_path / folder / '000000.png'
    )
    assert rig.left.fx == fx
    assert rectified_rig(rig.left, rig.right, is_rectified=True).baseline_m == pytest.approx(
        baseline_m
    )


@pytest.mark.parametrize(
    ('text', 'size', 'fx'),
    [
        (REALSENSE, (480, 640), 381.8),
        (REALSENSE, (720, 1280), 636.4),
        (REALSENSE, None, 636.4),
        (REALSENSE.replace('\n', '\r\n'), (480, 640), 381.8),
    ],
)
def test_realsense_text(tmp_path: Path, text: str, size: tuple[int, int], fx: float) -> None:
    path = save(tmp_path / 'rs.txt', text)
    rig = read_stereo_calibration([path], image_size=size)
    assert rig.is_rectified
    assert rig.left.fx == fx
    assert -rig.right.p[0, 3] / fx == pytest.approx(0.0499)
    with pytest.raises(CalibrationError, match='only for 640x480, 1280x720'):
        read_stereo_calibration([path], image_size=(800, 848))


def test_the_partner_of_a_bare_name_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ros(None)(tmp_path)
    monkeypatch.chdir(tmp_path)
    expect_geometry(read_stereo_calibration([Path('left.yaml')]))
    Path('right.yaml').unlink()
    with pytest.raises(CalibrationError, match='give the right camera too'):
        read_stereo_calibration([Path('left.yaml')])


def test_the_oak_file_tells_its_useful_part() -> None:
    path = shared_path('data/oakd_stereo/stereodemo_calibration.json')
    rig = read_stereo_calibration([path])
    assert rig.depth_range_m == (1.0, 5.0)
    assert rig.valid_region == (0, 0.0417, 0.9547, 1)


def test_the_real_euroc_pair() -> None:
    root = shared_path('data/euroc_v101_stereo')
    rig = read_stereo_calibration([root])
    assert rig.left.fx == pytest.approx(436.244, abs=0.01)
    assert rectified_rig(rig.left, rig.right).baseline_m == pytest.approx(0.110078, abs=1e-5)


def test_opencv_without_extrinsics_says_so() -> None:
    path = shared_path('data/opencv_stereo_chessboard/intrinsics.yml')
    with pytest.raises(CalibrationError, match='does not state the image size'):
        read_stereo_calibration([path])
    with pytest.raises(CalibrationError, match=r'give the extrinsics too.*extrinsics\.yml'):
        read_stereo_calibration([path], image_size=(480, 640))
    assert read_mono_calibration(path, image_size=(480, 640)).camera.fx == pytest.approx(
        534.8, abs=0.1
    )


def test_opencv_of_one_camera() -> None:
    path = shared_path('data/opencv_stereo_chessboard/left_intrinsics.yml')
    camera = read_mono_calibration(path).camera
    assert (camera.height, camera.width, camera.d.size) == (480, 640, 5)
    assert camera.fx == pytest.approx(535.9, abs=0.1)


def test_alpha_keeps_more_of_the_image(tmp_path: Path) -> None:
    path = camchain(tmp_path).files
    crop, whole = (read_stereo_calibration(path, alpha=alpha) for alpha in (0.0, 1.0))
    assert whole.left.fx < crop.left.fx
    expect_geometry(whole)


@pytest.mark.parametrize(
    ('line', 'model', 'coefficients'),
    [
        ('1 PINHOLE 640 480 500 501 320.5 240.5', 'plumb_bob', []),
        ('1 SIMPLE_PINHOLE 640 480 500 320.5 240.5', 'plumb_bob', []),
        ('1 RADIAL 640 480 500 320.5 240.5 -0.2 0.05', 'plumb_bob', [-0.2, 0.05]),
        ('1 OPENCV_FISHEYE 640 480 500 501 320.5 240.5 0 0 0 0', 'equidistant', [0.0] * 4),
        ('1 SIMPLE_RADIAL_FISHEYE 640 480 500 320.5 240.5 0.1', 'equidistant', [0.1]),
        ('1 RADIAL_FISHEYE 640 480 500 320.5 240.5 0.1 0.2', 'equidistant', [0.1, 0.2]),
    ],
)
def test_colmap_cameras(tmp_path: Path, line: str, model: str, coefficients: list[float]) -> None:
    """Half a pixel less than in the file: COLMAP's first pixel has its centre at 0.5."""
    path = save(tmp_path / 'cameras.txt', f'# Camera list\n\n{line}\n\n')
    camera = read_mono_calibration(path).camera
    assert camera.k[0, 2] == 320.0
    assert camera.distortion_model.value == model
    np.testing.assert_array_equal(camera.d[: len(coefficients)], coefficients)
    with pytest.raises(CalibrationError, match='multiview'):
        read_stereo_calibration([path])
