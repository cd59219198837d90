"""Every kind of calibration file gives the rig that it was written from.

The truth is a rig of two turned cameras: a point in front of it must fall on one row of both
rectified images, with the disparity that its depth asks for, whatever the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

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
from tests.kit.shared_data import shared_path

HEIGHT, WIDTH = 480, 640
K1 = np.array([[500.0, 0.0, 322.0], [0.0, 501.0, 238.0], [0.0, 0.0, 1.0]])
K2 = np.array([[503.0, 0.0, 318.0], [0.0, 504.0, 243.0], [0.0, 0.0, 1.0]])
BROWN = np.array([-0.2, 0.05, 0.001, -0.001, 0.0])
FISHEYE = np.array([0.02, -0.01, 0.004, -0.001])
R = cv2.Rodrigues(np.array([0.004, -0.02, 0.006]))[0]
T_M = np.array([-0.12, 0.001, 0.002])
RIGHT_FROM_LEFT = np.vstack([np.column_stack([R, T_M]), [0.0, 0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Written:
    """Files of one kind: what to give, and how the images are to be taken."""

    files: list[Path]
    is_fisheye: bool = False


def save(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
    return path


def file_storage(path: Path, **values: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in values.items():
        storage.write(name, np.array(value) if isinstance(value, np.ndarray) else value)
    storage.release()
    return path


def kalibr_camera(k: np.ndarray, d: np.ndarray, lens: str) -> dict[str, object]:
    return {
        'camera_model': 'pinhole',
        'distortion_coeffs': d[:4].tolist(),
        'distortion_model': lens,
        'intrinsics': [float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2])],
        'resolution': [WIDTH, HEIGHT],
    }


def camchain(folder: Path, d: np.ndarray = BROWN, lens: str = 'radtan') -> Written:
    record = {'cam0': kalibr_camera(K1, d, lens), 'cam1': kalibr_camera(K2, d, lens)}
    record['cam1']['T_cn_cnm1'] = RIGHT_FROM_LEFT.tolist()
    path = save(folder / 'camchain.yaml', yaml.safe_dump(record))
    return Written([path], is_fisheye=lens == 'equi')


def euroc(folder: Path) -> Written:
    """Poses in a body that is turned against both cameras."""
    body_from_left = np.eye(4)
    body_from_left[:3, :3] = cv2.Rodrigues(np.array([0.3, -0.7, 1.1]))[0]
    body_from_left[:3, 3] = (0.3, -0.2, 0.05)
    poses = (body_from_left, body_from_left @ np.linalg.inv(RIGHT_FROM_LEFT))
    for name, k, pose in zip(('cam0', 'cam1'), (K1, K2), poses, strict=True):
        record = kalibr_camera(k, BROWN, 'radial-tangential')
        record['distortion_coefficients'] = record.pop('distortion_coeffs')
        record['T_BS'] = {'cols': 4, 'rows': 4, 'data': pose.ravel().tolist()}
        text = '%YAML:1.0\n# General sensor definitions.\n' + yaml.safe_dump(record)
        save(folder / 'mav0' / name / 'sensor.yaml', text)
    return Written([folder / 'mav0/cam0/sensor.yaml'])


def opencv_two_files(folder: Path) -> Written:
    inside = file_storage(folder / 'intrinsics.yml', M1=K1, D1=BROWN, M2=K2, D2=BROWN)
    file_storage(folder / 'extrinsics.yml', R=R, T=T_M.reshape(3, 1))
    return Written([inside])


def opencv_one_file(folder: Path) -> Written:
    names = {
        'cameraMatrix1': K1,
        'distCoeffs1': BROWN.reshape(1, -1),
        'cameraMatrix2': K2,
        'distCoeffs2': BROWN.reshape(1, -1),
    }
    path = file_storage(
        folder / 'stereo.yml', **names, R=R, T=T_M, imageSize=np.array([WIDTH, HEIGHT])
    )
    return Written([path])


def opencv_with_projections(folder: Path) -> Written:
    rectified = cv2.stereoRectify(
        K1,
        BROWN,
        K2,
        BROWN,
        (WIDTH, HEIGHT),
        R,
        T_M[:, np.newaxis],
        flags=cv2.CALIB_ZERO_DISPARITY,
        alpha=0,
    )
    names = dict(zip(('R1', 'R2', 'P1', 'P2'), rectified[:4], strict=True))
    path = file_storage(folder / 's.yml', M1=K1, D1=BROWN, M2=K2, D2=BROWN, R=R, T=T_M, **names)
    return Written([path])


def zed(folder: Path) -> Written:
    """RX, CV and RZ are the rotation; the place of the right camera is -T for small angles."""
    rx, cv, rz = cv2.Rodrigues(R)[0].ravel()

    def camera(side: str, k: np.ndarray) -> str:
        values = {'fx': k[0, 0], 'fy': k[1, 1], 'cx': k[0, 2] + 320, 'cy': k[1, 2] + 120}
        values |= dict(zip(('k1', 'k2', 'p1', 'p2', 'k3'), BROWN, strict=True))
        lines = [f'{name}={value:.12g}' for name, value in values.items()]
        return f'[{side}_CAM_HD]\n' + '\n'.join(lines) + '\n\n'

    text = camera('LEFT', K1) + camera('RIGHT', K2)
    text += (
        f'[STEREO]\nBaseline={-1000 * T_M[0]:.12g}\nTY={-1000 * T_M[1]:.12g}\n'
        f'TZ={-1000 * T_M[2]:.12g}\nCV_HD={cv:.12g}\nRX_HD={rx:.12g}\nRZ_HD={rz:.12g}\n'
    )
    return Written([save(folder / 'SN1010.conf', text)])


def depthai(folder: Path) -> Written:
    """Both mono cameras lead to the colour camera, as boards are calibrated; cm."""
    colour_from_left = np.eye(4)
    colour_from_left[:3, 3] = (-0.04, 0.0, 0.0)
    colour_from_right = colour_from_left @ np.linalg.inv(RIGHT_FROM_LEFT)

    def camera(k: np.ndarray, pose: np.ndarray | None) -> dict[str, object]:
        pose_or_none = np.eye(4) if pose is None else pose
        t_cm = dict(zip('xyz', (100 * pose_or_none[:3, 3]).tolist(), strict=True))
        return {
            'cameraType': 0,
            'distortionCoeff': np.concatenate([BROWN, np.zeros(9)]).tolist(),
            'extrinsics': {
                'rotationMatrix': pose_or_none[:3, :3].tolist(),
                'specTranslation': {'x': 0.0, 'y': 0.0, 'z': 0.0},
                'toCameraSocket': -1 if pose is None else 0,
                'translation': t_cm,
            },
            'height': HEIGHT,
            'width': WIDTH,
            'intrinsicMatrix': k.tolist(),
            'lensPosition': 0,
        }

    cameras = [
        [0, camera(K1, None)],
        [1, camera(K1, colour_from_left)],
        [2, camera(K2, colour_from_right)],
    ]
    record = {'boardName': 'OAK', 'cameraData': cameras, 'version': 7}
    return Written([save(folder / 'calib.json', json.dumps(record))])


def ros_record(camera: PinholeCamera, style: bool | None, path: Path) -> Path:
    write_ros_yaml(path, camera, name=path.stem)
    record = yaml.safe_load(path.read_text())
    return save(path, yaml.safe_dump(record, default_flow_style=style, sort_keys=False))


def ros(style: bool | None) -> Callable[[Path], Written]:
    def write(folder: Path) -> Written:
        rig = read_stereo_calibration(camchain(folder).files)
        for side, camera in (('left', rig.left), ('right', rig.right)):
            ros_record(camera, style, folder / f'{side}.yaml')
        return Written([folder / 'left.yaml'])

    return write


def echo(folder: Path) -> Written:
    """The first message is all zeros, as of a driver that still loads its file."""
    rig = read_stereo_calibration(camchain(folder).files)
    for side, camera in (('left', rig.left), ('right', rig.right)):
        good = {
            'header': {'stamp': {'sec': 1, 'nanosec': 0}, 'frame_id': side},
            'height': HEIGHT,
            'width': WIDTH,
            'distortion_model': 'plumb_bob',
            'd': camera.d.tolist(),
            'k': camera.k.ravel().tolist(),
            'r': camera.r.ravel().tolist(),
            'p': camera.p.ravel().tolist(),
            'binning_x': 0,
            'binning_y': 0,
            'roi': {'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0, 'do_rectify': False},
        }
        zero = good | {'k': [0.0] * 9, 'r': [0.0] * 9, 'p': [0.0] * 12, 'd': []}
        texts = [yaml.safe_dump(record, sort_keys=False) for record in (zero, good, good)]
        save(folder / f'echo_{side}.yaml', '---\n'.join([*texts, '']))
    return Written([folder / 'echo_left.yaml', folder / 'echo_right.yaml'])


def file_storage_ros(folder: Path) -> Written:
    rig = read_stereo_calibration(camchain(folder).files)
    for side, camera in (('left', rig.left), ('right', rig.right)):
        file_storage(
            folder / f'fs_{side}.yaml',
            image_width=WIDTH,
            image_height=HEIGHT,
            camera_name=side,
            camera_matrix=camera.k,
            distortion_model='plumb_bob',
            distortion_coefficients=camera.d.reshape(1, -1),
            rectification_matrix=camera.r,
            projection_matrix=camera.p,
        )
    return Written([folder / 'fs_left.yaml'])


def with_bom(folder: Path) -> Written:
    written = ros(None)(folder)
    for side in ('left', 'right'):
        path = folder / f'{side}.yaml'
        text = path.read_text()
        path.write_text(text, encoding='utf-8-sig', newline='\r\n')
    return written


KINDS: dict[str, Callable[[Path], Written]] = {
    'ROS, flow style': ros(True),
    'ROS, block style': ros(False),
    'ROS, mixed style': ros(None),
    'ROS with byte order mark and CRLF': with_bom,
    'ROS by cv::FileStorage': file_storage_ros,
    'ros2 topic echo': echo,
    'OpenCV intrinsics and extrinsics': opencv_two_files,
    'OpenCV in one file': opencv_one_file,
    'OpenCV with projections': opencv_with_projections,
    'Kalibr radtan': camchain,
    'Kalibr equi': lambda folder: camchain(folder, FISHEYE, 'equi'),
    'EuRoC': euroc,
    'ZED': zed,
    'DepthAI': depthai,
}


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


KITTI = """P0: 7.0e+02 0 6.0e+02 0 0 7.0e+02 1.8e+02 0 0 0 1 0
P1: 7.0e+02 0 6.0e+02 -3.5e+02 0 7.0e+02 1.8e+02 0 0 0 1 0
P2: 7.1e+02 0 6.1e+02 4.5e+01 0 7.1e+02 1.8e+02 2.0e-01 0 0 1 2.7e-03
P3: 7.1e+02 0 6.1e+02 -3.1e+02 0 7.1e+02 1.8e+02 2.2e+00 0 0 1 2.7e-03
"""


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


REALSENSE = """Device info:
    Name                          : 	Intel RealSense D435

