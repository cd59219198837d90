"""Frames and pairs of public data sets, for the commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera, scaled_camera
from depth_ros.cli.kit.images import PairFiles
from depth_ros.cli.kit.rig import Rig, RigSettings
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.data_sets.values import (
    DataSetCamera,
    DepthFiles,
    DepthSet,
    StereoFiles,
    StereoSet,
)
from depth_ros.files.image import read_rgb
from depth_ros.files.maps import read_depth
from depth_ros.frames import MonoFrame, RgbdFrame, StereoFrame
from depth_ros.geometry.resample import depth_camera
from depth_ros.results import DepthResult, DepthScale

NUM_NEAR = 100
"""How many folders below a wrong one are tried."""

SetT = TypeVar('SetT')
CameraOf = Callable[[np.ndarray], tuple[PinholeCamera, bool]]
"""Gives the camera of an image, and whether the image is rectified."""


def add_layout_argument(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Add ``--layout``."""
    parser.add_argument(
        '--layout',
        choices=['auto', *words],
        default='auto',
        help='folder of a data set: files, stamps, units and calibration as its authors lay them '
        'out',
    )


def chosen(sets: dict[str, Callable[[Path], SetT]], layout: str, folder: Path) -> SetT:
    """Read a folder in the layout of a word.

    Raises:
        ParameterError: If another command reads that layout.
        InputError: If the folder is laid out otherwise; names the one above or below that is.
    """
    if layout not in sets:
        raise ParameterError(f'--layout {layout} is not read here; give one of {", ".join(sets)}')
    try:
        return sets[layout](folder)
    except InputError as error:
        near = _near_folder(sets[layout], folder) if error.reason == 'layout' else None
        if near is None:
            raise
        raise InputError('layout', f'{error}; {near} does') from None


def _near_folder(read: Callable[[Path], SetT], folder: Path) -> Path | None:
    """Return the folder one level down or up that can be read, or None."""
    if not folder.is_dir():
        return None
    below = sorted(path for path in islice(folder.iterdir(), NUM_NEAR) if path.is_dir())
    for near in (*below, folder.absolute().parent):
        try:
            read(near)
        except (InputError, OSError):
            continue
        return near
    return None


def expect_effect(layout: str, given: dict[str, bool]) -> None:
    """Refuse options that were typed and that change nothing of a layout.

    Raises:
        ParameterError: Naming them.
    """
    names = [option for option, is_given in given.items() if is_given]
    if names:
        raise ParameterError(
            f'{", ".join(names)} changes nothing of layout {layout}; leave it out'
        )


def depth_frames(files: DepthSet, camera_of: CameraOf | None = None) -> Iterator[RgbdFrame]:
    """Read the frames of a set one after the other; see ``read_depth_frame``."""
    for frame in files.frames:
        yield read_depth_frame(files, frame, camera_of)


def read_depth_frame(
    files: DepthSet, frame: DepthFiles, camera_of: CameraOf | None = None
) -> RgbdFrame:
    """Read an image with its depth; ``camera_of`` gives its camera instead of the set.

    Raises:
        InputError: If a file cannot be used.
    """
    image = read_rgb(frame.image)
    camera, is_rectified = pinhole(files.camera, *image.shape[:2]), True
    if camera_of is not None:
        camera, is_rectified = camera_of(image)
    depth = read_depth(frame.depth, unit_m=files.unit_m)
    for steps in files.unknown_steps:
        depth[depth == np.float32(steps * files.unit_m)] = np.nan
    height, width = depth.shape
    own = pinhole(files.depth_camera, height, width) if files.depth_camera else None
    result = DepthResult(
        depth=depth,
        camera=depth_camera(camera, height=height, width=width, own=own),
        stamp_ns=frame.stamp_ns,
        scale=DepthScale.METRIC,
    )
    left = MonoFrame(
        image=image, camera=camera, stamp_ns=frame.stamp_ns, is_rectified=is_rectified
    )
    return RgbdFrame(image=left, depth=result)


