"""``depth-ros run match``: two images to point pairs, a picture and the geometry between them."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.cli.kit.arguments import add_out, expect_settings_used
from depth_ros.cli.kit.options import add_settings, read_settings
from depth_ros.cli.kit.outputs import Record, file_identity
from depth_ros.cli.kit.progress import open_progress
from depth_ros.errors import ImageError
from depth_ros.files.calibration import read_stereo_calibration
from depth_ros.files.image import read_rgb
from depth_ros.files.whole_file import write_json
from depth_ros.frames import ImagePair
from depth_ros.geometry.two_view import (
    MIN_MATCHES,
    TwoViewGeometry,
    TwoViewSettings,
    estimate_two_view,
)
from depth_ros.pictures.matches import match_picture
from depth_ros.pictures.panels import write_picture
from depth_ros.settings import values_of
from depth_ros.tasks.matching.matcher import Matcher, MatchOutput, open_matcher
from depth_ros.tasks.matching.settings import MatchSettings
from depth_ros.tensors import Task

Cameras = tuple['PinholeCamera | None', 'PinholeCamera | None', bool]


def add_parser(tasks: argparse._SubParsersAction) -> None:
    """Add the task to ``depth-ros run``."""
    match = tasks.add_parser(
        'match',
        description='Match two images. Writes A_B_matches.npz, .json and .png (lines from blue, '
        'least confident, to red; matches that do not hold are grey).',
    )
    match.add_argument('first', type=Path, metavar='A')
    match.add_argument('second', type=Path, metavar='B')
    add_out(match, Path('match_out'))
    add_settings(match, MatchSettings, title='matching')
    _add_inputs(match)
    match.set_defaults(run=run_match)


def run_match(arguments: argparse.Namespace) -> int:
    """Match one pair; return the exit code."""
    settings = read_settings(MatchSettings, arguments)
    expect_settings_used(MatchSettings, arguments, Task.MATCHING, (settings.model,))
    pair = ImagePair(
        first=read_rgb(arguments.first),
        second=read_rgb(arguments.second),
        first_mask=_read_mask(arguments.first_mask),
        second_mask=_read_mask(arguments.second_mask),
    )
    cameras = _read_cameras(arguments, pair)
    with open_progress() as progress:
        matcher = open_matcher(settings, progress=progress)
    try:
        output = matcher.match(pair)
        geometry = _geometry(output, cameras, settings)
        stem = f'{arguments.first.stem}_{arguments.second.stem}_matches'
        arguments.out.mkdir(parents=True, exist_ok=True)
        _write(arguments.out / stem, pair, output, geometry)
        record = _record(arguments, matcher, output, geometry)
    finally:
        matcher.close()
    write_json(arguments.out / f'{stem}.json', record)
    print(f'{matcher.describe()}: {_counted(output)}; {geometry.text}')
    if np.array_equal(pair.first, pair.second):
        print('  both images are identical, so every point matches itself; give two views')
    print(f'files are {arguments.out / stem}.npz, .png and .json')
    return 0


def _counted(output: MatchOutput) -> str:
    """Say how many matches there are, and how many of them are used."""
    used = len(output.result.confidence)
    if used == output.num_found:
        return f'{used} matches'
    raised = f', raise it to {MIN_MATCHES} or more' if used < MIN_MATCHES else ''
    return f'{output.num_found} matches, of which --max-matches keeps the best {used}{raised}'


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('images')
    for name in ('first', 'second'):
        group.add_argument(
            f'--{name}-mask',
            type=Path,
            metavar='FILE',
            help='grey image: only where it is not black',
        )
    group.add_argument(
        '--calibration',
        nargs='+',
        type=Path,
        metavar='FILE',
        help='of A and B, as for run stereo: gives the relative pose; see --one-camera',
    )
    group.add_argument(
        '--one-camera', action='store_true', help="both images are the calibration's left camera's"
    )


def _read_mask(path: Path | None) -> np.ndarray | None:
    if path is None:
        return None
    if not path.is_file():
        raise ImageError('file', f'there is no mask {path}; check the path')
    mask = read_rgb(path)
    if (mask != mask[..., :1]).any():
        raise ImageError(
            'mask',
            f'the mask {path} must be grey, one channel, black where no match is wanted, but it '
            'has colours; give a mask of that image, or leave the option out',
        )
    return np.asarray(mask.any(axis=2))


def _read_cameras(arguments: argparse.Namespace, pair: ImagePair) -> Cameras:
    """Return both cameras, and whether the images are rectified."""
    if not arguments.calibration:
        return None, None, False
    height, width = pair.first.shape[:2]
    read = read_stereo_calibration(arguments.calibration, image_size=(height, width))
    second = read.left if arguments.one_camera else read.right
    read.left.check_image_size(height, width)
    second.check_image_size(*pair.second.shape[:2])
    return read.left, second, read.is_rectified


def _geometry(output: MatchOutput, cameras: Cameras, settings: MatchSettings) -> TwoViewGeometry:
    first, second, is_rectified = cameras
    return estimate_two_view(
        output.result,
        first_camera=first,
        second_camera=second,
        are_rectified=is_rectified,
        settings=TwoViewSettings(threshold_px=settings.inlier_threshold_px),
    )


def _write(path: Path, pair: ImagePair, output: MatchOutput, geometry: TwoViewGeometry) -> None:
    """Write the matches and their picture; matrices that are not known are absent."""
    arrays = {
        'points_first': output.result.points_first,
        'points_second': output.result.points_second,
        'confidence': output.result.confidence,
        'inliers': geometry.inliers,
    }
    for name in ('fundamental', 'homography', 'essential', 'second_from_first', 'covariance'):
        matrix = getattr(geometry, name)
        if matrix is not None:
            arrays[name] = matrix
    np.savez_compressed(f'{path}.npz', **arrays)  # type: ignore[arg-type]
    picture = match_picture(pair, output.result, is_inlier=geometry.inliers)
    write_picture(Path(f'{path}.png'), picture)


def _record(
    arguments: argparse.Namespace,
    matcher: Matcher,
    output: MatchOutput,
    geometry: TwoViewGeometry,
) -> Record:
    settings = {name: str(value) for name, value in values_of(matcher.settings).items()}
    return {
        'first': file_identity(arguments.first),
        'second': file_identity(arguments.second),
        'ran': matcher.describe(),
        'settings': settings,
        'opencv': cv2.__version__,
        'num_found': output.num_found,
        'num_matches': len(output.result.confidence),
        'num_inliers': geometry.num_inliers,
        'status': geometry.status.value,
        'text': geometry.text,
        'stages_s': dict(output.stages_s),
    }
