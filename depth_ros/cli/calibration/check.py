"""``depth-ros calibration check``: what a calibration means, in plain words and a picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from depth_ros.camera import PinholeCamera
from depth_ros.cli.calibration.files import add_files, split_files
from depth_ros.cli.kit.commands import EXIT_FAILED
from depth_ros.cli.kit.images import PairFiles
from depth_ros.cli.kit.rig import Rig, RigSettings
from depth_ros.errors import ParameterError
from depth_ros.files.calibration import (
    StereoCalibration,
    read_mono_calibration,
    read_stereo_calibration,
)
from depth_ros.files.whole_file import whole_file
from depth_ros.frames import MonoFrame, RectifiedStereo, StereoFrame
from depth_ros.geometry.pair_check import MIN_MATCHES, PairEvidence, examine_closely
from depth_ros.geometry.rectify import MonoRectifier, Rectifier
from depth_ros.geometry.rig_report import fields_of_view_deg, resolutions, rotation_deg
from depth_ros.pictures.panels import write_picture
from depth_ros.pictures.rig_rows import grid_image, rows_picture

GOOD_ROWS_PX = 1.0
"""Up to here rows of a pair count as met."""

SMALL_COVERAGE = 0.6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Checked:
    """What the verdict is made of; ``evidence`` is None without a pair."""

    calibration: StereoCalibration
    rectifier: Rectifier
    pair: RectifiedStereo
    coverage: float
    evidence: PairEvidence | None


def add_parser(actions: argparse._SubParsersAction) -> None:
    """Add the action."""
    parser = actions.add_parser(
        'check',
        description='Say in plain words what a calibration means: baseline, field of view, depth '
        'resolution by distance; with a pair also whether its rows meet and its sides are right.',
    )
    add_files(parser, 'a calibration (one file, two, or a folder), then LEFT and RIGHT image')
    how = parser.add_mutually_exclusive_group()
    how.add_argument('--rectified', dest='is_rectified', action='store_true', default=None)
    how.add_argument('--raw', dest='is_rectified', action='store_false', default=None)
    parser.add_argument(
        '--baseline-m', type=float, default=0.0, help='where the file has none, metres'
    )
    parser.add_argument(
        '--picture',
        type=Path,
        default=Path('calibration_check.png'),
        metavar='FILE',
        help='rectified sides with lines along rows; default calibration_check.png',
    )
    parser.add_argument('--mono', action='store_true', help='one camera: its numbers alone')
    parser.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Print the verdict and write the picture; the exit code is 2 where something is wrong."""
    if arguments.mono:
        return _check_camera(arguments)
    files, images = split_files(arguments.files)
    frame, calibration = _frame(arguments, files, images)
    rectifier = Rectifier(
        frame.left.camera,
        frame.right.camera,
        baseline_m=arguments.baseline_m or None,
        is_rectified=frame.right.is_rectified,
    )
    pair = rectifier.rectify(frame)
    covered = rectifier.covered_in(frame)
    checked = _Checked(
        calibration=calibration,
        rectifier=rectifier,
        pair=pair,
        coverage=1.0 if covered is None else float(covered.mean()),
        evidence=examine_closely(pair) if images else None,
    )
    for line in _facts(checked):
        print(line)
    with whole_file(arguments.picture) as draft:
        write_picture(draft, rows_picture(pair.left, pair.right))
    print(f'picture: {arguments.picture}')
    faults = list(_faults(checked))
    for line in faults or [_praise(checked)]:
        print(line)
    return EXIT_FAILED if faults else 0


def _check_camera(arguments: argparse.Namespace) -> int:
    """Print the verdict on one camera, by its numbers."""
    if len(arguments.files) != 1:
        raise ParameterError(
            f'--mono judges one calibration file without images, got {len(arguments.files)} files'
        )
    read = read_mono_calibration(arguments.files[0], image_size=arguments.size)
    is_rectified = arguments.is_rectified
    is_rectified = read.is_rectified if is_rectified is None else is_rectified
    frame = _drawn(read.camera, is_rectified)
    rectifier = MonoRectifier(read.camera)
    camera = rectifier.rectify(frame).camera
    covered = rectifier.covered_in(frame)
    coverage = 1.0 if covered is None else float(covered.mean())
    kind = 'rectified' if is_rectified else 'raw'
    print(f'{read.format}: {camera.width}x{camera.height}, images taken as {kind}')
    print('field of view {:.1f} x {:.1f} degrees'.format(*fields_of_view_deg(camera)))
    print(
        f'focal length {camera.fx:.1f} px; lens {read.camera.distortion_model.value}; '
        f'{coverage:.0%} of the rectified image is filled'
    )
    if coverage < SMALL_COVERAGE:
        print(f'CARE: {1 - coverage:.0%} of the rectified image is black; check D and P')
        return EXIT_FAILED
    print('SOUND by its numbers')
    return 0


