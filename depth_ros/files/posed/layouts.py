"""Recognise the layout of a folder of posed images, and read it."""

from __future__ import annotations

from pathlib import Path

from depth_ros.errors import InputError
from depth_ros.files.given_path import library_path
from depth_ros.files.posed.colmap import colmap_place, read_colmap_folder
from depth_ros.files.posed.mvsnet import is_mvsnet_folder, read_mvsnet_folder
from depth_ros.files.posed.poses import is_pose_folder, read_pose_folder
from depth_ros.files.posed.values import PosedFolder, damaged


def read_posed_folder(
    folder: Path | str, *, unit_m: float = 1.0, use_pycolmap: bool = False
) -> PosedFolder:
    """Read a folder of posed images.

    Args:
        folder: In the layout of MVSNet (``cams``, ``pair.txt``), COLMAP (``cameras``, ``images``,
            ``points3D``) or plain matrices (``poses.txt``, ``K.txt``).
        unit_m: Metres in one unit of an MVSNet folder.
        use_pycolmap: Leave the files of a COLMAP model to pycolmap.

    Raises:
        InputError: Reason ``'layout'`` if it is none of them, ``'posed_file'`` if a file is
            damaged or two views have one name. Views that cannot be used alone are in
            ``refused``.
    """
    found = _read(library_path(folder, what='a folder of posed images'), unit_m, use_pycolmap)
    seen: set[str] = set()
    for view in found.views:
        if view.name in seen:
            what = f'two images are called {view.name!r}'
            raise damaged(view.image, what, 'rename one, results are named after them')
        seen.add(view.name)
    return found


def _read(folder: Path, unit_m: float, use_pycolmap: bool) -> PosedFolder:
    if is_mvsnet_folder(folder):
        return read_mvsnet_folder(folder, unit_m=unit_m)
    if colmap_place(folder) is not None:
        return read_colmap_folder(folder, use_pycolmap=use_pycolmap)
    if is_pose_folder(folder):
        return read_pose_folder(folder)
    if (folder / 'images').is_dir() and (folder / 'K.txt').is_file():
        raise InputError(
            'layout',
            f'{folder} has images/ and K.txt but no poses.txt; add it with a row an image, '
            '12 or 16 numbers, camera to world in metres (docs/multiview.md)',
        )
    raise InputError(
        'layout',
        f'{folder} is no folder of posed images; expected cams/ and pair.txt (MVSNet), cameras, '
        'images and points3D .txt or .bin (COLMAP), or poses.txt and K.txt',
    )
