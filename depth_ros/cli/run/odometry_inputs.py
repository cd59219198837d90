"""Frames in order of time for ``depth-ros run odometry``: a folder of images, or a bag."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.cli.kit.data_sets import (
    CameraOf,
    Rigs,
    add_layout_argument,
    chosen,
    depth_frames,
    expect_effect,
)
from depth_ros.cli.kit.images import PairFiles, expect_one_camera, find_pairs
from depth_ros.cli.kit.rig import Rig, RigSettings, fitted_camera
from depth_ros.cli.kit.sources import add_topic_arguments, named_topics
from depth_ros.errors import ImageError, InputError, ParameterError
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.bag_topics import BagTopic, depth_candidates, pairs_of
from depth_ros.files.bags import BagFrames, Report, bag_topics, read_mono_bag, read_stereo_bag
from depth_ros.files.calibration import read_mono_calibration
from depth_ros.files.data_sets.depth_sets import DEPTH_SETS
from depth_ros.files.data_sets.stamps import stamps_from_names
from depth_ros.files.data_sets.stereo_sets import STEREO_SETS
from depth_ros.files.given_file import given_text
from depth_ros.files.image import SUFFIXES, read_rgb
from depth_ros.files.maps import MILLIMETRES, read_depth
from depth_ros.files.rgbd_bags import read_rgbd_bag
from depth_ros.frames import CameraFrame, MonoFrame, RgbdFrame, StereoFrame
from depth_ros.geometry.resample import depth_camera
from depth_ros.results import DepthResult, DepthScale
from depth_ros.tasks.odometry.settings import Source

COLOR_FOLDERS = ('images', 'color', 'rgb', 'image')
STEREO_FOLDERS = (('left', 'right'), ('image_0', 'image_1'), ('image_2', 'image_3'))
INTRINSICS_FILES = ('K.txt', 'intrinsics.txt', 'intrinsic.txt', 'intrinsic_depth.txt')
DEPTH_FOLDER = 'depth'
RATE_HZ = 10.0
BAG_TOPICS = ('image_topic', 'info_topic', 'depth_topic', 'left_topic', 'right_topic')


@dataclass(frozen=True, kw_only=True, slots=True)
class OdometryInputSettings:
    """How to read the frames.

    Attributes:
        path: Folder or bag.
        source: What to read, or None to take what is there.
        calibration: Calibration files, or none.
        intrinsics: fx, fy, cx, cy of undistorted images instead of a file, or None.
        is_rectified: Whether images are rectified; None takes the format's convention.
        is_scaled: Whether images of another size are resized ones of the calibrated size.
        depth_unit_m: Metres that one step of a 16-bit depth image is; None if not stated.
        topics: Topics of a bag by option, those that were named.
        rate_hz: Frames a second where file names are no times; None if not stated.
        layout: Word of a data set's layout, or ``'auto'``.
    """

    path: Path
    source: Source | None
    calibration: tuple[Path, ...]
    intrinsics: tuple[float, float, float, float] | None
    is_rectified: bool | None
    is_scaled: bool
    depth_unit_m: float | None
    topics: Mapping[str, str]
    rate_hz: float | None
    layout: str = 'auto'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrameSequence:
    """Frames in order of time.

    Attributes:
        source: What kind they are.
        count: How many there are; a bag may give fewer.
        frames: Reads them one after the other.
        notes: What an operator should know about how they were read.
    """

    source: Source
    count: int
    frames: Callable[[], Iterator[CameraFrame]]
    notes: tuple[str, ...] = ()


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add everything that ``OdometryInputSettings`` holds."""
    parser.add_argument('input', type=Path, metavar='FOLDER|BAG')
    parser.add_argument(
        '--source',
        choices=['auto', *(source.value for source in Source)],
        default='auto',
        help='stereo, rgbd or mono (direction only); auto (default) takes what is there',
    )
    add_layout_argument(parser, [*DEPTH_SETS, *STEREO_SETS])
    group = parser.add_argument_group('folder')
    group.add_argument(
        '--calibration',
        nargs='+',
        type=Path,
        default=[],
        metavar='FILE',
        help='ROS left.yaml [right.yaml] or their folder, stereodemo JSON, Middlebury or KITTI '
        'calib.txt; else K.txt in the folder',
    )
    group.add_argument(
        '--intrinsics',
        metavar='FX,FY,CX,CY',
        default='',
        help='of undistorted images, instead of a file; fy below 0 where y points up',
    )
    group.add_argument(
        '--scale-calibration', action='store_true', help='the images are resized: scale it to them'
    )
    how = group.add_mutually_exclusive_group()
    how.add_argument('--rectified', dest='is_rectified', action='store_true', default=None)
    how.add_argument('--raw', dest='is_rectified', action='store_false', default=None)
    group.add_argument(
        '--depth-unit-m',
        type=float,
        metavar='M',
        help='metres of one step of 16-bit depth, default 0.001 or what --layout says; 0.0002 is '
        '1/5000 m',
    )
    add_topic_arguments(parser, BAG_TOPICS)
    group.add_argument(
        '--rate-hz',
        type=float,
        metavar='HZ',
        help='frames a second where file names are no times, default 10',
    )


