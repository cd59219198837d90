"""Stereo data sets, each laid out as its authors publish it.

EuRoC (Burri et al. 2016), KITTI raw, odometry and object (Geiger et al. 2012, 2013), ETH3D's two-
view sets (Schoeps et al. 2017) and Middlebury 2003 to 2021 (Scharstein et al.).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path

from depth_ros.errors import InputError
from depth_ros.files.data_sets.stamps import seconds_to_ns, stamps_from_names
from depth_ros.files.data_sets.values import StereoFiles, StereoSet, expected, some
from depth_ros.files.given_file import given_text

SECOND_NS = 1_000_000_000
SUFFIXES = ('.png', '.jpg', '.jpeg')
EUROC_MAX_DIFFERENCE_NS = 1_000_000
RATE_NS = SECOND_NS // 10
"""KITTI's cameras take 10 pairs a second."""


def read_euroc(folder: Path) -> StereoSet:
    """Read ``mav0/cam0`` and ``cam1``, paired by stamp."""
    root = folder / 'mav0' if (folder / 'mav0').is_dir() else folder
    sides = [_by_stem(root / camera / 'data') for camera in ('cam0', 'cam1')]
    calibration = tuple(root / camera / 'sensor.yaml' for camera in ('cam0', 'cam1'))
    some(folder, sides[0], 'mav0/cam0/data and mav0/cam1/data')
    found = stamps_from_names(list(sides[0].values()))
    if found is None:
        raise expected(folder, 'images named by their stamps in mav0/cam0/data')
    rights = {int(stem): path for stem, path in sides[1].items() if stem.isdigit()}
    pairs = []
    for stamp, (stem, left) in zip(found[0], sides[0].items(), strict=True):
        right = _at(rights, stamp)
        if right is not None:
            pairs.append(_pair(stem, left, right, stamp, calibration, is_rectified=False))
    lefts = {pair.left for pair in pairs}
    unpaired = tuple(path for path in sides[0].values() if path not in lefts)
    return StereoSet(pairs=tuple(pairs), unpaired=unpaired)


def read_kitti_raw(folder: Path) -> StereoSet:
    """Read a drive: ``image_00`` and ``image_01``, or ``image_02`` and ``image_03``."""
    calibration = _first(
        folder / 'calib_cam_to_cam.txt', folder.absolute().parent / 'calib_cam_to_cam.txt'
    )
    for left, right in (('image_00', 'image_01'), ('image_02', 'image_03')):
        sides = [_by_stem(folder / side / 'data') for side in (left, right)]
        if all(sides):
            times = _utc_times(folder / left / 'timestamps.txt', len(sides[0]))
            return _paired(sides, (calibration,), times)
    raise expected(folder, 'image_00/data and image_01/data, or image_02 and image_03')


def read_kitti_odometry(folder: Path) -> StereoSet:
    """Read a sequence: ``image_0`` and ``image_1``, or ``image_2`` and ``image_3``."""
    for left, right in (('image_0', 'image_1'), ('image_2', 'image_3')):
        sides = [_by_stem(folder / side) for side in (left, right)]
        if all(sides):
            times = _second_times(folder / 'times.txt', len(sides[0]))
            return _paired(sides, (_first(folder / 'calib.txt'),), times)
    raise expected(folder, 'image_0 and image_1, or image_2 and image_3, with calib.txt')


def read_kitti_object(folder: Path) -> StereoSet:
    """Read ``image_2``, ``image_3`` and a calibration for each image in ``calib``."""
    root = folder / 'training' if (folder / 'training' / 'image_2').is_dir() else folder
    sides = [_by_stem(root / side) for side in ('image_2', 'image_3')]
    some(folder, sides[0], 'image_2 and image_3 with calib/000000.txt')
    both = [stem for stem in sides[0] if stem in sides[1]]
    pairs = tuple(
        _pair(
            stem,
            sides[0][stem],
            sides[1][stem],
            SECOND_NS * (index + 1),
            (root / 'calib' / f'{stem}.txt',),
        )
        for index, stem in enumerate(both)
    )
    unpaired = tuple(path for stem, path in sides[0].items() if stem not in sides[1])
    return StereoSet(pairs=pairs, unpaired=unpaired)


