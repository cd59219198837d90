"""Images of one camera for ``depth-ros run mono``: files or a bag, calibration, metric depth."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.cli.kit.images import ImageFile, expect_one_camera, find_images
from depth_ros.cli.kit.rig import fitted_camera
from depth_ros.cli.kit.sources import BagItem, FrameItem, add_topic_arguments, storage_file
from depth_ros.errors import CalibrationError, InputError, ParameterError
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.bags import BagFrames, Report, read_mono_bag
from depth_ros.files.calibration import MonoCalibration, read_mono_calibration
from depth_ros.files.image import read_rgb, usual_size
from depth_ros.files.maps import MILLIMETRES, read_depth
from depth_ros.files.rgbd_bags import read_rgbd_bag
from depth_ros.frames import MonoFrame, RgbdFrame
from depth_ros.geometry.resample import depth_camera
from depth_ros.results import DepthResult, DepthScale

REFERENCE_SUFFIXES = ('.npy', '.png')


@dataclass(frozen=True, kw_only=True, slots=True)
class MonoInputSettings:
    """How images and calibration belong together.

    Attributes:
        path: Image, folder or bag.
        calibration: Calibration file, or None.
        focal_length_px: Focal length of rectified images instead of a file, or 0.
        is_rectified: Whether the images are rectified; None takes the format's convention.
        is_scaled: Whether images of another size are resized ones of the calibrated size.
        image_topic: Image topic of a bag; empty takes the only one.
        info_topic: CameraInfo topic of a bag; empty takes the one beside the images.
        reference: Metric depth file, or folder of such files named as the images, or None.
        needs_camera: Whether results depend on the calibration.
        needs_reference: Whether a bag has to give metric depth too.
        depth_topic: That topic of a bag; empty takes the only one.
        depth_unit_m: Metres of one step of 16-bit reference depth.
    """

    path: Path
    calibration: Path | None
    focal_length_px: float
    is_rectified: bool | None
    is_scaled: bool
    image_topic: str
    info_topic: str
    reference: Path | None
    needs_camera: bool
    needs_reference: bool = False
    depth_topic: str = ''
    depth_unit_m: float = MILLIMETRES


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add everything that ``MonoInputSettings`` holds."""
    parser.add_argument('input', type=Path, metavar='IMAGE|FOLDER|BAG')
    camera = parser.add_argument_group('camera')
    camera.add_argument(
        '--calibration',
        type=Path,
        metavar='FILE',
        help='ROS camera_info YAML, stereodemo JSON, Middlebury or KITTI calib.txt; of a rig the '
        'left camera is taken',
    )
    camera.add_argument(
        '--focal-length-px',
        type=float,
        default=0.0,
        metavar='F',
        help='instead of a calibration: focal length in pixels of undistorted images',
    )
    camera.add_argument(
        '--scale-calibration', action='store_true', help='the images are resized: scale it to them'
    )
    how = camera.add_mutually_exclusive_group()
    how.add_argument('--rectified', dest='is_rectified', action='store_true', default=None)
    how.add_argument('--raw', dest='is_rectified', action='store_false', default=None)
    add_topic_arguments(parser, ('image_topic', 'info_topic', 'depth_topic'))
    parser.add_argument(
        '--depth-unit-m',
        type=float,
        default=MILLIMETRES,
        metavar='M',
        help='metres of one step of 16-bit reference depth, default 0.001',
    )


def input_settings(
    arguments: argparse.Namespace, *, needs_camera: bool, needs_reference: bool = False
) -> MonoInputSettings:
    """Read parsed arguments.

    Raises:
        ParameterError: If they contradict each other.
    """
    if arguments.calibration and arguments.focal_length_px:
        raise ParameterError('give --calibration or --focal-length-px, not both')
    if not 0.0 <= arguments.focal_length_px < np.inf:
        raise ParameterError(
            f'--focal-length-px must be above 0 pixels, got {arguments.focal_length_px:g}'
        )
    if not 0.0 < arguments.depth_unit_m < np.inf:
        raise ParameterError(f'--depth-unit-m must be above 0 m, got {arguments.depth_unit_m:g}')
    return MonoInputSettings(
        path=arguments.input,
        calibration=arguments.calibration,
        focal_length_px=arguments.focal_length_px,
        is_rectified=arguments.is_rectified,
        is_scaled=arguments.scale_calibration,
        image_topic=arguments.image_topic,
        info_topic=arguments.info_topic,
        reference=arguments.reference,
        needs_camera=needs_camera,
        needs_reference=needs_reference,
        depth_topic=arguments.depth_topic,
        depth_unit_m=arguments.depth_unit_m,
    )