def input_settings(arguments: argparse.Namespace) -> OdometryInputSettings:
    """Read parsed arguments.

    Raises:
        ParameterError: If a value is not allowed.
    """
    for name in ('depth_unit_m', 'rate_hz'):
        value = getattr(arguments, name)
        if value is not None and not 0.0 < value < np.inf:
            raise ParameterError(f'--{name.replace("_", "-")} must be above 0, got {value!r}')
    return OdometryInputSettings(
        path=arguments.input,
        source=None if arguments.source == 'auto' else Source(arguments.source),
        calibration=tuple(arguments.calibration),
        intrinsics=_parsed_intrinsics(arguments.intrinsics),
        is_rectified=arguments.is_rectified,
        is_scaled=arguments.scale_calibration,
        depth_unit_m=arguments.depth_unit_m,
        topics=named_topics(arguments, BAG_TOPICS),
        rate_hz=arguments.rate_hz,
        layout=arguments.layout,
    )


def open_sequence(settings: OdometryInputSettings, report: Report) -> FrameSequence:
    """Find the frames.

    Args:
        settings: What to read.
        report: Called for every image of a bag that is left out.

    Raises:
        InputError: If there is nothing to read, or not what ``source`` asks for.
    """
    if not settings.path.exists():
        raise InputError('file', f'there is no folder or bag {settings.path}; check the path')
    if is_bag(settings.path):
        return _bag(settings, report)
    if not settings.path.is_dir():
        raise InputError(
            'file',
            f'odometry takes a folder of images or a bag, and {settings.path} is neither; give '
            'the folder with images/, images/ and depth/, or left/ and right/',
        )
    layout = settings.layout if settings.layout != 'auto' else _layout_of(settings)
    if layout:
        return _data_set(settings, layout)
    for left, right in STEREO_FOLDERS:
        folders = (settings.path / left, settings.path / right)
        if all(folder.is_dir() for folder in folders) and settings.source in (None, Source.STEREO):
            return _stereo_folder(settings, *folders)
    return _image_folder(settings)


def _layout_of(settings: OdometryInputSettings) -> str:
    """Return the layout that a folder evidently has, empty if none."""
    if settings.source is Source.MONO:
        return ''
    signs = {
        word: names
        for word, names in _SIGNS.items()
        if all((settings.path / name).exists() for name in names)
    }
    return next(iter(signs), '')


_SIGNS: dict[str, tuple[str, ...]] = {
    'tum_rgbd': ('rgb.txt', 'depth.txt'),
    'scannet': ('color', 'depth', 'intrinsic'),
    'replica': ('results', 'traj.txt'),
    'euroc': ('mav0/cam0/data', 'mav0/cam1/data'),
    'kitti_odometry': ('image_0', 'image_1', 'calib.txt'),
}
"""What a folder holds that is laid out as one of these and no other."""


