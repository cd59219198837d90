"""KITTI's raw data (Geiger et al. 2013): rectified colour video of a stereo rig on a car.

Layout, as the official archives unpack: ``DATE/calib_cam_to_cam.txt`` and
``DATE/DATE_drive_NNNN_sync/image_02/data/0000000000.png`` (left colour camera; ``image_03`` is
the right one), as PNG or converted to JPEG. A split list has a line ``DATE/DRIVE NUMBER SIDE``
for each sample, SIDE being ``l`` or ``r``, as published with Godard et al. 2019.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.errors import CalibrationError, RecipeError
from depth_ros.training.datasets.frame_files import FrameFiles

CALIBRATION_NAME = 'calib_cam_to_cam.txt'
ENDINGS = ('.jpg', '.png')
SIDES = {'l': '02', 'r': '03'}
OTHER = {'l': 'r', 'r': 'l'}
_LAYOUT = 'DATE/DATE_drive_NNNN_sync/image_02/data/0000000000.png'


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KittiRig:
    """The two colour cameras of one date, rectified.

    Attributes:
        cameras: By side, ``'l'`` and ``'r'``.
        baseline_m: Their distance.
    """

    cameras: Mapping[str, PinholeCamera]
    baseline_m: float

    def partner_x_m(self, side: str) -> float:
        """Return what is added to x on the way into the other camera's axes."""
        return -self.baseline_m if side == 'l' else self.baseline_m


def find_clips(root: Path, *, with_partner: bool = False) -> list[list[FrameFiles]]:
    """Find all samples, a list for each drive and side in order of time.

    Args:
        root: Folder of the dates.
        with_partner: Whether samples take the other camera's image along; those without one are
            left out.

    Raises:
        RecipeError: If there is none.
        CalibrationError: If a date's calibration cannot be read.
    """
    folders = sorted(root.glob('*/*_sync/image_0[23]/data'))
    rigs = {date: read_rig(date / CALIBRATION_NAME) for date in {_date(path) for path in folders}}
    clips = [_clip(folder, rigs[_date(folder)], with_partner) for folder in folders]
    if not any(clips):
        raise RecipeError(
            f'expected KITTI raw data in {root} ({_LAYOUT}, three consecutive frames or more), '
            f'found {_found(root)}; pass the folder of the dates with --data'
        )
    return [clip for clip in clips if clip]


def find_listed(root: Path, split: Path, *, with_partner: bool = False) -> list[FrameFiles]:
    """Find the samples that a split list names, in its order.

    Raises:
        RecipeError: If the list cannot be understood, or names files that are not there.
        CalibrationError: If a date's calibration cannot be read.
    """
    lines = [_parsed(split, number, text) for number, text in enumerate(_lines(split), start=1)]
    if not lines:
        raise RecipeError(f'{split} names no sample; use a split list of Monodepth2')
    rig_of = lru_cache(maxsize=None)(lambda date: read_rig(date / CALIBRATION_NAME))
    frames_of = lru_cache(maxsize=None)(_frames)
    samples = []
    for line in lines:
        data = root / line.drive / f'image_{SIDES[line.side]}' / 'data'
        rig = rig_of(_date(data))
        sample = _sample(frames_of(data), line.frame, data, rig, with_partner)
        if sample is None:
            raise RecipeError(
                f'{split}, line {line.number}: frame {line.frame} of {data}, a neighbour of it'
                f'{" or its partner" if with_partner else ""} is not there; download the drive, '
                'or take its lines out of the list'
            )
        samples.append(sample)
    return samples


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    number: int
    drive: str
    frame: int
    side: str


def _parsed(split: Path, number: int, text: str) -> _Line:
    match = re.fullmatch(r'\s*(\w+/\w+)/?\s+(\d+)\s+([lr])\s*', text)
    if match is None:
        raise RecipeError(
            f'{split}, line {number}: expected "DATE/DRIVE NUMBER l|r", got {text[:80]!r}; '
            'use a split list of Monodepth2'
        )
    return _Line(number=number, drive=match[1], frame=int(match[2]), side=match[3])