class MonoItem(FrameItem[MonoFrame], Protocol):
    """One image of a source."""

    def reference(self, camera: PinholeCamera) -> DepthResult | None:
        """Read the metric depth that goes with it, if there is any."""

    def pose(self) -> np.ndarray | None:
        """Return ``(4, 4)`` world from camera; None where nobody knows."""


class MonoSource(Protocol):
    """Where the images come from."""

    count: int

    def __iter__(self) -> Iterator[MonoItem]:
        """Return the images in order."""

    def describe(self) -> str:
        """Return where the calibration is from and how images are taken."""


def open_source(settings: MonoInputSettings, report: Report) -> MonoSource:
    """Find the images.

    Args:
        settings: What to read.
        report: Called for every image of a bag that is left out.

    Raises:
        InputError: If there is nothing to read.
    """
    if is_bag(settings.path):
        return (RgbdBagSource if settings.needs_reference else BagSource)(settings, report)
    return FileSource(settings)


class FileSource:
    """An image file or a folder of them."""

    def __init__(self, settings: MonoInputSettings) -> None:
        """List the files; the calibration is read with the first image."""
        self._settings = settings
        self._images = find_images(settings.path)
        if settings.path.is_dir():
            expect_one_camera(settings.path, remedy=_for_pairs(settings.path))
        self._calibration: MonoCalibration | None = None
        self.count = len(self._images)

    def __iter__(self) -> Iterator[FileItem]:
        """Return the images in order of their names."""
        return iter([FileItem(image, self) for image in self._images])

    def describe(self) -> str:
        """Return where the calibration is from and how images are taken."""
        settings = self._settings
        if self._calibration is not None:
            kind = 'rectified' if self._is_rectified(self._calibration) else 'raw'
            return f'{self._calibration.format}, images taken as {kind}'
        if settings.focal_length_px:
            return f'focal length {settings.focal_length_px:g} px, images taken as rectified'
        return 'none, images taken as rectified'

    def read(self, path: Path) -> MonoFrame:
        """Read an image with its calibration.

        Raises:
            ImageError: If it cannot be read.
            CalibrationError: If there is no calibration, or one for another size.
        """
        image = read_rgb(path)
        height, width = image.shape[:2]
        if self._settings.calibration is None:
            return MonoFrame(
                image=image,
                camera=_plain_camera(self._focal_length_px(width), height, width),
                stamp_ns=0,
                is_rectified=True,
            )
        if self._calibration is None:
            size = usual_size([item.path for item in self._images])
            self._calibration = read_mono_calibration(self._settings.calibration, image_size=size)
        return MonoFrame(
            image=image,
            camera=fitted_camera(
                self._calibration.camera,
                image,
                is_scaled=self._settings.is_scaled,
                read=partial(read_mono_calibration, self._settings.calibration),
            ),
            stamp_ns=0,
            is_rectified=self._is_rectified(self._calibration),
        )

    @property
    def depth_unit_m(self) -> float:
        """Metres of one step of 16-bit reference depth."""
        return self._settings.depth_unit_m

    def reference_path(self, name: str) -> Path | None:
        """Return the metric depth file of an image."""
        return reference_file(self._settings.reference, name)

    def _is_rectified(self, calibration: MonoCalibration) -> bool:
        given = self._settings.is_rectified
        return calibration.is_rectified if given is None else given

    def _focal_length_px(self, width: int) -> float:
        """Return the focal length; any will do where nothing depends on it."""
        if self._settings.focal_length_px:
            return self._settings.focal_length_px
        if self._settings.needs_camera:
            raise CalibrationError(
                'no_calibration',
                'metres need the camera: give --calibration FILE, or --focal-length-px F of '
                'undistorted images',
            )
        return float(width)


@dataclass(frozen=True, slots=True)
class FileItem:
    """One image file of a source."""

    image: ImageFile
    source: FileSource

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.image.name

    @property
    def files(self) -> dict[str, Path]:
        """The image and its metric depth."""
        reference = self.source.reference_path(self.name)
        return {**self.image.files, **({'reference': reference} if reference else {})}

    def frame(self) -> MonoFrame:
        """Read it."""
        return self.source.read(self.image.path)

    def reference(self, camera: PinholeCamera) -> DepthResult | None:
        """Read its metric depth, which shows what the rectified image shows."""
        path = self.source.reference_path(self.name)
        unit_m = self.source.depth_unit_m
        return None if path is None else read_reference(path, camera, unit_m=unit_m)

    def pose(self) -> np.ndarray | None:
        """Return nothing: nobody knows."""
        return None