def _data_set(settings: OdometryInputSettings, layout: str) -> FrameSequence:
    note = f'layout {layout}: files, stamps, units and calibration as its authors lay them out'
    if layout in DEPTH_SETS:
        return _depth_set(settings, layout, note)
    expect_effect(
        layout,
        {
            '--source': settings.source not in (None, Source.STEREO),
            '--intrinsics': settings.intrinsics is not None,
            '--depth-unit-m': settings.depth_unit_m is not None,
            '--rate-hz': settings.rate_hz is not None,
        },
    )
    pairs = chosen(STEREO_SETS, layout, settings.path)
    rigs = Rigs(
        is_rectified=settings.is_rectified,
        calibration=settings.calibration,
        is_scaled=settings.is_scaled,
    )
    left_out = f'{len(pairs.unpaired)} left images have no right one' if pairs.unpaired else ''
    return FrameSequence(
        source=Source.STEREO,
        count=len(pairs.pairs),
        frames=lambda: (rigs.read(pair) for pair in pairs.pairs),
        notes=_notes(note, _stated(settings), left_out, *pairs.notes),
    )


def _depth_set(settings: OdometryInputSettings, layout: str, note: str) -> FrameSequence:
    is_calibrated, has_camera = bool(settings.calibration), settings.intrinsics is not None
    expect_effect(
        layout,
        {
            '--source': settings.source not in (None, Source.RGBD),
            '--raw/--rectified': settings.is_rectified is not None and not is_calibrated,
            '--scale-calibration': settings.is_scaled and not is_calibrated,
            '--rate-hz': settings.rate_hz is not None,
        },
    )
    files = chosen(DEPTH_SETS, layout, settings.path)
    if settings.depth_unit_m is not None:
        files = replace(files, unit_m=settings.depth_unit_m)
    camera_of: CameraOf | None = None
    if is_calibrated or has_camera:
        camera_of = _ImageReader(settings, is_rgbd=True).camera
    return FrameSequence(
        source=Source.RGBD,
        count=len(files.frames),
        frames=lambda: depth_frames(files, camera_of),
        notes=_notes(note, *files.notes, _stated(settings)),
    )


def _stated(settings: OdometryInputSettings) -> str:
    """Say which options overrule what a layout brings, empty if none does."""
    given = {
        '--calibration': settings.calibration,
        '--intrinsics': settings.intrinsics and not settings.calibration,
        '--depth-unit-m': settings.depth_unit_m,
    }
    names = ', '.join(option for option, value in given.items() if value)
    return f'taken instead of what the layout brings: {names}' if names else ''


def _bag(settings: OdometryInputSettings, report: Report) -> FrameSequence:
    source = settings.source or _source_of(bag_topics(settings.path), settings.topics)
    bag = _BAG_READERS[source](settings, report)
    return FrameSequence(source=source, count=bag.count, frames=lambda: iter(bag))


def _source_of(topics: Sequence[BagTopic], named: Mapping[str, str]) -> Source:
    """Take what the named topics mean, else a rig if there is one, else depth, else one camera."""
    if named.keys() & {'left_topic', 'right_topic'}:
        return Source.STEREO
    if 'depth_topic' in named:
        return Source.RGBD
    if pairs_of(topics) and 'image_topic' not in named:
        return Source.STEREO
    return Source.RGBD if depth_candidates(topics) else Source.MONO


def _stereo_bag(settings: OdometryInputSettings, report: Report) -> BagFrames[StereoFrame]:
    left, right = _named(settings, 'left_topic', 'right_topic')
    return read_stereo_bag(settings.path, left_topic=left, right_topic=right, report=report)


def _rgbd_bag(settings: OdometryInputSettings, report: Report) -> BagFrames[RgbdFrame]:
    image, info, depth = _named(settings, 'image_topic', 'info_topic', 'depth_topic')
    return read_rgbd_bag(
        settings.path,
        image_topic=image,
        info_topic=info,
        depth_topic=depth,
        depth_unit_m=settings.depth_unit_m or MILLIMETRES,
        report=report,
    )