def pinhole(values: DataSetCamera, height: int, width: int) -> PinholeCamera:
    """Return the camera of an image; resized images have resized intrinsics.

    Intrinsics of another size are scaled unless their principal point already is in the middle
    fifth of the image: some exports resize images and matrix, some the images alone.
    """
    is_of_image = abs(values.cx / width - 0.5) < 0.1 and abs(values.cy / height - 0.5) < 0.1
    is_scaled = values.size is not None and values.size != (height, width) and not is_of_image
    own_height, own_width = values.size if is_scaled and values.size else (height, width)
    camera = ideal_camera(
        fx=values.fx,
        fy=values.fy,
        cx=values.cx,
        cy=values.cy,
        height=own_height,
        width=own_width,
    )
    return scaled_camera(camera, height=height, width=width) if is_scaled else camera


class Rigs:
    """The rig of each calibration of a set, read once."""

    def __init__(
        self,
        *,
        is_rectified: bool | None = None,
        calibration: tuple[Path, ...] = (),
        is_scaled: bool = False,
    ) -> None:
        """Start empty; ``is_rectified`` and ``calibration`` overrule what a set says."""
        self._is_rectified = is_rectified
        self._calibration = calibration
        self._is_scaled = is_scaled
        self._rigs: dict[tuple[Path, ...], Rig] = {}

    def of(self, pair: StereoFiles) -> Rig:
        """Return the rig of a pair."""
        files = self._calibration or pair.calibration
        if files not in self._rigs:
            given = self._is_rectified
            settings = RigSettings(
                calibration=files,
                is_rectified=pair.is_rectified if given is None else given,
                is_scaled=self._is_scaled,
            )
            self._rigs[files] = Rig(settings)
        return self._rigs[files]

    def read(self, pair: StereoFiles) -> StereoFrame:
        """Read a pair with its stamp.

        Raises:
            InputError: If a file cannot be used.
        """
        frame = self.of(pair).read_frame(PairFiles(left=pair.left, right=pair.right))
        return StereoFrame(
            left=replace(frame.left, stamp_ns=pair.stamp_ns),
            right=replace(frame.right, stamp_ns=pair.stamp_ns),
        )


@dataclass(frozen=True, slots=True)
class LayoutPair:
    """One pair of a data set, as an item of a batch."""

    pair: StereoFiles
    rigs: Rigs

    @property
    def name(self) -> str:
        """The pair's own name."""
        return self.pair.name

    @property
    def files(self) -> dict[str, Path]:
        """Both images and the calibration."""
        calibration = {f'calibration{n}': path for n, path in enumerate(self.pair.calibration)}
        return {'left': self.pair.left, 'right': self.pair.right, **calibration}

    def frame(self) -> StereoFrame:
        """Read both."""
        return self.rigs.read(self.pair)


class LayoutPairs:
    """The pairs of a data set's folder; a ``PairSource``."""

    has_metres = True

    def __init__(self, layout: str, files: StereoSet, stated: RigSettings) -> None:
        """Remember the files; each calibration is read with its first pair.

        Args:
            layout: Its word.
            files: The pairs.
            stated: What the user states, which overrules the set.
        """
        self._layout = f'{layout} with --calibration' if stated.calibration else layout
        self._files = files
        self._rigs = Rigs(
            is_rectified=stated.is_rectified,
            calibration=stated.calibration,
            is_scaled=stated.is_scaled,
        )
        self.count = len(files.pairs)
        self.calibration = stated.calibration
        self.settings: object = (layout, stated)

    def __iter__(self) -> Iterator[LayoutPair]:
        """Return the pairs in order."""
        return iter([LayoutPair(pair, self._rigs) for pair in self._files.pairs])

    def describe(self) -> str:
        """Return where the calibration is from and how images are taken."""
        rig = self._rigs.of(self._files.pairs[0]).describe() if self._files.pairs else 'not read'
        return f'layout {self._layout}: {rig}'

    def unpaired(self) -> list[str]:
        """Return which left images have no right one."""
        return [f'{path} has no right image' for path in self._files.unpaired]

    def num_unpaired_left(self) -> int:
        """Count them."""
        return len(self._files.unpaired)
