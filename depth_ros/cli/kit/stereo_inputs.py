"""Pairs for ``depth-ros run stereo``: image files with a calibration, or a bag that brings it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from depth_ros.cli.kit.batch import warn
from depth_ros.cli.kit.data_sets import LayoutPairs, add_layout_argument, chosen, expect_effect
from depth_ros.cli.kit.images import FoundPairs, PairFiles, find_pairs
from depth_ros.cli.kit.rig import Rig, RigSettings, rig_settings
from depth_ros.cli.kit.sources import BagItem, FrameItem, add_topic_arguments, storage_file
from depth_ros.errors import InputError, ParameterError
from depth_ros.files.bag_reader import is_bag
from depth_ros.files.bags import BagFrames, Report, read_stereo_bag
from depth_ros.files.data_sets.stereo_sets import STEREO_SETS
from depth_ros.frames import StereoFrame

PairItem = FrameItem[StereoFrame]


class PairSource(Protocol):
    """Where the pairs come from.

    Attributes:
        count: How many there will be at most.
        settings: What results depend on besides the images.
        calibration: Files that results depend on besides the images.
        has_metres: Whether depth in metres follows from disparity.
    """

    count: int
    settings: object
    calibration: tuple[Path, ...]
    has_metres: bool

    def __iter__(self) -> Iterator[PairItem]:
        """Return the pairs in order."""

    def describe(self) -> str:
        """Return where the calibration is from and how images are taken."""

    def unpaired(self) -> list[str]:
        """Return which images found no partner so far."""

    def num_unpaired_left(self) -> int:
        """Count the left ones among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BagSettings:
    """What to read of a bag.

    Attributes:
        path: Folder or storage file.
        left_topic: Left images; empty takes the only pair of topics.
        right_topic: Right images.
        left_info_topic: Left calibration; empty takes the one beside the images.
        right_info_topic: Right calibration.
        max_stamp_difference_s: Largest difference of the stamps of a pair.
        is_rectified: Whether the images are rectified; None goes by the topics' names.
    """

    path: Path
    left_topic: str
    right_topic: str
    left_info_topic: str
    right_info_topic: str
    max_stamp_difference_s: float
    is_rectified: bool | None


def add_pair_inputs(parser: argparse.ArgumentParser) -> None:
    """Add what ``open_pairs`` reads, the calibration's arguments left out."""
    parser.add_argument('left', type=Path, metavar='LEFT|FOLDER|BAG')
    parser.add_argument('right', type=Path, nargs='?', metavar='RIGHT')
    add_layout_argument(parser, list(STEREO_SETS))
    add_bag_arguments(parser)


def add_bag_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the topics of a rig in a bag and how its images are paired; return their group."""
    bag = add_topic_arguments(parser, _BAG_TOPICS)
    bag.add_argument(
        '--max-stamp-difference-s',
        type=float,
        default=0.0,
        metavar='S',
        help='pair images this far apart; default 0, equal stamps',
    )
    return bag


_BAG_TOPICS = ('left_topic', 'right_topic', 'left_info_topic', 'right_info_topic')


def open_pairs(
    arguments: argparse.Namespace, report: Report, *, needs_calibration: bool = True
) -> PairSource:
    """Find the pairs.

    Args:
        arguments: Parsed arguments.
        report: Called for every image of a bag that cannot be used.
        needs_calibration: Whether image files without one are refused.

    Raises:
        ParameterError: If arguments are missing or contradict each other.
        InputError: If there is nothing to read.
    """
    if arguments.right is None and is_bag(arguments.left):
        return BagPairs(_bag_settings(arguments), report)
    if getattr(arguments, 'layout', 'auto') != 'auto':
        return _layout_pairs(arguments)
    right = arguments.right or arguments.left
    if not right.is_dir() and arguments.right is None:
        raise ParameterError(
            f'{arguments.left} is no bag: give LEFT and RIGHT, two images, or a folder of pairs'
        )
    if needs_calibration and not arguments.calibration:
        raise ParameterError(
            'image files need a calibration: add --calibration FILE; '
            'see: depth-ros run stereo --help'
        )
    return FilePairs(_found(arguments.left, right), rig_settings(arguments))


def _found(left: Path, right: Path) -> FoundPairs:
    """Find pairs; where none is, name the layout that fits."""
    try:
        return find_pairs(left, right)
    except InputError:
        word = _fitting_layout(left) if left == right and left.is_dir() else ''
        if not word:
            raise
        raise InputError('layout', f'{left} is laid out as {word}; add --layout {word}') from None


def _fitting_layout(folder: Path) -> str:
    """Return the word of the first layout whose pairs and calibration are there, or ''."""
    for word, read in STEREO_SETS.items():
        try:
            pairs = read(folder).pairs
        except (InputError, OSError):
            continue
        if pairs and all(file.is_file() for file in pairs[0].calibration):
            return word
    return ''


def _layout_pairs(arguments: argparse.Namespace) -> LayoutPairs:
    layout, stated = arguments.layout, rig_settings(arguments)
    expect_effect(
        layout, {'RIGHT': arguments.right is not None, '--fov-deg': stated.fov_deg > 0.0}
    )
    files = chosen(STEREO_SETS, layout, arguments.left)
    if stated.calibration:
        warn(f'--calibration is taken instead of what layout {layout} brings')
    return LayoutPairs(layout, files, stated)


class FilePairs:
    """Two image files, or those of two folders."""

    def __init__(self, found: FoundPairs, rig: RigSettings) -> None:
        """Remember the files; the calibration is read with the first pair."""
        self._found = found
        self._rig = Rig(rig, images=[pair.left for pair in found.pairs])
        self.count = len(found.pairs)
        self.settings: object = rig
        self.calibration = rig.calibration
        self.has_metres = rig.has_metres

    def __iter__(self) -> Iterator[FilePair]:
        """Return the pairs in order of the left names."""
        return iter([FilePair(pair, self._rig) for pair in self._found.pairs])

    def describe(self) -> str:
        """Return where the calibration is from and how images are taken."""
        return self._rig.describe()

    def unpaired(self) -> list[str]:
        """Return which left images have no right one."""
        return [f'{path} has no right image' for path in self._found.unpaired]

    def num_unpaired_left(self) -> int:
        """Count them."""
        return len(self._found.unpaired)


@dataclass(frozen=True, slots=True)
class FilePair:
    """One pair of files."""

    pair: PairFiles
    rig: Rig

    @property
    def name(self) -> str:
        """The left file's name without its ending."""
        return self.pair.name

    @property
    def files(self) -> dict[str, Path]:
        """Both files."""
        return self.pair.files

    def frame(self) -> StereoFrame:
        """Read both."""
        return self.rig.read_frame(self.pair)