def _mono_bag(settings: OdometryInputSettings, report: Report) -> BagFrames[MonoFrame]:
    image, info = _named(settings, 'image_topic', 'info_topic')
    return read_mono_bag(settings.path, image_topic=image, info_topic=info, report=report)


def _named(settings: OdometryInputSettings, *options: str) -> tuple[str, ...]:
    """Return topics by option, empty where none was named.

    Raises:
        ParameterError: If one was named that this source has not.
    """
    unknown = settings.topics.keys() - set(options)
    if unknown:
        names = ', '.join(f'--{name.replace("_", "-")}' for name in sorted(unknown))
        raise ParameterError(f'{names} belongs to another --source; leave it out')
    return tuple(settings.topics.get(option, '') for option in options)


_BAG_READERS: dict[
    Source,
    Callable[
        [OdometryInputSettings, Report],
        BagFrames[StereoFrame] | BagFrames[RgbdFrame] | BagFrames[MonoFrame],
    ],
] = {
    Source.STEREO: _stereo_bag,
    Source.RGBD: _rgbd_bag,
    Source.MONO: _mono_bag,
}


def _stereo_folder(settings: OdometryInputSettings, left: Path, right: Path) -> FrameSequence:
    if not settings.calibration:
        raise InputError('no_calibration', f'pairs in {left.parent} need --calibration FILE')
    found = find_pairs(left, right)
    lefts = [pair.left for pair in found.pairs]
    rig = Rig(
        RigSettings(
            calibration=settings.calibration,
            is_rectified=settings.is_rectified,
            is_scaled=settings.is_scaled,
        ),
        images=lefts,
    )
    stamps, note = frame_stamps(lefts, settings.rate_hz or RATE_HZ)

    def frames() -> Iterator[CameraFrame]:
        for pair, stamp_ns in zip(found.pairs, stamps, strict=True):
            yield _stamped_pair(rig, pair, stamp_ns)

    return FrameSequence(
        source=Source.STEREO, count=len(found.pairs), frames=frames, notes=_notes(note)
    )


def _stamped_pair(rig: Rig, pair: PairFiles, stamp_ns: int) -> StereoFrame:
    frame = rig.read_frame(pair)
    left, right = (_stamped(side, stamp_ns) for side in (frame.left, frame.right))
    return StereoFrame(left=left, right=right)


def _stamped(frame: MonoFrame, stamp_ns: int) -> MonoFrame:
    return MonoFrame(
        image=frame.image,
        camera=frame.camera,
        stamp_ns=stamp_ns,
        is_rectified=frame.is_rectified,
    )


def _image_folder(settings: OdometryInputSettings) -> FrameSequence:
    folder = settings.path
    place = next((folder / name for name in COLOR_FOLDERS if (folder / name).is_dir()), folder)
    colors = _images(place)
    if not colors:
        raise InputError(
            'file',
            f'no images in {folder}: put them into images/ (and depth/), or pairs into left/ and '
            'right/',
        )
    expect_one_camera(
        place,
        remedy='put them into left/ and right/ of a folder and add --calibration FILE, or '
        'give a folder with the images of one camera',
    )
    has_depth = (folder / DEPTH_FOLDER).is_dir()
    source = settings.source or (Source.RGBD if has_depth else Source.MONO)
    if source is Source.STEREO or (source is Source.RGBD and not has_depth):
        wanted = 'left/ and right/' if source is Source.STEREO else 'depth/'
        raise InputError('file', f'source {source.value} needs {wanted} in {folder}')
    if not has_depth and settings.source is None:
        note_mono = f'no depth/ in {folder}: direction only, no metres'
    else:
        note_mono = ''
    stamps, note = frame_stamps(colors, settings.rate_hz or RATE_HZ)
    reader = _ImageReader(settings, is_rgbd=source is Source.RGBD)

    def frames() -> Iterator[CameraFrame]:
        for path, stamp_ns in zip(colors, stamps, strict=True):
            yield reader.read(path, stamp_ns)

    return FrameSequence(
        source=source, count=len(colors), frames=frames, notes=_notes(note, note_mono)
    )