class BagSource:
    """The images of one camera in a bag."""

    def __init__(self, settings: MonoInputSettings, report: Report) -> None:
        """Choose the topics.

        Raises:
            ParameterError: If arguments were given that only files take.
            InputError: If the bag cannot be read.
        """
        if settings.calibration or settings.focal_length_px or settings.reference:
            raise ParameterError(
                'a bag brings its own camera_info: leave out --calibration, --focal-length-px '
                'and --reference'
            )
        self._settings = settings
        self._bag = self._open(settings, report)
        self.count = self._bag.count

    def _open(
        self, settings: MonoInputSettings, report: Report
    ) -> BagFrames[MonoFrame] | BagFrames[RgbdFrame]:
        return read_mono_bag(
            settings.path,
            image_topic=settings.image_topic,
            info_topic=settings.info_topic,
            report=report,
        )

    def __iter__(self) -> Iterator[MonoItem]:
        """Read the images in order of recording."""
        file = storage_file(self._settings.path)
        for frame in self._bag:
            if isinstance(frame, RgbdFrame):
                yield RgbdBagImage(self._taken(frame.image), file, frame.depth)
            else:
                yield BagImage(self._taken(frame), file)

    def _taken(self, frame: MonoFrame) -> MonoFrame:
        given = self._settings.is_rectified
        return frame if given is None else replace(frame, is_rectified=given)

    def describe(self) -> str:
        """Return where the calibration is from and how images are taken."""
        camera = self._bag.cameras[0]
        kind = 'rectified' if camera.is_rectified else 'raw'
        if self._settings.is_rectified is not None:
            kind = 'rectified' if self._settings.is_rectified else 'raw'
        return f'{camera.info.name} of the bag, images of {camera.image.name} taken as {kind}'


class RgbdBagSource(BagSource):
    """The images of one camera in a bag with metric depth of the same moments."""

    def _open(self, settings: MonoInputSettings, report: Report) -> BagFrames[RgbdFrame]:
        return read_rgbd_bag(
            settings.path,
            image_topic=settings.image_topic,
            info_topic=settings.info_topic,
            depth_topic=settings.depth_topic,
            depth_unit_m=settings.depth_unit_m,
            report=report,
        )


@dataclass(frozen=True, slots=True, eq=False)
class RgbdBagImage(BagItem[MonoFrame]):
    """One image of a bag with its depth."""

    depth: DepthResult

    def reference(self, camera: PinholeCamera) -> DepthResult | None:
        """Return the depth of the same moment."""
        return self.depth

    def pose(self) -> np.ndarray | None:
        """Return nothing: nobody knows."""
        return None


class BagImage(BagItem[MonoFrame]):
    """One image of a bag."""

    def reference(self, camera: PinholeCamera) -> DepthResult | None:
        """Return nothing: bags are read for images only."""
        return None

    def pose(self) -> np.ndarray | None:
        """Return nothing: nobody knows."""
        return None


def reference_file(given: Path | None, name: str) -> Path | None:
    """Return the metric depth file of an image: the one given, or that of its name in a folder."""
    if given is None or not given.is_dir():
        return given
    found = [given / f'{name}{suffix}' for suffix in REFERENCE_SUFFIXES]
    return next((path for path in found if path.is_file()), None)


def read_reference(
    path: Path, camera: PinholeCamera, *, unit_m: float = MILLIMETRES, stamp_ns: int = 0
) -> DepthResult:
    """Read metric depth: ``.npy`` in metres, or a 16-bit PNG where 0 is unknown.

    Args:
        path: The file.
        camera: The rectified camera it shows the view of, at any resolution.
        unit_m: Metres of one step of a PNG.
        stamp_ns: Time of the image that it belongs to.

    Raises:
        InputError: If it cannot be read, reason ``'reference_image'``.
    """
    try:
        depth = read_depth(path, unit_m=unit_m)
    except InputError:
        raise InputError(
            'reference_image',
            f'{path} is no depth map: give .npy in metres or a 16-bit .png of --depth-unit-m',
        ) from None
    height, width = depth.shape
    return DepthResult(
        depth=depth,
        camera=depth_camera(camera, height=height, width=width),
        stamp_ns=stamp_ns,
        scale=DepthScale.METRIC,
    )


def _for_pairs(folder: Path) -> str:
    return (
        f'type: depth-ros run stereo {folder} {folder} --calibration FILE, or put the images of '
        'one camera into a folder of their own'
    )


def _plain_camera(focal_px: float, height: int, width: int) -> PinholeCamera:
    return ideal_camera(
        fx=focal_px,
        fy=focal_px,
        cx=(width - 1) / 2.0,
        cy=(height - 1) / 2.0,
        height=height,
        width=width,
    )
