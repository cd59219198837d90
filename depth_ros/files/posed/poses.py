"""Plain folders: ``images/``, ``K.txt`` and ``poses.txt`` with one camera-to-world row an image.

Where ``poses.txt`` holds more rows than there are images, ``frame_rows.csv`` (columns ``file`` and
``pose_row``) says which row is whose.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from depth_ros.errors import InputError
from depth_ros.files.given_file import given_text
from depth_ros.files.posed.values import PosedFolder, ViewFile, damaged

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')
TABLE = 'frame_rows.csv'


def is_pose_folder(folder: Path) -> bool:
    """Return whether a folder has this layout."""
    return (folder / 'poses.txt').is_file() and (folder / 'K.txt').is_file()


def read_pose_folder(folder: Path) -> PosedFolder:
    """Read a plain folder of posed images, lengths in metres.

    Raises:
        InputError: Reason ``'posed_file'``, naming the file and where in it.
    """
    k = _numbers(folder / 'K.txt', 9).reshape(3, 3)
    poses = _rows(folder / 'poses.txt')
    images = image_files(folder)
    rows, missing = _row_numbers(folder, images, len(poses))
    views = [
        ViewFile(
            name=image.stem,
            image=image,
            k=k,
            d=np.zeros(0),
            world_from_camera=poses[row].reshape(4, 4),
        )
        for image, row in zip(images, rows, strict=True)
        if row is not None
    ]
    without = [image for image, row in zip(images, rows, strict=True) if row is None]
    return PosedFolder(
        layout='poses',
        views=tuple(views),
        is_sequence=True,
        is_metric=True,
        points=np.empty((0, 3)),
        refused=(
            *((image.stem, _no_pose(folder, image)) for image in without),
            *((Path(name).stem, _no_image(folder, name)) for name in missing),
        ),
    )


def _no_image(folder: Path, name: str) -> InputError:
    return InputError(
        'file', f'{folder / TABLE} names {name}, which is not among the images; copy it too'
    )


def _no_pose(folder: Path, image: Path) -> InputError:
    return InputError(
        'no_pose',
        f'{folder / TABLE} has no line for {image.name}, so nobody knows where it was taken; add '
        'file,pose_row',
    )


def image_files(folder: Path) -> list[Path]:
    """Return the images of ``folder/images``, or else of the folder itself, by name.

    Raises:
        InputError: Reason ``'posed_file'`` if there are none.
    """
    for place in (folder / 'images', folder):
        found = [p for p in sorted(place.glob('*')) if p.suffix.lower() in IMAGE_SUFFIXES]
        if found:
            return found
    raise damaged(folder, 'no images (.png, .jpg)', 'put them into its folder images/')


def _numbers(path: Path, count: int) -> np.ndarray:
    try:
        values = np.array(given_text(path).split(), np.float64)
    except ValueError as error:
        raise damaged(path, f'expected {count} numbers ({error})', 'write them anew') from error
    if values.size != count or not np.isfinite(values).all():
        raise damaged(path, f'expected {count} finite numbers, got {values.size}', 'write it anew')
    return values


def _rows(path: Path) -> list[np.ndarray]:
    rows = []
    for number, line in enumerate(given_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = np.array(line.split(), np.float64)
        except ValueError as error:
            raise damaged(path, f'line {number}: {error}', 'write 16 numbers a line') from error
        if row.size == 12:
            row = np.concatenate([row, (0.0, 0.0, 0.0, 1.0)])
        if row.size != 16:
            what = f'line {number}: {row.size} numbers instead of 16'
            raise damaged(path, what, 'write the 4x4 camera-to-world matrix row by row')
        rows.append(row)
    return rows


def _row_numbers(
    folder: Path, images: list[Path], num_poses: int
) -> tuple[list[int | None], list[str]]:
    """Return each image's row of ``poses.txt``, None without one, and the names without image."""
    table = folder / TABLE
    if not table.is_file():
        if num_poses != len(images):
            what = f'{num_poses} poses for {len(images)} images'
            remedy = 'write one pose an image, or add frame_rows.csv (file,pose_row)'
            raise damaged(folder / 'poses.txt', what, remedy)
        return list(range(num_poses)), []
    reader = csv.DictReader(io.StringIO(given_text(table), newline=''))
    try:
        if not {'file', 'pose_row'} <= set(reader.fieldnames or ()):
            raise ValueError(f'the first line names {reader.fieldnames}')
        rows = {row['file']: int(row['pose_row']) for row in reader}
    except (TypeError, ValueError, csv.Error) as error:
        remedy = 'write the columns file,pose_row'
        raise damaged(table, f'no good line ({error})', remedy) from error
    outside = [f'{name}: {row}' for name, row in rows.items() if not 0 <= row < num_poses]
    if outside:
        what = f'poses.txt has rows 0..{num_poses - 1}, got {outside[0]}'
        raise damaged(table, what, 'correct it')
    names = [image.name for image in images]
    return [rows.get(name) for name in names], [name for name in rows if name not in names]