def _frame(
    arguments: argparse.Namespace, files: list[Path], images: tuple[Path, Path] | None
) -> tuple[StereoFrame, StereoCalibration]:
    """Return the pair as a command would take it, or a drawn one where none was given."""
    if images is not None:
        settings = RigSettings(
            calibration=tuple(files), is_rectified=arguments.is_rectified, is_scaled=False
        )
        rig = Rig(settings, alpha=arguments.alpha)
        frame = rig.read_frame(PairFiles(left=images[0], right=images[1]))
        assert rig.calibration is not None, 'read_frame reads it'
        return frame, rig.calibration
    read = read_stereo_calibration(files, image_size=arguments.size, alpha=arguments.alpha)
    if arguments.is_rectified is not None:
        read = replace(read, is_rectified=arguments.is_rectified)
    sides = [_drawn(camera, read.is_rectified) for camera in (read.left, read.right)]
    return StereoFrame(left=sides[0], right=sides[1]), read


def _drawn(camera: PinholeCamera, is_rectified: bool) -> MonoFrame:
    image = grid_image(camera.height, camera.width)
    return MonoFrame(image=image, camera=camera, stamp_ns=0, is_rectified=is_rectified)


def _facts(checked: _Checked) -> Iterator[str]:
    calibration, rig = checked.calibration, checked.rectifier.camera
    kind = 'rectified' if calibration.is_rectified else 'raw'
    yield f'{calibration.format}: {rig.left.width}x{rig.left.height}, images taken as {kind}'
    yield f'baseline {rig.baseline_m:.4f} m, focal length {rig.left.fx:.1f} px'
    yield 'field of view {:.1f} x {:.1f} degrees'.format(*fields_of_view_deg(rig.left))
    if not calibration.is_rectified:
        angle = rotation_deg(calibration.left, calibration.right)
        model = calibration.left.distortion_model.value
        yield (
            f'lenses {model}; cameras turned by {angle:.2f} degrees against each other; '
            f'{checked.coverage:.0%} of the rectified left image is filled'
        )
    if rig.cx_offset_px:
        yield f'a point at infinity has a disparity of {rig.cx_offset_px:+.1f} px'
    for part in calibration.useful.describe():
        yield f'the file calls {part} useful'
    yield 'distance   disparity   one pixel is'
    for item in resolutions(rig):
        yield f'{item.distance_m:6g} m  {item.disparity_px:7.1f} px  {_length(item.step_m)}'
    if checked.evidence is not None:
        yield _rows(checked.evidence)


def _length(metres: float) -> str:
    return f'{1000 * metres:8.1f} mm' if metres < 0.1 else f'{metres:8.2f} m'


def _rows(evidence: PairEvidence) -> str:
    return (
        f'{evidence.num_matches} matches: rows apart by {evidence.row_offset_px:+.2f} px, '
        f'give or take {evidence.row_spread_px:.2f} px'
    )


def _faults(checked: _Checked) -> Iterator[str]:
    if checked.coverage < SMALL_COVERAGE:
        yield (
            f'CARE: {1 - checked.coverage:.0%} of the rectified image is black; check D, and '
            'that P is of these cameras; where R and P are computed here, a smaller --alpha shows '
            'less of it'
        )
    evidence = checked.evidence
    if evidence is None:
        return
    if evidence.num_matches < MIN_MATCHES:
        yield (
            f'CARE: only {evidence.num_matches} corners match, too few to judge the pair; take '
            'one with more texture'
        )
    elif evidence.fault is not None:
        yield f'WRONG: {evidence.sentence()}'


def _praise(checked: _Checked) -> str:
    if checked.evidence is None:
        return 'SOUND by its numbers; give LEFT and RIGHT image too, to see whether rows meet'
    offset = abs(checked.evidence.row_offset_px) + checked.evidence.row_spread_px
    if offset <= GOOD_ROWS_PX:
        return 'SOUND: rows meet, left and right are not exchanged'
    return (
        f'USABLE: left and right are not exchanged, but rows are about {offset:.1f} px apart, '
        'which costs matches on thin things; calibrate again for better'
    )
