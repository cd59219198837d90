"""``depth-ros calibration create``: a rig or a camera from pictures of a board."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.cli.calibration.files import share
from depth_ros.cli.calibration.views import BoardViews, find_views
from depth_ros.cli.kit.arguments import add_out
from depth_ros.cli.kit.batch import warn
from depth_ros.cli.kit.outputs import Record
from depth_ros.files.calibration import StereoCalibration
from depth_ros.files.calibration_formats.joined import joined_rig
from depth_ros.files.calibration_formats.values import Extrinsics, RawCamera
from depth_ros.files.calibration_writer import write_ros_yaml
from depth_ros.files.whole_file import whole_file, write_json
from depth_ros.geometry.board_calibration import (
    CameraFit,
    Rectified,
    RigFit,
    coverage,
    fit_camera,
    fit_rig,
    row_errors_px,
)
from depth_ros.geometry.boards import Board
from depth_ros.geometry.rectify import rectified_rig
from depth_ros.pictures.corner_map import corner_map
from depth_ros.pictures.panels import write_picture

USUAL_VIEWS = 15
GOOD_CELLS = 0.6
OUTLIER = 3.0
"""Times the median error at which a view is named."""


def add_parser(actions: argparse._SubParsersAction) -> None:
    """Add the action."""
    parser = actions.add_parser(
        'create',
        description='Calibrate from pictures of a chessboard or ChArUco board: a folder of pairs '
        '(left and right in the names), two folders, one camera alone, or a bag. Writes ROS '
        'YAML, a report and a map of the corners.',
    )
    parser.add_argument('folders', nargs='+', type=Path, metavar='FOLDER', help='or one bag')
    parser.add_argument(
        '--board',
        type=_board_size,
        required=True,
        metavar='COLUMNSxROWS',
        help='inner corners of the board, as 9x6',
    )
    parser.add_argument(
        '--square-mm', type=float, required=True, help='side of a square, as measured'
    )
    parser.add_argument(
        '--marker-mm', type=float, default=0.0, help='side of a marker: a ChArUco board'
    )
    parser.add_argument(
        '--dictionary', default='DICT_4X4_50', help='markers of it; default DICT_4X4_50'
    )
    parser.add_argument(
        '--alpha', type=share, default=0.0, help='0 crops (default), 1 keeps all pixels'
    )
    add_out(parser, Path('calibration'), 'folder of the files')
    parser.set_defaults(run=run_create)


def run_create(arguments: argparse.Namespace) -> int:
    """Find the board, calibrate, write and report; return the exit code."""
    columns, rows = arguments.board
    board = Board(
        columns=columns,
        rows=rows,
        square_m=arguments.square_mm / 1000.0,
        marker_m=arguments.marker_mm / 1000.0,
        dictionary=arguments.dictionary,
    )
    views = find_views(arguments.folders, board)
    create = _create_rig if views.is_rig else _create_camera
    lines = list(create(views, board, arguments))
    print(f'board found in {len(views.views)} of {views.num_seen} moments')
    for line in lines:
        print(line)
    return 0


def _create_camera(
    views: BoardViews, board: Board, arguments: argparse.Namespace
) -> Iterator[str]:
    fit = fit_camera(views.of_side(0), board, views.size)
    camera = _raw(fit, views.size, 'camera').camera()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    write_ros_yaml(out / 'camera.yaml', camera, name='camera')
    _write_map(out / 'corners.png', views)
    write_json(out / 'report.json', {'camera': _record(fit, views, 0)})
    yield from _camera_lines('camera', fit, views, 0)
    yield f'camera.yaml, report.json and corners.png are in {out}'


def _create_rig(views: BoardViews, board: Board, arguments: argparse.Namespace) -> Iterator[str]:
    fit = fit_rig(views.pairs(), board, views.size)
    calibration = joined_rig(
        _raw(fit.left, views.size, 'left'),
        _raw(fit.right, views.size, 'right'),
        Extrinsics(r=fit.r, t_m=fit.t_m),
        alpha=arguments.alpha,
        name='board',
    )
    rig = rectified_rig(calibration.left, calibration.right)
    errors = np.abs(
        row_errors_px(views.pairs(), _rectified(calibration.left), _rectified(calibration.right))
    )
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    for side, camera in (('left', calibration.left), ('right', calibration.right)):
        write_ros_yaml(out / f'{side}.yaml', camera, name=side)
    _write_map(out / 'corners.png', views)
    write_json(out / 'report.json', _rig_record(fit, calibration, views, errors))
    for index, (side, camera_fit) in enumerate((('left', fit.left), ('right', fit.right))):
        yield from _camera_lines(side, camera_fit, views, index)
    yield f'both cameras: {fit.rms_px:.2f} px'
    yield (
        f'rows after rectifying: {errors.mean():.2f} px apart (95 % within '
        f'{np.percentile(errors, 95):.2f} px)'
    )
    yield rig.describe()
    yield f'left.yaml, right.yaml, report.json and corners.png are in {out}'


def _camera_lines(side: str, fit: CameraFit, views: BoardViews, index: int) -> Iterator[str]:
    seen = coverage(views.of_side(index), views.size)
    yield (
        f'{side}: {fit.rms_px:.2f} px over {len(fit.view_rms_px)} views; corners in '
        f'{seen.cells:.0%} of the image, spread {seen.x:.0%} x {seen.y:.0%}, size {seen.size:.0%}'
    )
    limit = OUTLIER * float(np.median(fit.view_rms_px))
    for view, error in zip(views.views, fit.view_rms_px, strict=True):
        if error > limit:
            warn(f'{view.name}: {error:.2f} px, far above the others; leave it out and try again')
    if len(views.views) < USUAL_VIEWS:
        warn(f'{side}: {len(views.views)} views are few; {USUAL_VIEWS} to 40 are usual')
    if seen.cells < GOOD_CELLS:
        warn(f'{side}: {1 - seen.cells:.0%} of the image saw no corner; hold the board there too')


def _raw(fit: CameraFit, size: tuple[int, int], name: str) -> RawCamera:
    return RawCamera(k=fit.k, d=fit.d, size=size, name=name)


def _rectified(camera: PinholeCamera) -> Rectified:
    return Rectified(k=camera.k, d=camera.d, r=camera.r, p=camera.p)


def _write_map(path: Path, views: BoardViews) -> None:
    sides = [[corners.pixels for corners in views.of_side(0)]]
    if views.is_rig:
        sides.append([corners.pixels for corners in views.of_side(1)])
    with whole_file(path) as draft:
        write_picture(draft, corner_map(sides, views.size))


def _record(fit: CameraFit, views: BoardViews, index: int) -> Record:
    seen = coverage(views.of_side(index), views.size)
    names = [view.name for view in views.views]
    return {
        'rms_px': round(fit.rms_px, 4),
        'view_rms_px': dict(
            zip(names, [round(error, 4) for error in fit.view_rms_px], strict=True)
        ),
        'coverage': {'cells': seen.cells, 'x': seen.x, 'y': seen.y, 'size': seen.size},
    }


def _rig_record(
    fit: RigFit, calibration: StereoCalibration, views: BoardViews, errors: np.ndarray
) -> Record:
    return {
        'left': _record(fit.left, views, 0),
        'right': _record(fit.right, views, 1),
        'rms_px': round(fit.rms_px, 4),
        'row_error_px': {
            'mean': round(float(errors.mean()), 4),
            'p95': round(float(np.percentile(errors, 95)), 4),
            'max': round(float(errors.max()), 4),
        },
        'baseline_m': round(float(-calibration.right.p[0, 3] / calibration.right.fx), 6),
    }


def _board_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r'(\d{1,2})x(\d{1,2})', text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f'a board is COLUMNSxROWS of inner corners as 9x6, got {text!r}'
        )
    return int(found[1]), int(found[2])