class BagPairs:
    """The pairs of a rig in a bag."""

    def __init__(self, settings: BagSettings, report: Report) -> None:
        """Choose the topics.

        Raises:
            InputError: If the bag cannot be read.
        """
        self._report = report
        self._unpaired: Counter[str] = Counter()
        self._bag: BagFrames[StereoFrame] = read_stereo_bag(
            settings.path,
            left_topic=settings.left_topic,
            right_topic=settings.right_topic,
            left_info_topic=settings.left_info_topic,
            right_info_topic=settings.right_info_topic,
            max_stamp_difference_s=settings.max_stamp_difference_s,
            report=self._left_out,
        )
        self.count = self._bag.count
        self.settings: object = settings
        self.calibration: tuple[Path, ...] = ()
        self.has_metres = True
        self._file = storage_file(settings.path)
        self._is_rectified = settings.is_rectified

    def __iter__(self) -> Iterator[BagItem[StereoFrame]]:
        """Read the pairs in order of recording.

        Raises:
            InputError: If there are images and not one pair.
        """
        has_pair = False
        for frame in self._bag:
            has_pair = True
            yield BagItem(_taken_as(frame, self._is_rectified), self._file)
        if self._unpaired and not has_pair:
            raise InputError('no_partner', _no_pair(self._bag))

    def describe(self) -> str:
        """Return where the calibration is from and how images are taken."""
        left, right = self._bag.cameras
        is_rectified = left.is_rectified if self._is_rectified is None else self._is_rectified
        kind = 'rectified' if is_rectified else 'raw'
        return (
            f'{left.info.name} and {right.info.name} of the bag, images of {left.image.name} and '
            f'{right.image.name} taken as {kind}'
        )

    def unpaired(self) -> list[str]:
        """Return how many images of each side found no partner."""
        return [f'{count} {side} images have no partner' for side, count in self._unpaired.items()]

    def num_unpaired_left(self) -> int:
        """Count the left ones among them."""
        return self._unpaired['left']

    def _left_out(self, reason: str, text: str) -> None:
        """Count images without a partner, as at the ends of recordings; report the rest."""
        side = reason.rpartition('_')[2]
        if side in ('left', 'right'):
            self._unpaired[side] += 1
        else:
            self._report(reason, text)


def _no_pair(bag: BagFrames[StereoFrame]) -> str:
    left, right = (camera.image.name for camera in bag.cameras)
    nearest_ns = bag.nearest_apart_ns
    if nearest_ns is None:
        return f'no image of {left} has one of {right}; record both cameras together'
    above_s = (nearest_ns // 1_000_000 + 1) / 1000.0
    return (
        f'no image of {left} has one of {right} in time: the nearest are {nearest_ns * 1e-6:.3f} '
        f'ms apart; if they belong together, add --max-stamp-difference-s {above_s:g}'
    )


def _bag_settings(arguments: argparse.Namespace) -> BagSettings:
    if arguments.calibration or arguments.scale_calibration:
        raise ParameterError(
            'a bag brings its own camera_info: leave out --calibration and --scale-calibration'
        )
    return BagSettings(
        path=arguments.left,
        max_stamp_difference_s=arguments.max_stamp_difference_s,
        is_rectified=arguments.is_rectified,
        **{name: getattr(arguments, name) for name in _BAG_TOPICS},
    )


def _taken_as(frame: StereoFrame, is_rectified: bool | None) -> StereoFrame:
    if is_rectified is None:
        return frame
    return StereoFrame(
        left=replace(frame.left, is_rectified=is_rectified),
        right=replace(frame.right, is_rectified=is_rectified),
    )
