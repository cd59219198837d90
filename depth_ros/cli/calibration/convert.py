"""``depth-ros calibration convert``: any known calibration as ROS YAML."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_ros.cli.calibration.files import add_files
from depth_ros.cli.kit.arguments import add_out
from depth_ros.errors import ParameterError
from depth_ros.files.calibration import read_mono_calibration, read_stereo_calibration
from depth_ros.files.calibration_writer import write_ros_yaml
from depth_ros.geometry.rectify import rectified_rig


def add_parser(actions: argparse._SubParsersAction) -> None:
    """Add the action."""
    text = 'Write a calibration as left.yaml and right.yaml, which ROS and every command read.'
    parser = actions.add_parser('convert', description=text)
    add_files(parser, 'a calibration of any known format: one file, two, or a folder')
    parser.add_argument('--mono', action='store_true', help='one camera: write camera.yaml')
    add_out(parser, Path('calibration'), 'folder of the files')
    parser.set_defaults(run=run_convert)


def run_convert(arguments: argparse.Namespace) -> int:
    """Read, prove and write; return the exit code."""
    return _convert_camera(arguments) if arguments.mono else _convert_rig(arguments)


def _convert_rig(arguments: argparse.Namespace) -> int:
    calibration = read_stereo_calibration(
        arguments.files, image_size=arguments.size, alpha=arguments.alpha
    )
    rig = rectified_rig(calibration.left, calibration.right, is_rectified=calibration.is_rectified)
    _new_files(arguments.out, 'left.yaml', 'right.yaml')
    for side, camera in (('left', calibration.left), ('right', calibration.right)):
        write_ros_yaml(arguments.out / f'{side}.yaml', camera, name=side)
    print(f'{calibration.format}: {rig.describe()}')
    print(f'left.yaml and right.yaml are in {arguments.out}')
    return 0


def _convert_camera(arguments: argparse.Namespace) -> int:
    calibration = read_mono_calibration(arguments.files[0], image_size=arguments.size)
    _new_files(arguments.out, 'camera.yaml')
    write_ros_yaml(arguments.out / 'camera.yaml', calibration.camera, name='camera')
    camera = calibration.camera
    print(f'{calibration.format}: {camera.width}x{camera.height}, fx {camera.fx:.1f} px')
    print(f'camera.yaml is in {arguments.out}')
    return 0


def _new_files(folder: Path, *names: str) -> None:
    """Make the folder, and refuse to write over a calibration.

    Raises:
        ParameterError: If a file of a name is there.
    """
    there = next((folder / name for name in names if (folder / name).exists()), None)
    if there is not None:
        raise ParameterError(f'{there} is there already; name another folder with -o, or move it')
    folder.mkdir(parents=True, exist_ok=True)