class _ImageReader:
    """Reads one camera's images, with depth of the same name where wanted."""

    def __init__(self, settings: OdometryInputSettings, *, is_rgbd: bool) -> None:
        self._settings = settings
        self._is_rgbd = is_rgbd

    def read(self, path: Path, stamp_ns: int) -> CameraFrame:
        """Read a frame."""
        image = read_rgb(path)
        camera, is_rectified = self.camera(image)
        frame = MonoFrame(image=image, camera=camera, stamp_ns=stamp_ns, is_rectified=is_rectified)
        if not self._is_rgbd:
            return frame
        unit_m = self._settings.depth_unit_m or MILLIMETRES
        depth = read_depth(self._depth_path(path), unit_m=unit_m)
        height, width = depth.shape
        result = DepthResult(
            depth=depth,
            camera=depth_camera(camera, height=height, width=width),
            stamp_ns=stamp_ns,
            scale=DepthScale.METRIC,
        )
        return RgbdFrame(image=frame, depth=result)

    def _depth_path(self, image: Path) -> Path:
        folder = self._settings.path / DEPTH_FOLDER
        found = [folder / f'{image.stem}{suffix}' for suffix in ('.png', '.npy', '.tiff')]
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            raise ImageError('file', f'there is no depth {found[0]} for {image}; name both alike')
        return path

    def camera(self, image: np.ndarray) -> tuple[PinholeCamera, bool]:
        """Return the camera of an image, and whether the image is rectified."""
        settings = self._settings
        height, width = image.shape[:2]
        if settings.calibration:
            read = read_mono_calibration(settings.calibration[0], image_size=(height, width))
            given = settings.is_rectified
            is_rectified = read.is_rectified if given is None else given
            return fitted_camera(read.camera, image, is_scaled=settings.is_scaled), is_rectified
        fx, fy, cx, cy = settings.intrinsics or read_intrinsics(settings.path)
        # A y axis that points up mirrors the world; images are the same.
        camera = ideal_camera(fx=fx, fy=abs(fy), cx=cx, cy=cy, height=height, width=width)
        return camera, True


def read_intrinsics(folder: Path) -> tuple[float, float, float, float]:
    """Read fx, fy, cx, cy from a 3x3 or 4x4 matrix in a text file of the folder.

    Raises:
        InputError: Reason ``'no_calibration'``, if there is none.
    """
    for name in INTRINSICS_FILES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            values = np.array(given_text(path).split(), np.float64)
            matrix = values.reshape(4, 4) if values.size == 16 else values.reshape(3, 3)
        except ValueError as error:
            raise InputError(
                'no_calibration', f'{path} must hold a 3x3 or 4x4 matrix of numbers; correct it'
            ) from error
        fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
        return float(fx), float(fy), float(cx), float(cy)
    raise InputError(
        'no_calibration',
        f'no {INTRINSICS_FILES[0]} in {folder}; give --calibration FILE or --intrinsics '
        'FX,FY,CX,CY',
    )


def frame_stamps(paths: Sequence[Path], rate_hz: float) -> tuple[list[int], str]:
    """Take stamps from file names where all are times, else from the rate.

    Returns:
        Stamps in nanoseconds, and what to tell an operator.
    """
    found = stamps_from_names(paths)
    if found is not None:
        return found[0], f'stamps are the file names, taken as {found[1]}'
    stamps = [round(1e9 * (1.0 + index / rate_hz)) for index in range(len(paths))]
    return stamps, f'file names are no times: taken as {rate_hz:g} frames a second (--rate-hz)'


def _images(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: (path.stem.zfill(32), path.name))


def _notes(*notes: str) -> tuple[str, ...]:
    return tuple(note for note in notes if note)


def _parsed_intrinsics(text: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    try:
        fx, fy, cx, cy = (float(word) for word in text.split(','))
    except ValueError:
        raise ParameterError(
            f'--intrinsics takes FX,FY,CX,CY, got {text!r}; e.g. 481.2,480,319.5,239.5'
        ) from None
    return fx, fy, cx, cy
