"""What others know about the pairs of ``depth-ros run stereo``: depth and poses in files."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.errors import ImageError, InputError, ParameterError
from depth_ros.files.cloud import read_ply
from depth_ros.files.maps import MILLIMETRES, read_depth
from depth_ros.files.trajectories import read_trajectory
from depth_ros.frames import NOTHING_BESIDE, KnownBeside, StereoFrame
from depth_ros.geometry.projection import measured_points
from depth_ros.geometry.resample import depth_camera
from depth_ros.streams.pose_track import PoseTrack
from depth_ros.tasks.stereo.settings import DEPTH_HINTS, PREVIOUS_HINTS, StereoSettings

SUFFIXES = ('.png', '.npy', '.tif', '.tiff', '.ply')
IN_METRES = ('.npy', '.ply')
TAKEN = (
    'give a .npy (H, W) of floats in metres, a 16-bit PNG or TIFF of one channel, or a .ply of '
    'points in metres as this package writes it; docs/cli.md shows how any other cloud becomes one'
)
UNITS_M = (1e-6, 1.0)
"""What one step of a 16-bit image may be."""
MAX_POSE_GAP_NS = 250_000_000


def add_beside_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files that hints are made of."""
    group = parser.add_argument_group('hints of others')
    group.add_argument(
        '--hint-depth',
        type=Path,
        metavar='FILE|FOLDER',
        help='measured depth for --hints depth_topic: a map of the rectified left image, sparse '
        'or dense (.npy of metres, 16-bit .png or .tif), or a .ply of points in the optical frame '
        'of the left camera as this package writes it (docs/cli.md: other clouds); of a folder, '
        'the file named as the left image',
    )
    group.add_argument(
        '--hint-unit-m',
        type=float,
        metavar='M',
        help='what one step of 16-bit depth is, 1e-6 to 1 (default 0.001); not for .npy and .ply, '
        'which hold metres',
    )
    group.add_argument(
        '--poses',
        type=Path,
        metavar='FILE',
        help='trajectory of the left camera (TUM, EuRoC) by which hints previous are moved',
    )


class BesideFiles:
    """Reads what belongs to each pair."""

    def __init__(self, arguments: argparse.Namespace, settings: StereoSettings) -> None:
        """Read the trajectory.

        Raises:
            ParameterError: If files are given that no hint asks for.
            InputError: If the trajectory cannot be read.
        """
        self._depth: Path | None = arguments.hint_depth
        self._is_unit_given = arguments.hint_unit_m is not None
        needs = {
            '--hint-depth': (self._depth, (DEPTH_HINTS,)),
            '--poses': (arguments.poses, (PREVIOUS_HINTS,)),
        }
        for option, (path, words) in needs.items():
            if path is not None and set(words).isdisjoint(settings.hint_words):
                raise ParameterError(
                    f'{option} is for hints {" or ".join(words)}, got hints {settings.hints!r}; '
                    f'add --hints "{words[0]} sgbm", or leave {option} out'
                )
        if self._depth is None and DEPTH_HINTS in settings.hint_words:
            raise ParameterError(
                f'hints {DEPTH_HINTS} of files need --hint-depth FILE or FOLDER; add it'
            )
        self.unit_m = _unit_m(arguments.hint_unit_m)
        self.files = [path for path in (self._depth, arguments.poses) if path is not None]
        self._track = None if arguments.poses is None else _track(arguments.poses)

    def of(self, name: str, frame: StereoFrame, camera: PinholeCamera) -> KnownBeside:
        """Return what is known of a pair.

        Args:
            name: Of the pair: the left file's without its ending.
            frame: The pair.
            camera: The rectified left camera.

        Raises:
            InputError: If there is no depth for the pair, or no pose at its stamp.
        """
        if self._depth is None and self._track is None:
            return NOTHING_BESIDE
        pose = None if self._track is None else self._track.at(frame.stamp_ns)
        if self._track is not None and pose is None:
            raise InputError(
                'no_pose', f'the last pose is before {name}; give a trajectory of all pairs'
            )
        points = None if self._depth is None else self._points(name, camera)
        return KnownBeside(points_m=points, world_from_camera=pose)

    def expect_metres(self, *, has_metres: bool) -> None:
        """Refuse measured depth for pairs without a calibration.

        Raises:
            ParameterError: If there is measured depth and no metres.
        """
        if self._depth is not None and not has_metres:
            raise ParameterError(
                '--hint-depth is in metres, which pairs without a calibration do not have; add '
                '--calibration FILE'
            )

    def _points(self, name: str, camera: PinholeCamera) -> np.ndarray:
        assert self._depth is not None
        path = _file_of(self._depth, name)
        suffix = path.suffix.lower()
        if self._is_unit_given and suffix in IN_METRES:
            raise ParameterError(
                f'--hint-unit-m is for 16-bit images, and {path} holds metres; leave it out, and '
                'multiply the file by its unit if it is another'
            )
        if suffix == '.ply':
            return _points_of(path)
        if suffix not in SUFFIXES:
            raise ImageError('depth_file', f'{path} is no hint this reads; {TAKEN}')
        try:
            depth = read_depth(path, unit_m=self.unit_m)
        except ImageError as error:
            raise ImageError(
                error.reason, f'{path} is no hint that can be read; {TAKEN} ({error})'
            ) from error
        return measured_points(
            depth, depth_camera(camera, height=depth.shape[0], width=depth.shape[1])
        )


def _points_of(path: Path) -> np.ndarray:
    try:
        return read_ply(path)[0].astype(np.float32)
    except InputError as error:
        raise InputError(error.reason, f'{path} is no hint that can be read; {TAKEN}') from error


def _unit_m(given: float | None) -> float:
    """Return the unit of 16-bit depth, metres a step.

    Raises:
        ParameterError: If it is outside ``UNITS_M``.
    """
    if given is not None and not UNITS_M[0] <= given <= UNITS_M[1]:
        raise ParameterError(
            f'--hint-unit-m must be {UNITS_M[0]:g} to {UNITS_M[1]:g} m a step, got {given:g}; '
            '0.001 is millimetres'
        )
    return MILLIMETRES if given is None else given


def _file_of(place: Path, name: str) -> Path:
    """Return the file for a pair: the only one, or that of its name in a folder."""
    if not place.is_dir():
        return place
    paths = [place / f'{name}{suffix}' for suffix in SUFFIXES]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise InputError(
            'missing', f'{place} has no {name} with one of the endings {", ".join(SUFFIXES)}'
        )
    return found


def _track(path: Path) -> PoseTrack:
    values = read_trajectory(path)
    track = PoseTrack(max_gap_ns=MAX_POSE_GAP_NS, size=len(values.stamps_ns))
    for stamp_ns, pose in zip(values.stamps_ns, values.poses, strict=True):
        track.add(int(stamp_ns), pose)
    return track
