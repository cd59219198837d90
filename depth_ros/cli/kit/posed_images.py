"""Images of one moving camera with their poses, for ``depth-ros run mono``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera
from depth_ros.cli.kit.mono_inputs import MonoInputSettings, read_reference, reference_file
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.bags import Report
from depth_ros.files.image import read_rgb, usual_size
from depth_ros.files.posed.layouts import read_posed_folder
from depth_ros.files.posed.values import ViewFile
from depth_ros.frames import MonoFrame
from depth_ros.results import DepthResult

FIRST_NS = 1_000_000_000


class PosedSource:
    """The images of a folder with ``poses.txt`` and ``K.txt``, in order."""

    def __init__(self, settings: MonoInputSettings, report: Report, *, rate_hz: float) -> None:
        """Read which images there are, and where the camera was.

        Args:
            settings: What to read.
            report: Called for every image that has no pose to be used.
            rate_hz: Images a second, for the folder has no times.

        Raises:
            ParameterError: If arguments were given that a posed folder does not take, or its
                images are not in the order they were taken.
            InputError: If the folder has no poses.
        """
        if is_bag(settings.path) or settings.path.is_file():
            raise ParameterError(
                f'depth from motion needs the pose of every image, and {settings.path} has none: '
                'give a folder with images/, K.txt and poses.txt (docs/multiview.md), or run '
                'mono_node on the bag and its odometry'
            )
        folder = read_posed_folder(settings.path)
        if settings.calibration or settings.focal_length_px:
            raise ParameterError(
                'a folder with poses brings its own calibration: leave out --calibration and '
                '--focal-length-px'
            )
        if not folder.is_sequence:
            raise ParameterError(
                f'{settings.path} has the layout {folder.layout}, whose images are in no order '
                'of time; give a folder with images/, K.txt and poses.txt, or use run multiview'
            )
        for name, error in folder.refused:
            report(error.reason, f'{name} left out: {error}')
        self._views = folder.views
        self._step_ns = round(1e9 / rate_hz)
        self.settings = settings
        self._size: tuple[int, int] | None = None
        self.count = len(self._views)

    def __iter__(self) -> Iterator[WalkImage]:
        """Return the images in order."""
        for index, view in enumerate(self._views):
            yield WalkImage(view, FIRST_NS + index * self._step_ns, self)

    def read(self, view: ViewFile, *, stamp_ns: int) -> MonoFrame:
        """Read an image; ``K.txt`` is for one size, that of most images.

        Raises:
            ImageError: If it cannot be read.
            InputError: Reason ``'size_mismatch'``, if it has another size.
            CalibrationError: If ``K.txt`` does not go with the images.
        """
        image = read_rgb(view.image)
        size = (image.shape[0], image.shape[1])
        if self._size is None:
            self._size = usual_size([other.image for other in self._views])
        if self._size is not None and self._size != size:
            raise _other_size(view, size, self._size)
        return view.view(image, stamp_ns=stamp_ns).frame

    def describe(self) -> str:
        """Return where the calibration is from."""
        return 'K.txt of the folder, with poses.txt'


@dataclass(frozen=True, slots=True, eq=False)
class WalkImage:
    """One image with its pose."""

    view: ViewFile
    stamp_ns: int
    source: PosedSource

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.view.name

    @property
    def files(self) -> dict[str, Path]:
        """The image and its metric depth."""
        reference = self._reference_file
        return {'image': self.view.image, **({'reference': reference} if reference else {})}

    def frame(self) -> MonoFrame:
        """Read it."""
        return self.source.read(self.view, stamp_ns=self.stamp_ns)

    def reference(self, camera: PinholeCamera) -> DepthResult | None:
        """Read the metric depth that was given beside the motion, if any."""
        path = self._reference_file
        if path is None:
            return None
        unit_m = self.source.settings.depth_unit_m
        return read_reference(path, camera, unit_m=unit_m, stamp_ns=self.stamp_ns)

    def pose(self) -> np.ndarray | None:
        """Return world from camera, ``(4, 4)`` metres."""
        return self.view.world_from_camera

    @property
    def _reference_file(self) -> Path | None:
        return reference_file(self.source.settings.reference, self.name)


def _other_size(view: ViewFile, size: tuple[int, int], usual: tuple[int, int]) -> InputError:
    height, width = usual
    return InputError(
        'size_mismatch',
        f'{view.image.name} is {size[1]}x{size[0]}, the others are {width}x{height}, and K.txt is '
        'for one size; take it out of the folder, or put the original in its place',
    )
