"""Calibration files that people have, recognised by their content; see ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats import (
    colmap,
    depthai,
    echo,
    euroc,
    kalibr,
    kitti,
    middlebury,
    opencv_yaml,
    realsense,
    ros_yaml,
    stereodemo,
    zed,
)
from depth_ros.files.calibration_formats.document import Document, open_document
from depth_ros.files.calibration_formats.values import (
    ImageSize as ImageSize,
)
from depth_ros.files.calibration_formats.values import (
    MonoCalibration as MonoCalibration,
)
from depth_ros.files.calibration_formats.values import (
    ReadOptions as ReadOptions,
)
from depth_ros.files.calibration_formats.values import (
    StereoCalibration as StereoCalibration,
)
from depth_ros.files.given_path import library_path


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationFormat:
    """One line of the table of formats.

    Attributes:
        name: What it is called in messages.
        matches: Whether a file is of it.
        read_rig: Reader of one file, or of a left and a right one.
        read_camera: Reader of one camera of it; None where that is the rig's left one.
    """

    name: str
    matches: Callable[[Document], bool]
    read_rig: Callable[[list[Document], ReadOptions], StereoCalibration]
    read_camera: Callable[[Document, ReadOptions], MonoCalibration] | None = None


FORMATS: tuple[CalibrationFormat, ...] = (
    CalibrationFormat(
        name='ROS camera_info YAML (left.yaml and right.yaml)',
        matches=ros_yaml.matches,
        read_rig=ros_yaml.read_rig,
        read_camera=ros_yaml.read_camera,
    ),
    CalibrationFormat(
        name='dumps of ros2 topic echo',
        matches=echo.matches,
        read_rig=echo.read_rig,
        read_camera=echo.read_camera,
    ),
    CalibrationFormat(
        name='OpenCV intrinsics.yml and extrinsics.yml',
        matches=opencv_yaml.matches,
        read_rig=opencv_yaml.read_rig,
        read_camera=opencv_yaml.read_camera,
    ),
    CalibrationFormat(
        name='Kalibr camchain.yaml',
        matches=kalibr.matches,
        read_rig=kalibr.read_rig,
        read_camera=kalibr.read_camera,
    ),
    CalibrationFormat(
        name='EuRoC sensor.yaml of both cameras',
        matches=euroc.matches,
        read_rig=euroc.read_rig,
        read_camera=euroc.read_camera,
    ),
    CalibrationFormat(
        name='stereodemo JSON', matches=stereodemo.matches, read_rig=stereodemo.read_rig
    ),
    CalibrationFormat(name='DepthAI JSON', matches=depthai.matches, read_rig=depthai.read_rig),
    CalibrationFormat(
        name='Middlebury and ETH3D calib.txt',
        matches=middlebury.matches,
        read_rig=middlebury.read_rig,
    ),
    CalibrationFormat(name='KITTI calib.txt', matches=kitti.matches, read_rig=kitti.read_rig),
    CalibrationFormat(name='ZED .conf', matches=zed.matches, read_rig=zed.read_rig),
    CalibrationFormat(
        name='text of rs-enumerate-devices -c',
        matches=realsense.matches,
        read_rig=realsense.read_rig,
    ),
    CalibrationFormat(
        name='COLMAP cameras.txt',
        matches=colmap.matches,
        read_rig=colmap.read_rig,
        read_camera=colmap.read_camera,
    ),
)
"""Every known format, tried in this order."""

RIG_FOLDERS = (
    ('left.yaml', 'right.yaml'),
    ('left.yml', 'right.yml'),
    ('intrinsics.yml', 'extrinsics.yml'),
    ('mav0/cam0/sensor.yaml', 'mav0/cam1/sensor.yaml'),
    ('cam0/sensor.yaml', 'cam1/sensor.yaml'),
)
"""Pairs of files that a folder may be given for, tried in this order."""

LONE_FILES = ('calib_cam_to_cam.txt', 'calib.txt', 'camchain.yaml', 'calibration.json')
"""Files of a whole rig that a folder may be given for."""


def read_rig(
    *files: Path | str | Sequence[Path | str],
    image_size: ImageSize | None = None,
    alpha: float = 0.0,
) -> StereoCalibration:
    """Read a rig's calibration from one file, from a left and a right one, or from a folder.

    Files may come as one list. Arguments and errors are those of ``read_stereo_calibration``.
    """
    given = files[0] if len(files) == 1 and isinstance(files[0], (list, tuple)) else files
    return read_stereo_calibration(
        [_path(file) for file in given], image_size=image_size, alpha=alpha
    )


def read_stereo_calibration(
    paths: Sequence[Path],
    *,
    image_size: ImageSize | None = None,
    image: Path | None = None,
    alpha: float = 0.0,
) -> StereoCalibration:
    """Read a rig's calibration.

    Args:
        paths: One file; or the left and the right file; or a folder with ``left.yaml`` and
            ``right.yaml`` or with another pair of ``RIG_FOLDERS``. The partner of a file of one
            camera is found by name.
        image_size: ``(height, width)`` of the images, for formats that do not state it.
        image: As in ``ReadOptions``.
        alpha: As in ``ReadOptions``; 0 to 1.

    Raises:
        CalibrationError: If a file is missing, of no known format, or says something impossible.
    """
    documents = [open_document(path) for path in _files(paths)]
    options = ReadOptions(image_size=image_size, image=image, alpha=alpha)
    return _format_of(documents[0]).read_rig(documents, options)


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
    (first, *_) = _files([_path(path)])
    document = open_document(first)
    options = ReadOptions(image_size=image_size)
    entry = _format_of(document)
    if entry.read_camera is not None:
        return entry.read_camera(document, options)
    rig = entry.read_rig([document], options)
    return MonoCalibration(
        camera=rig.left, is_rectified=rig.is_rectified, format=f'{rig.format}, left camera'
    )


def _path(file: object) -> Path:
    return library_path(file, what='a calibration', kind=CalibrationError)


def _format_of(document: Document) -> CalibrationFormat:
    entry = next((entry for entry in FORMATS if entry.matches(document)), None)
    if entry is not None:
        return entry
    known = ', '.join(entry.name for entry in FORMATS)
    problem = f' ({document.problem})' if document.problem else ''
    raise CalibrationError(
        'calibration_format',
        f'{document.path} is no calibration this reads{problem}; give one of: {known}',
    )


def _files(paths: Sequence[Path]) -> list[Path]:
    """Turn a folder into its files and check that all exist."""
    if not 1 <= len(paths) <= 2:
        raise CalibrationError(
            'calibration_file',
            f'a calibration is one file, a left and a right file, or a folder, got {len(paths)}',
        )
    files = list(paths)
    if len(files) == 1 and files[0].is_dir():
        files = _files_in(files[0])
    for path in files:
        if not path.is_file():
            raise CalibrationError(
                'calibration_file', f'there is no calibration file {path}; check the path'
            )
    return files


def _files_in(folder: Path) -> list[Path]:
    for names in RIG_FOLDERS:
        if all((folder / name).is_file() for name in names):
            return [folder / name for name in names]
    lone = [folder / name for name in LONE_FILES if (folder / name).is_file()]
    return lone[:1] or [folder / name for name in RIG_FOLDERS[0]]
