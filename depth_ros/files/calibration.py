"""Calibration files of stereo rigs, recognised by their content.

Known are what ROS's ``camera_calibration`` writes (``left.yaml`` and ``right.yaml``), the JSON
of the ``stereodemo`` package, Middlebury's ``calib.txt`` (Scharstein et al. 2014) and KITTI's
(Geiger et al. 2013).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from depth_ros.camera import PinholeCamera, camera_from_calibration, ideal_camera
from depth_ros.errors import CalibrationError, InputError
from depth_ros.files.given_file import given_text
from depth_ros.files.json_text import parse_json
from depth_ros.files.yaml_text import parse_yaml

ImageSize = tuple[int, int]
ROS_PATTERN = r'^camera_matrix:'
ROS_FORMAT = 'ROS camera_info YAML'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StereoCalibration:
    """Two cameras as a file gives them.

    Attributes:
        left: Left camera.
        right: Right camera; its ``p[0, 3]`` carries the baseline where the file has one.
        is_rectified: Whether images of this calibration are rectified by convention: true for
            every format but ROS's, which describes the raw cameras.
        format: Name of the format; empty where it came from no file.
    """

    left: PinholeCamera
    right: PinholeCamera
    is_rectified: bool
    format: str = ''


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MonoCalibration:
    """One camera as a file gives it.

    Attributes:
        camera: The camera.
        is_rectified: As in ``StereoCalibration``.
        format: Name of the format.
    """

    camera: PinholeCamera
    is_rectified: bool
    format: str = ''


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationFormat:
    """One line of the table of formats.

    Attributes:
        name: What it is called in messages.
        pattern: Regular expression found in every such file and in no other.
        read: Reader of a file (for ROS also of its partner).
    """

    name: str
    pattern: str
    read: Callable[[Sequence[Path], ImageSize | None], StereoCalibration]


def read_rig(*files: Path | str, image_size: ImageSize | None = None) -> StereoCalibration:
    """Read a rig's calibration from one file, from a left and a right one, or from a folder.

    Arguments and errors are those of ``read_stereo_calibration``.
    """
    return read_stereo_calibration([Path(file) for file in files], image_size=image_size)


def read_stereo_calibration(
    paths: Sequence[Path], *, image_size: ImageSize | None = None
) -> StereoCalibration:
    """Read a rig's calibration.

    Args:
        paths: One file; or the left and the right file; or a folder with ``left.yaml`` and
            ``right.yaml``. A ROS file alone is joined by its partner, found by name.
        image_size: ``(height, width)`` of the images, for formats that do not state it.

    Raises:
        CalibrationError: If a file is missing, of no known format, or says something impossible.
    """
    files = _files(paths)
    text = _text(files[0])
    for entry in FORMATS:
        if re.search(entry.pattern, text, re.MULTILINE):
            return entry.read(files, image_size)
    known = ', '.join(entry.name for entry in FORMATS)
    raise CalibrationError(
        'calibration_format', f'{files[0]} is no calibration this reads; give one of: {known}'
    )


def read_mono_calibration(
    path: Path | str, *, image_size: ImageSize | None = None
) -> MonoCalibration:
    """Read one camera's calibration; of a rig's file that is the left camera.

    Args:
        path: A file of any known format.
        image_size: ``(height, width)`` of the images, for formats that do not state it.

    Raises:
        CalibrationError: If the file is missing, of no known format, or says something
            impossible.
    """
    path = Path(path)
    if path.is_file() and re.search(ROS_PATTERN, _text(path), re.MULTILINE):
        return MonoCalibration(camera=_ros_camera(path), is_rectified=False, format=ROS_FORMAT)
    rig = read_stereo_calibration([path], image_size=image_size)
    return MonoCalibration(
        camera=rig.left, is_rectified=rig.is_rectified, format=f'{rig.format}, left camera'
    )


def _files(paths: Sequence[Path]) -> list[Path]:
    """Turn a folder into its two files and check that all exist."""
    if not 1 <= len(paths) <= 2:
        raise CalibrationError(
            'calibration_file',
            f'a calibration is one file, a left and a right file, or a folder, got {len(paths)}',
        )
    files = list(paths)
    if len(files) == 1 and files[0].is_dir():
        files = [files[0] / 'left.yaml', files[0] / 'right.yaml']
    for path in files:
        if not path.is_file():
            raise CalibrationError(
                'calibration_file', f'there is no calibration file {path}; check the path'
            )
    return files


def _text(path: Path) -> str:
    try:
        return given_text(path)
    except InputError as error:
        raise CalibrationError('calibration_file', str(error)) from None


def _read_ros(files: Sequence[Path], image_size: ImageSize | None) -> StereoCalibration:
    """Read what ``camera_calibration`` and ``camera_info_manager`` write."""
    left_file = files[0]
    right_file = files[1] if len(files) == 2 else _right_of(left_file)
    return StereoCalibration(
        left=_ros_camera(left_file),
        right=_ros_camera(right_file),
        is_rectified=False,
        format=ROS_FORMAT,
    )


def _right_of(left_file: Path) -> Path:
    """Find the right camera's file by the left one's name."""
    partner = left_file.with_name(left_file.name.replace('left', 'right'))
    if partner == left_file or not partner.is_file():
        raise CalibrationError(
            'calibration_file',
            f'{left_file} describes one camera; give the right camera too: '
            '--calibration left.yaml right.yaml',
        )
    return partner


def _ros_camera(path: Path) -> PinholeCamera:
    try:
        record = cast(dict, parse_yaml(_text(path)))
        return camera_from_calibration(
            k=np.array(record['camera_matrix']['data'], np.float64),
            d=np.array(record['distortion_coefficients']['data'], np.float64),
            distortion_model=str(record['distortion_model']),
            r=np.array(record['rectification_matrix']['data'], np.float64),
            p=np.array(record['projection_matrix']['data'], np.float64),
            height=int(record['image_height']),
            width=int(record['image_width']),
            frame_id=str(record.get('camera_name', '')),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _broken(path, 'a ROS camera_info YAML', error) from None


def _read_stereodemo(files: Sequence[Path], image_size: ImageSize | None) -> StereoCalibration:
    """Read the JSON of the ``stereodemo`` package: one focal length, one ``cx`` per camera."""
    path = files[0]
    try:
        record = cast(dict, parse_json(_text(path)))
        numbers = {
            name: float(record[name])
            for name in ('fx', 'fy', 'cx0', 'cx1', 'cy', 'baseline_meters', 'width', 'height')
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _broken(path, 'a stereodemo JSON', error) from None
    return _rectified_pair(
        focal=(numbers['fx'], numbers['fy']),
        left_center=(numbers['cx0'], numbers['cy']),
        right_center=(numbers['cx1'], numbers['cy']),
        baseline_m=numbers['baseline_meters'],
        size=(int(numbers['height']), int(numbers['width'])),
        name='stereodemo JSON',
    )


def _read_middlebury(files: Sequence[Path], image_size: ImageSize | None) -> StereoCalibration:
    """Read Middlebury 2014: ``cam0``, ``cam1`` and, in mm, ``baseline``; doffs = cx1 - cx0."""
    path = files[0]
    lines = dict(re.findall(r'^\s*(\w+)\s*=\s*(.+?)\s*$', _text(path), re.MULTILINE))
    try:
        left = _numbers(lines['cam0']).reshape(3, 3)
        right = _numbers(lines['cam1']).reshape(3, 3)
        baseline_m = float(lines['baseline']) / 1000.0
        size = (int(lines['height']), int(lines['width']))
    except (KeyError, ValueError, OverflowError) as error:
        raise _broken(path, 'a Middlebury calib.txt', error) from None
    return _rectified_pair(
        focal=(left[0, 0], left[1, 1]),
        left_center=(left[0, 2], left[1, 2]),
        right_center=(right[0, 2], right[1, 2]),
        baseline_m=baseline_m,
        size=size,
        name='Middlebury calib.txt',
    )


def _read_kitti(files: Sequence[Path], image_size: ImageSize | None) -> StereoCalibration:
    """Read KITTI: the grey pair ``P0``/``P1`` (``P_rect_00``/``P_rect_01`` in the raw data)."""
    path = files[0]
    lines = dict(re.findall(r'^\s*(\w+)\s*:\s*(.+?)\s*$', _text(path), re.MULTILINE))
    prefix = 'P' if 'P0' in lines else 'P_rect_0'
    try:
        left = _numbers(lines[f'{prefix}0']).reshape(3, 4)
        right = _numbers(lines[f'{prefix}1']).reshape(3, 4)
        size = _kitti_size(lines) or image_size
    except (KeyError, ValueError, OverflowError) as error:
        raise _broken(path, 'a KITTI calib.txt', error) from None
    if size is None:
        raise CalibrationError(
            'calibration_size', f'{path} does not state the image size; pass image_size'
        )
    return _rectified_pair(
        focal=(left[0, 0], left[1, 1]),
        left_center=(left[0, 2], left[1, 2]),
        right_center=(right[0, 2], right[1, 2]),
        baseline_m=float(left[0, 3] / left[0, 0] - right[0, 3] / right[0, 0]),
        size=size,
        name='KITTI calib.txt',
    )


def _kitti_size(lines: Mapping[str, str]) -> ImageSize | None:
    """Take the size of the rectified image, which only the raw data's file states."""
    if 'S_rect_00' not in lines:
        return None
    width, height = _numbers(lines['S_rect_00'])
    return int(height), int(width)


