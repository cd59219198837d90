"""Folders laid out as public data sets, filled with rendered images whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from depth_ros.pictures.panels import write_picture
from depth_ros.scenes.paths import scene_path
from tests.kit.odometry_sequences import shots

NUM_FRAMES = 4
FIRST_NS = 1_400_000_000_000_000_000
STEP_NS = 100_000_000


def view(index: int):
    return shots('room', 60)[index].view


def stamp_ns(index: int) -> int:
    return FIRST_NS + index * STEP_NS


def steps(depth: np.ndarray, unit_m: float) -> np.ndarray:
    return np.rint(np.nan_to_num(depth) / unit_m).astype(np.uint16)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.dtype == np.uint16:
        assert cv2.imwrite(str(path), image)
    else:
        write_picture(path, image)


def matrix4(camera: object, scale: float = 1.0) -> str:
    k = np.eye(4)
    k[:3, :3] = camera.p[:, :3]  # type: ignore[attr-defined]
    k[0, 2], k[1, 2] = (k[0, 2] + 0.5) * scale - 0.5, (k[1, 2] + 0.5) * scale - 0.5
    k[0, 0], k[1, 1] = k[0, 0] * scale, k[1, 1] * scale
    return '\n'.join(' '.join(f'{value:.9g}' for value in row) for row in k)


def tum_rgbd(folder: Path) -> None:
    lists: dict[str, list[str]] = {'rgb': ['# color images'], 'depth': ['# depth maps']}
    for index in range(NUM_FRAMES):
        for kind, late_ns in (('rgb', 0), ('depth', 7_000_000)):
            stamp = stamp_ns(index) + late_ns
            text = f'{stamp // 10**9}.{stamp % 10**9 // 1000:06d}'
            image = view(index).image if kind == 'rgb' else steps(view(index).depth, 1 / 5000)
            save(folder / kind / f'{text}.png', image)
            lists[kind].append(f'{text} {kind}/{text}.png')
    lists['rgb'].append('1400000900.000000 rgb/none.png')
    for kind, lines in lists.items():
        (folder / f'{kind}.txt').write_text('\n'.join(lines) + '\n')


def icl_nuim(folder: Path) -> None:
    for index in range(NUM_FRAMES):
        save(folder / 'rgb' / f'{index}.png', view(index).image)
        save(folder / 'depth' / f'{index}.png', steps(view(index).depth, 1 / 5000))


def seven_scenes(folder: Path) -> None:
    for index in range(NUM_FRAMES):
        depth = steps(view(index).depth, 0.001)
        depth[:20] = 65535
        save(folder / f'frame-{index:06d}.color.png', view(index).image)
        save(folder / f'frame-{index:06d}.depth.png', depth)
        (folder / f'frame-{index:06d}.pose.txt').write_text('1 0 0 0\n' * 4)


def scannet(folder: Path) -> None:
    """Images and depth at half size, each with a matrix of its own."""
    for index in range(NUM_FRAMES):
        save(folder / 'color' / f'{index}.jpg', view(index).image)
        save(folder / 'depth' / f'{index}.png', steps(view(index).depth[::2, ::2], 0.001))
    (folder / 'intrinsic').mkdir()
    camera = view(0).camera
    (folder / 'intrinsic' / 'intrinsic_color.txt').write_text(matrix4(camera))
    half = matrix4(camera).split()
    values = np.array(half, float).reshape(4, 4)
    values[:2, :3] /= 2.0  # every second pixel: no half pixel of shift
    (folder / 'intrinsic' / 'intrinsic_depth.txt').write_text(
        '\n'.join(' '.join(map(str, row)) for row in values)
    )


def replica(folder: Path) -> None:
    for index in range(NUM_FRAMES):
        save(folder / 'results' / f'frame{index:06d}.jpg', view(index).image)
        save(folder / 'results' / f'depth{index:06d}.png', steps(view(index).depth, 1 / 6553.5))
    (folder / 'traj.txt').write_text('1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n' * NUM_FRAMES)
    camera = view(0).camera
    (folder / 'cam_params.json').write_text(
        '{"camera": {"w": 320, "h": 240, "scale": 6553.5, '
        f'"fx": {camera.fx}, "fy": {camera.fy}, "cx": {camera.cx}, "cy": {camera.cy}}}}}'
    )


DEPTH_FOLDERS: dict[str, Callable[[Path], None]] = {
    'tum_rgbd': tum_rgbd,
    'icl_nuim': icl_nuim,
    '7scenes': seven_scenes,
    'scannet': scannet,
    'replica': replica,
}

PATH = scene_path('room', num_frames=60, rate_hz=10.0)


def pair(index: int):
    return PATH.stereo(index)


def kitti_lines(names: tuple[str, str]) -> str:
    lines = []
    for name, camera in zip(names, (PATH.camera.left, PATH.camera.right), strict=True):
        lines.append(f'{name}: ' + ' '.join(f'{value:.9g}' for value in camera.p.ravel()))
    return '\n'.join(lines) + '\n'


def euroc(folder: Path) -> None:
    for camera, side, x in (('cam0', 'left', 0.0), ('cam1', 'right', PATH.camera.baseline_m)):
        for index in range(NUM_FRAMES):
            late = 0 if side == 'left' or index != 2 else 100
            name = f'{stamp_ns(index) + late}.png'
            save(folder / 'mav0' / camera / 'data' / name, getattr(pair(index), side))
        own = getattr(PATH.camera, side)
        (folder / 'mav0' / camera / 'sensor.yaml').write_text(
            'sensor_type: camera\n'
            f'T_BS:\n  cols: 4\n  rows: 4\n  data: [1, 0, 0, {x}, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, '
            '0, 1]\n'
            f'rate_hz: 20\nresolution: [{own.width}, {own.height}]\ncamera_model: pinhole\n'
            f'intrinsics: [{own.fx}, {own.fy}, {own.cx}, {own.cy}]\n'
            'distortion_model: radial-tangential\ndistortion_coefficients: [0, 0, 0, 0]\n'
        )
    save(folder / 'mav0' / 'cam0' / 'data' / f'{stamp_ns(90)}.png', pair(0).left)


def kitti_raw(folder: Path) -> None:
    drive = folder / '2011_09_26_drive_0001_sync'
    for number, side in (('image_02', 'left'), ('image_03', 'right')):
        for index in range(NUM_FRAMES):
            path = drive / number / 'data' / f'{index:010d}.png'
            save(path, getattr(pair(index), side))
        times = [f'2011-09-26 13:02:25.{index}00000001\n' for index in range(NUM_FRAMES)]
        (drive / number / 'timestamps.txt').write_text(''.join(times))
    size = f'{PATH.camera.left.width} {PATH.camera.left.height}'
    (folder / 'calib_cam_to_cam.txt').write_text(
        f'S_rect_02: {size}\nS_rect_03: {size}\n' + kitti_lines(('P_rect_02', 'P_rect_03'))
    )


def kitti_odometry(folder: Path) -> None:
    for number, side in (('image_0', 'left'), ('image_1', 'right')):
        for index in range(NUM_FRAMES):
            save(folder / number / f'{index:06d}.png', getattr(pair(index), side))
    (folder / 'calib.txt').write_text(kitti_lines(('P0', 'P1')) + kitti_lines(('P2', 'P3')))
    times = [f'{0.1 * index:e}\n' for index in range(NUM_FRAMES)]
    (folder / 'times.txt').write_text(''.join(times))


def kitti_object(folder: Path) -> None:
    root = folder / 'training'
    (root / 'calib').mkdir(parents=True)
    for number, side in (('image_2', 'left'), ('image_3', 'right')):
        for index in range(NUM_FRAMES):
            save(root / number / f'{index:06d}.png', getattr(pair(index), side))
    for index in range(NUM_FRAMES):
        (root / 'calib' / f'{index:06d}.txt').write_text(
            kitti_lines(('P0', 'P1')) + kitti_lines(('P2', 'P3'))
        )


def scenes(folder: Path) -> None:
    for index in range(NUM_FRAMES):
        place = folder / f'scene{index}'
        for name, side in (('im0', 'left'), ('im1', 'right')):
            save(place / f'{name}.png', getattr(pair(index), side))
        left = PATH.camera.left
        k = f'[{left.fx} 0 {left.cx}; 0 {left.fy} {left.cy}; 0 0 1]'
        (place / 'calib.txt').write_text(
            f'cam0={k}\ncam1={k}\ndoffs=0\nbaseline={1000 * PATH.camera.baseline_m}\n'
            f'width={left.width}\nheight={left.height}\nndisp=64\n'
        )


STEREO_FOLDERS: dict[str, Callable[[Path], None]] = {
    'euroc': euroc,
    'kitti_raw': kitti_raw,
    'kitti_odometry': kitti_odometry,
    'kitti_object': kitti_object,
    'eth3d': scenes,
    'middlebury': scenes,
}
"""``kitti_raw`` makes a folder of a date with one drive; the others what their reader takes."""