def read_scenes(folder: Path) -> StereoSet:
    """Read ``im0``, ``im1`` and ``calib.txt`` of a scene, or of each folder of scenes."""
    scenes = [place for place in _places(folder) if (place / 'calib.txt').is_file()]
    pairs = []
    for index, scene in enumerate(scenes):
        files = [_image(scene / name) for name in ('im0', 'im1')]
        if all(files):
            left, right = (path for path in files if path)
            stamp = SECOND_NS * (index + 1)
            pairs.append(_pair(scene.absolute().name, left, right, stamp, (scene / 'calib.txt',)))
    if not pairs and any(_image(place / 'im2') or _image(place / 'view1') for place in scenes):
        raise _uncalibrated(folder)
    if not pairs and any(_image(p / 'im2') or _image(p / 'view1') for p in _places(folder)):
        raise _uncalibrated(folder)
    some(folder, pairs, 'im0.png, im1.png and calib.txt, or folders of them')
    return StereoSet(pairs=tuple(pairs))


STEREO_SETS: dict[str, Callable[[Path], StereoSet]] = {
    'euroc': read_euroc,
    'kitti_raw': read_kitti_raw,
    'kitti_odometry': read_kitti_odometry,
    'kitti_object': read_kitti_object,
    'eth3d': read_scenes,
    'middlebury': read_scenes,
}
"""Readers by the word of their layout."""


def _pair(
    name: str,
    left: Path,
    right: Path,
    stamp_ns: int,
    calibration: tuple[Path, ...],
    *,
    is_rectified: bool | None = None,
) -> StereoFiles:
    return StereoFiles(
        name=name,
        left=left,
        right=right,
        stamp_ns=stamp_ns,
        calibration=calibration,
        is_rectified=is_rectified,
    )


def _paired(
    sides: list[dict[str, Path]], calibration: tuple[Path, ...], times: list[int]
) -> StereoSet:
    """Pair by name; the n-th left image has the n-th time."""
    lefts, rights = sides
    pairs = tuple(
        _pair(stem, left, rights[stem], stamp, calibration)
        for (stem, left), stamp in zip(lefts.items(), times, strict=True)
        if stem in rights
    )
    return StereoSet(
        pairs=pairs, unpaired=tuple(path for stem, path in lefts.items() if stem not in rights)
    )


def _by_stem(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by name, in order."""
    if not folder.is_dir():
        return {}
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return {path.stem: path for path in sorted(found)}


def _at(images: dict[int, Path], stamp: int) -> Path | None:
    """Return the image of a stamp, or the nearest at most a millisecond away."""
    if stamp in images:
        return images[stamp]
    near = min(images, key=lambda other: abs(other - stamp), default=None)
    is_near = near is not None and abs(near - stamp) <= EUROC_MAX_DIFFERENCE_NS
    return images[near] if is_near and near is not None else None


def _first(*paths: Path) -> Path:
    return next((path for path in paths if path.is_file()), paths[0])


def _utc_times(path: Path, count: int) -> list[int]:
    """Read lines like ``2011-09-26 13:02:25.964389445``."""
    return _times(path, count, _utc_ns)


def _utc_ns(line: str) -> int:
    moment, _, fraction = line.strip().partition('.')
    at = datetime.strptime(moment, '%Y-%m-%d %H:%M:%S').replace(tzinfo=timezone.utc)
    return int(at.timestamp()) * SECOND_NS + int((fraction + '0' * 9)[:9])


def _second_times(path: Path, count: int) -> list[int]:
    """Read lines of seconds since the first image, which get a second more: none is zero."""
    return _times(path, count, lambda line: SECOND_NS + seconds_to_ns(line.strip()))


def _times(path: Path, count: int, read: Callable[[str], int]) -> list[int]:
    """Return a time for each image; 10 a second where there is no file."""
    if not path.is_file():
        return [SECOND_NS + index * RATE_NS for index in range(count)]
    lines = [line for line in given_text(path).splitlines() if line.strip()]
    try:
        times = [read(line) for line in lines]
    except (ValueError, OverflowError):
        raise InputError('layout', f'{path} must hold one time a line; restore it') from None
    if len(times) < count:
        raise InputError('layout', f'{path} has {len(times)} times for {count} images; restore it')
    return times[:count]


def _places(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return []
    return [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]


def _image(path: Path) -> Path | None:
    found = (path.with_name(path.name + suffix) for suffix in (*SUFFIXES, '.ppm'))
    return next((path for path in found if path.is_file()), None)


def _uncalibrated(folder: Path) -> InputError:
    return InputError(
        'no_calibration',
        f'{folder} is of Middlebury 2001 to 2006, which come without calib.txt; write one (cam0, '
        'cam1, doffs, baseline, width, height), or give both images and --calibration',
    )