def _rectified_pair(
    *,
    focal: tuple[float, float],
    left_center: tuple[float, float],
    right_center: tuple[float, float],
    baseline_m: float,
    size: ImageSize,
    name: str,
) -> StereoCalibration:
    def camera(center: tuple[float, float], tx: float) -> PinholeCamera:
        return ideal_camera(
            fx=float(focal[0]),
            fy=float(focal[1]),
            cx=float(center[0]),
            cy=float(center[1]),
            height=size[0],
            width=size[1],
            tx=tx,
        )

    return StereoCalibration(
        left=camera(left_center, 0.0),
        right=camera(right_center, -float(focal[0]) * baseline_m),
        is_rectified=True,
        format=name,
    )


def _numbers(text: str) -> np.ndarray:
    """Read numbers between brackets, semicolons, commas and spaces."""
    return np.array([float(word) for word in re.split(r'[\[\];,\s]+', text) if word])


def _broken(path: Path, what: str, error: Exception) -> CalibrationError:
    detail = f'{type(error).__name__}: {error}'.splitlines()[0]
    return CalibrationError(
        'calibration_file',
        f'{path} looks like {what} but cannot be read ({detail}); '
        'write it again from the calibration tool',
    )


FORMATS: tuple[CalibrationFormat, ...] = (
    CalibrationFormat(
        name='ROS camera_info YAML (left.yaml and right.yaml)',
        pattern=ROS_PATTERN,
        read=_read_ros,
    ),
    CalibrationFormat(
        name='stereodemo JSON', pattern=r'"baseline_meters"\s*:', read=_read_stereodemo
    ),
    CalibrationFormat(name='Middlebury calib.txt', pattern=r'^\s*cam0\s*=', read=_read_middlebury),
    CalibrationFormat(name='KITTI calib.txt', pattern=r'^\s*P(0|_rect_00)\s*:', read=_read_kitti),
)
"""Every known format, tried in this order."""
