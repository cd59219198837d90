"""Every reader of files with a valid input, to be altered: by hypothesis in tests, by a fuzzer.

A reader may return or raise ``DepthRosError`` of one line; anything else is a bug.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.camera import ideal_camera
from depth_ros.errors import DepthRosError
from depth_ros.files.bags import bag_topics, read_mono_bag
from depth_ros.files.calibration import read_mono_calibration, read_stereo_calibration
from depth_ros.files.checked_yaml import Section
from depth_ros.files.cloud import read_ply, write_ply
from depth_ros.files.data_sets.depth_sets import DEPTH_SETS
from depth_ros.files.image import read_rgb
from depth_ros.files.maps import read_depth, read_disparity
from depth_ros.files.pfm import read_pfm, write_pfm
from depth_ros.files.posed.layouts import read_posed_folder
from depth_ros.files.trajectories import read_trajectory
from tests.kit.bag_writer import info, raw, stamp, write_bag
from tests.kit.calibration_files import KINDS, REALSENSE
from tests.kit.data_set_folders import DEPTH_FOLDERS

SMOOTH = np.add.outer(np.arange(12), np.arange(16)).astype(np.uint8) * 8
MATRIX = '200 0 80\n0 200 60\n0 0 1\n'
POSE = '1 0 0 0.1\n0 1 0 0.2\n0 0 1 0.3\n0 0 0 1\n'
ROS_YAML = """image_width: 16
image_height: 12
camera_name: left
camera_matrix: {rows: 3, cols: 3, data: [20.0, 0.0, 7.5, 0.0, 20.0, 5.5, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0.0, 0.0, 0.0, 0.0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [20.0, 0, 7.5, -2.0, 0, 20.0, 5.5, 0, 0, 0, 1, 0]}
"""
STEREODEMO = {
    'fx': 20.0,
    'fy': 20.0,
    'cx0': 7.5,
    'cx1': 7.5,
    'cy': 5.5,
    'baseline_meters': 0.1,
    'width': 16,
    'height': 12,
}
MIDDLEBURY = (
    'cam0=[20 0 7.5; 0 20 5.5; 0 0 1]\ncam1=[20 0 7.5; 0 20 5.5; 0 0 1]\n'
    'doffs=0\nbaseline=100\nwidth=16\nheight=12\nndisp=8\n'
)
KITTI = 'S_rect_00: 16 12\nP_rect_00: 20 0 8 0 0 20 6 0 0 0 1 0\n'
KITTI += 'P_rect_01: 20 0 8 -2 0 20 6 0 0 0 1 0\n'
TUM = '# timestamp tx ty tz qx qy qz qw\n1.5 0 0 0 0 0 0 1\n1.6 0.1 0 0 0 0 0 1\n'
EUROC = '#timestamp\n1403636579758555392,4.6,-1.7,0.7,0.5,-0.1,-0.8,-0.1,0.0\n'
CAM = f'extrinsic\n{POSE}\nintrinsic\n{MATRIX}\n425.0 2.5 192 902.5\n'


@dataclass(frozen=True, kw_only=True)
class HostileFile:
    """A reader and what it reads.

    Attributes:
        name: For test ids and the fuzzer's choice.
        file: The file that is altered, below the folder of the input.
        make: Writes a valid input into an empty folder.
        read: Reads that folder.
        needs: Package without which it cannot be tried.
    """

    name: str
    file: str
    make: Callable[[Path], None]
    read: Callable[[Path], object]
    needs: str = 'numpy'


def outcome_of(hostile: HostileFile, folder: Path, data: bytes) -> str:
    """Read an altered file; return what was said, empty where it was read.

    Raises:
        AssertionError: If an error has several lines.
        Exception: Whatever else the reader let through.
    """
    (folder / hostile.file).write_bytes(data)
    try:
        hostile.read(folder)
    except DepthRosError as error:
        assert str(error) and '\n' not in str(error), f'not one line: {error}'
        return str(error)
    return ''


def _text(name: str, file: str, text: str, read: Callable[[Path], object]) -> HostileFile:
    def make(folder: Path) -> None:
        (folder / file).write_text(text, encoding='utf-8')

    return HostileFile(name=name, file=file, make=make, read=lambda folder: read(folder / file))


def _saved(
    name: str, file: str, save: Callable[[Path], object], read: Callable[[Path], object]
) -> HostileFile:
    return HostileFile(
        name=name,
        file=file,
        make=lambda folder: save(folder / file) and None,
        read=lambda folder: read(folder / file),
    )


def _picture(suffix: str, image: np.ndarray) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(bytes(cv2.imencode(suffix, image)[1]))


def _read_rig(path: Path) -> object:
    return read_stereo_calibration([path, path], image_size=(12, 16))


def _read_one(path: Path) -> object:
    return read_mono_calibration(path, image_size=(12, 16))


def _calibration(name: str) -> HostileFile:
    """Alter the first file of a kind; a partner stays as it was."""

    return HostileFile(
        name=f'calibration {name}',
        file=CALIBRATIONS[name],
        make=lambda folder: KINDS[name](folder) and None,
        read=lambda folder: read_stereo_calibration(
            [folder / CALIBRATIONS[name]], image_size=SIZES.get(name, (480, 640))
        ),
    )


CALIBRATIONS = {
    'ros2 topic echo': 'echo_left.yaml',
    'OpenCV intrinsics and extrinsics': 'intrinsics.yml',
    'OpenCV with projections': 's.yml',
    'Kalibr radtan': 'camchain.yaml',
    'Kalibr equi': 'camchain.yaml',
    'EuRoC': 'mav0/cam0/sensor.yaml',
    'ZED': 'SN1010.conf',
    'DepthAI': 'calib.json',
}
"""File that is altered, by the kind of ``calibration_files``."""

SIZES = {'ZED': (720, 1280)}


def _read_posed(folder: Path) -> None:
    for view in read_posed_folder(folder).views:
        try:
            view.read()
        except DepthRosError as error:
            assert '\n' not in str(error)


def _read_bag(path: Path) -> None:
    bag_topics(path)
    list(read_mono_bag(path))


def _make_images(folder: Path) -> None:
    (folder / 'images').mkdir()
    for index in range(2):
        _picture('.png', SMOOTH)(folder / 'images' / f'{index:08d}.png')


def _make_poses(folder: Path) -> None:
    _make_images(folder)
    (folder / 'K.txt').write_text(MATRIX)
    row = ' '.join(POSE.split())
    (folder / 'poses.txt').write_text(f'{row}\n{row}\n')
    (folder / 'frame_rows.csv').write_text('file,pose_row\n00000000.png,0\n00000001.png,1\n')


def _make_mvsnet(folder: Path) -> None:
    _make_images(folder)
    (folder / 'cams').mkdir()
    for index in range(2):
        (folder / 'cams' / f'{index:08d}_cam.txt').write_text(CAM)
    (folder / 'pair.txt').write_text('2\n0\n1 1 9.5\n1\n1 0 4.0\n')


def _make_colmap_text(folder: Path) -> None:
    _make_images(folder)
    (folder / 'cameras.txt').write_text('1 OPENCV 16 12 20 20 8 6 0.1 0 0 0\n')
    (folder / 'images.txt').write_text('1 1 0 0 0 0.1 0.2 0.3 1 00000000.png\n10 20 -1\n')
    (folder / 'points3D.txt').write_text('1 0.5 0.5 3.0 1 2 3 0.5 1 0\n')


def _make_colmap_binary(folder: Path) -> None:
    _make_images(folder)
    camera = struct.pack('<QiiQQ4d', 1, 1, 1, 16, 12, 20, 20, 8, 6)
    (folder / 'cameras.bin').write_bytes(camera)
    image = struct.pack('<Qi7di', 1, 1, 1, 0, 0, 0, 0.1, 0.2, 0.3, 1) + b'00000000.png\0'
    (folder / 'images.bin').write_bytes(image + struct.pack('<Qddq', 1, 10, 20, -1))
    point = struct.pack('<QQ3d3Bd', 1, 1, 0.5, 0.5, 3.0, 1, 2, 3, 0.5)
    (folder / 'points3D.bin').write_bytes(point + struct.pack('<Qii', 1, 1, 0))


def _posed(name: str, make: Callable[[Path], None], *files: str) -> list[HostileFile]:
    return [
        HostileFile(name=f'{name} {file}', file=file, make=make, read=_read_posed)
        for file in files
    ]


def _bag(storage: str, file: str) -> HostileFile:
    camera = ideal_camera(fx=20.0, fy=20.0, cx=7.5, cy=5.5, height=12, width=16)
    image = np.dstack([SMOOTH] * 3)

    def make(folder: Path) -> None:
        recorded = [('/camera_info', info(camera, stamp_ns=stamp(0)))]
        recorded += [('/image_raw', raw(image, stamp_ns=stamp(index))) for index in range(2)]
        write_bag(folder / 'bag', recorded, storage=storage)

    return HostileFile(
        name=f'bag {file}',
        file=f'bag/{file}',
        make=make,
        read=lambda folder: _read_bag(folder / 'bag'),
        needs='rosbags',
    )


def _checkpoint(name: str, file: str, **options: bool) -> HostileFile:
    def make(folder: Path) -> None:
        import torch

        state = {'a.weight': torch.arange(6.0).reshape(2, 3), 'a.bias': torch.zeros(2)}
        if file.endswith('.npz'):
            np.savez(folder / file, **{key: value.numpy() for key, value in state.items()})
        elif file.endswith('.safetensors'):
            from safetensors.torch import save_file

            save_file(state, folder / file)
        else:
            beside = {'args': argparse.Namespace(lr=1.0), 'loss': np.float64(0.5)}
            torch.save({'state_dict': state, **beside}, folder / file, **options)

    def read(folder: Path) -> object:
        from depth_ros.checkpoints.read import read_checkpoint

        return read_checkpoint(folder / file)

    needs = 'safetensors' if file.endswith('.safetensors') else 'torch'
    return HostileFile(name=name, file=file, make=make, read=read, needs=needs)


def _data_set(layout: str, file: str) -> HostileFile:
    def make(folder: Path) -> None:
        DEPTH_FOLDERS[layout](folder)

    return HostileFile(
        name=f'{layout} {file}',
        file=file,
        make=make,
        read=lambda folder: DEPTH_SETS[layout](folder),
    )


HOSTILE_FILES: tuple[HostileFile, ...] = (
    _text('ROS YAML', 'left.yaml', ROS_YAML, _read_rig),
    _text('stereodemo JSON', 'rig.json', json.dumps(STEREODEMO), _read_one),
    _text('Middlebury', 'calib.txt', MIDDLEBURY, _read_one),
    _text('KITTI', 'calib.txt', KITTI, _read_one),
    _text('RealSense', 'rs.txt', REALSENSE, lambda path: read_stereo_calibration([path])),
    *(_calibration(name) for name in CALIBRATIONS),
    _text('recipe', 'recipe.yaml', 'name: a\ngraphs: {b: {c: 1}}\n', Section.read),
    _text('TUM trajectory', 'path.txt', TUM, read_trajectory),
    _text('EuRoC trajectory', 'path.csv', EUROC, read_trajectory),
    _saved('depth npy', 'a.npy', lambda p: np.save(p, np.ones((3, 4), np.float32)), read_depth),
    _saved('disparity npy', 'a.npy', lambda p: np.save(p, np.ones((3, 4))), read_disparity),
    _saved('disparity npz', 'a.npz', lambda p: np.savez(p, a=np.ones((3, 4))), read_disparity),
    _saved(
        'compressed npz',
        'a.npz',
        lambda p: np.savez_compressed(p, a=np.ones((3, 4), '>i2')),
        read_disparity,
    ),
    _saved('disparity pfm', 'a.pfm', lambda p: write_pfm(p, SMOOTH), read_disparity),
    _saved('pfm', 'a.pfm', lambda p: write_pfm(p, SMOOTH), read_pfm),
    _saved('ply', 'a.ply', lambda p: write_ply(p, np.ones((2, 3)), np.ones((2, 3))), read_ply),
    _saved('depth png', 'a.png', _picture('.png', SMOOTH.astype(np.uint16)), read_depth),
    _saved('disparity png', 'a.png', _picture('.png', SMOOTH), read_disparity),
    *(
        _saved(f'image {suffix}', f'a{suffix}', _picture(suffix, SMOOTH), read_rgb)
        for suffix in ('.png', '.jpg', '.bmp', '.pgm', '.tiff')
    ),
    *_posed('matrices', _make_poses, 'K.txt', 'poses.txt', 'frame_rows.csv'),
    *_posed('MVSNet', _make_mvsnet, 'pair.txt', 'cams/00000000_cam.txt'),
    *_posed('COLMAP', _make_colmap_text, 'cameras.txt', 'images.txt', 'points3D.txt'),
    *_posed('COLMAP', _make_colmap_binary, 'cameras.bin', 'images.bin', 'points3D.bin'),
    _bag('sqlite3', 'bag.db3'),
    _bag('mcap', 'bag.mcap'),
    _bag('mcap', 'metadata.yaml'),
    _data_set('tum_rgbd', 'rgb.txt'),
    _data_set('scannet', 'intrinsic/intrinsic_depth.txt'),
    _data_set('replica', 'cam_params.json'),
    _checkpoint('torch checkpoint', 'a.pth'),
    _checkpoint('older torch checkpoint', 'a.ckpt', _use_new_zipfile_serialization=False),
    _checkpoint('NumPy checkpoint', 'a.npz'),
    _checkpoint('safetensors', 'a.safetensors'),
)
