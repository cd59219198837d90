"""Calibration files of every kind, written from one rig of two turned cameras."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from depth_ros.camera import PinholeCamera
from depth_ros.files.calibration import read_stereo_calibration
from depth_ros.files.calibration_writer import write_ros_yaml

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


KITTI = """P0: 7.0e+02 0 6.0e+02 0 0 7.0e+02 1.8e+02 0 0 0 1 0
P1: 7.0e+02 0 6.0e+02 -3.5e+02 0 7.0e+02 1.8e+02 0 0 0 1 0
P2: 7.1e+02 0 6.1e+02 4.5e+01 0 7.1e+02 1.8e+02 2.0e-01 0 0 1 2.7e-03
P3: 7.1e+02 0 6.1e+02 -3.1e+02 0 7.1e+02 1.8e+02 2.2e+00 0 0 1 2.7e-03
"""


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