def read_rig(path: Path) -> KittiRig:
    """Read the colour cameras out of ``calib_cam_to_cam.txt``.

    Raises:
        CalibrationError: If it is missing or says something impossible.
    """
    if not path.is_file():
        raise CalibrationError(
            'calibration_file',
            f'there is no {path}; unpack the calibration archive of this date beside its drives',
        )
    try:
        lines = dict(re.findall(r'^\s*(\w+)\s*:\s*(.+?)\s*$', path.read_text('utf-8'), re.M))
        left, right = (_numbers(lines[f'P_rect_{n}'], 12).reshape(3, 4) for n in SIDES.values())
        sizes = [_numbers(lines[f'S_rect_{n}'], 2) for n in SIDES.values()]
    except (OSError, KeyError, ValueError) as error:
        detail = f'{type(error).__name__}: {error}'.splitlines()[0]
        raise CalibrationError(
            'calibration_file',
            f'expected P_rect_02, P_rect_03, S_rect_02 and S_rect_03 in {path}, but it cannot be '
            f'read ({detail}); unpack the calibration archive again',
        ) from None
    baseline_m = float(left[0, 3] / left[0, 0] - right[0, 3] / right[0, 0])
    if not 0.0 < baseline_m < np.inf:
        raise CalibrationError(
            'baseline_sign',
            f'{path} gives a baseline of {baseline_m:.4f} m from P_rect_02 to P_rect_03, expected '
            'one above 0; unpack the calibration archive again',
        )
    cameras = [_camera(p, size) for p, size in zip((left, right), sizes, strict=True)]
    return KittiRig(cameras=dict(zip(SIDES, cameras, strict=True)), baseline_m=baseline_m)


def _camera(p: np.ndarray, size: np.ndarray) -> PinholeCamera:
    return ideal_camera(
        fx=float(p[0, 0]),
        fy=float(p[1, 1]),
        cx=float(p[0, 2]),
        cy=float(p[1, 2]),
        height=int(size[1]),
        width=int(size[0]),
    )


def _numbers(text: str, count: int) -> np.ndarray:
    values = np.array([float(word) for word in text.split()])
    if values.size != count or not np.isfinite(values).all():
        raise ValueError(f'{count} finite numbers expected, got {text[:60]!r}')
    return values


def _lines(split: Path) -> Iterable[str]:
    try:
        return [line for line in split.read_text(encoding='utf-8').splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f'cannot read the split list {split}: {error}') from None


def _date(data: Path) -> Path:
    return data.parents[2]


def _frames(data: Path) -> dict[int, Path]:
    """List a folder's images by their numbers; a PNG is preferred to its JPEG."""
    paths = sorted(data.iterdir()) if data.is_dir() else []
    ordered = [path for ending in ENDINGS for path in paths if path.suffix == ending]
    return {int(path.stem): path for path in ordered if path.stem.isdecimal()}


def _clip(data: Path, rig: KittiRig, with_partner: bool) -> list[FrameFiles]:
    frames = _frames(data)
    samples = [_sample(frames, number, data, rig, with_partner) for number in sorted(frames)]
    return [sample for sample in samples if sample is not None]


def _sample(
    frames: Mapping[int, Path], number: int, data: Path, rig: KittiRig, with_partner: bool
) -> FrameFiles | None:
    """Put a sample together; None where a file is not there."""
    if any(number + step not in frames for step in (-1, 0, 1)):
        return None
    side = 'l' if data.parent.name.endswith(SIDES['l']) else 'r'
    partner = _partner(frames[number], data, side) if with_partner else None
    if with_partner and partner is None:
        return None
    return FrameFiles(
        target=frames[number],
        before=frames[number - 1],
        after=frames[number + 1],
        camera=rig.cameras[side],
        is_rectified=True,
        partner=partner,
        partner_x_m=rig.partner_x_m(side) if with_partner else 0.0,
    )


def _partner(target: Path, data: Path, side: str) -> Path | None:
    """Find the other camera's image of one moment."""
    folder = data.parents[1] / f'image_{SIDES[OTHER[side]]}' / 'data'
    paths = [folder / f'{target.stem}{ending}' for ending in ENDINGS]
    return next((path for path in paths if path.is_file()), None)


def _found(root: Path) -> str:
    if not root.is_dir():
        return 'no such folder'
    names = sorted(path.name for path in root.iterdir())
    return ', '.join(names[:5]) + (' ...' if len(names) > 5 else '') if names else 'nothing'