Intrinsic Parameters:

 Intrinsic of "Infrared 1" / 640x480 / {Y8}
  Width:      	640
  Height:     	480
  PPX:        	316.6
  PPY:        	235.5
  Fx:         	381.8
  Fy:         	381.8
  Distortion: 	Brown Conrady
  Coeffs:     	0  	0  	0  	0  	0
  FOV (deg):  	79.9 x 64.3

 Intrinsic of "Infrared 2" / 640x480 / {Y8}
  Width:      	640
  Height:     	480
  PPX:        	316.6
  PPY:        	235.5
  Fx:         	381.8
  Fy:         	381.8
  Distortion: 	Brown Conrady
  Coeffs:     	0  	0  	0  	0  	0

 Intrinsic of "Infrared 1" / 1280x720 / {Y8}
  Width:      	1280
  Height:     	720
  PPX:        	634.4
  PPY:        	352.5
  Fx:         	636.4
  Fy:         	636.4
  Distortion: 	Brown Conrady
  Coeffs:     	0  	0  	0  	0  	0

 Intrinsic of "Infrared 2" / 1280x720 / {Y8}
  Width:      	1280
  Height:     	720
  PPX:        	634.4
  PPY:        	352.5
  Fx:         	636.4
  Fy:         	636.4
  Distortion: 	Brown Conrady
  Coeffs:     	0  	0  	0  	0  	0

Extrinsic Parameters:

Extrinsic from "Infrared 1"	  To	  "Infrared 2" :
 Rotation Matrix:
   1                0                0
   0                1                0
   0                0                1

 Translation Vector: 	-0.0499  	0  	0
"""


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
