"""Finds image files, and pairs left with right ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from depth_ros.cli.kit.batch import warn
from depth_ros.errors import InputError
from depth_ros.files.image import SUFFIXES

UNREAD_SUFFIXES = ('.heic', '.heif', '.avif', '.webp', '.gif', '.jp2', '.exr', '.dng', '.raw')
"""Photographs that are not read; other files in a folder are nobody's loss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFiles:
    """Two image files of one moment.

    Attributes:
        left: Left image.
        right: Right image.
    """

    left: Path
    right: Path

    @property
    def name(self) -> str:
        """Name for output files: the left file's without its ending."""
        return self.left.stem

    @property
    def files(self) -> dict[str, Path]:
        """Both files by side."""
        return {'left': self.left, 'right': self.right}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """One image file."""

    path: Path

    @property
    def name(self) -> str:
        """Name for output files: the file's without its ending."""
        return self.path.stem

    @property
    def files(self) -> dict[str, Path]:
        """The file."""
        return {'image': self.path}


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPairs:
    """What two files or folders hold.

    Attributes:
        pairs: Pairs in order of the left names.
        unpaired: Left images without a right one.
    """

    pairs: tuple[PairFiles, ...]
    unpaired: tuple[Path, ...]


def find_pairs(left: Path, right: Path) -> FoundPairs:
    """Pair two files, or the images of two folders.

    A left image belongs to the right one of the same name, or of its name with ``left`` replaced
    by ``right``. Both folders may be one.

    Raises:
        InputError: If a path is missing, a file stands against a folder, names collide, or
            nothing pairs.
    """
    for path in (left, right):
        if not path.exists():
            raise InputError('file', f'there is no file or folder {path}; check the path')
    if left.is_dir() != right.is_dir():
        raise InputError('file', f'give two files or two folders, not {left} and {right}')
    if not left.is_dir():
        return FoundPairs(pairs=(PairFiles(left=left, right=right),), unpaired=())
    found = _pair_folders(left, right)
    for folder in {left.resolve(): left, right.resolve(): right}.values():
        _tell_unread(folder)
    _check_found(found, left, right)
    return found


def expect_one_camera(folder: Path, *, remedy: str) -> None:
    """Refuse a folder that holds nothing but left and right images of a rig.

    Args:
        folder: Where the images of one camera are expected.
        remedy: What to do with pairs instead.

    Raises:
        InputError: Reason ``'stereo_pairs'``.
    """
    names = [path.name for path in _images(folder)]
    pairs = _pair_folders(folder, folder).pairs
    if pairs and all('left' in name or 'right' in name for name in names):
        raise InputError(
            'stereo_pairs',
            f'{folder} must hold images of one camera, but has pairs ({pairs[0].left.name} and '
            f'{pairs[0].right.name}); {remedy}',
        )


def find_images(path: Path) -> list[ImageFile]:
    """Return an image file, or the images of a folder in order of their names.

    Raises:
        InputError: If the path is missing, holds no image, or names collide.
    """
    if not path.exists():
        raise InputError('file', f'there is no file or folder {path}; check the path')
    if not path.is_dir():
        return [ImageFile(path=path)]
    found = [ImageFile(path=file) for file in _images(path)]
    _tell_unread(path)
    if not found:
        raise InputError('file', f'there is no image in {path}; {_instead(path)}')
    _check_names([item.name for item in found], path)
    return found


def _instead(folder: Path) -> str:
    inner = folder / 'images'
    if inner.is_dir() and _images(inner):
        return f'did you mean {inner}?'
    return f'it takes {", ".join(SUFFIXES)} files'


def _pair_folders(left: Path, right: Path) -> FoundPairs:
    lefts, rights = _images(left), {path.name: path for path in _images(right)}
    is_one_folder = left.resolve() == right.resolve()
    pairs, unpaired = [], []
    for path in lefts:
        if is_one_folder and 'left' not in path.name:
            continue
        partner = path.name.replace('left', 'right')
        name = path.name if path.name in rights and not is_one_folder else partner
        if name in rights:
            pairs.append(PairFiles(left=path, right=rights[name]))
        else:
            unpaired.append(path)
    return FoundPairs(pairs=tuple(pairs), unpaired=tuple(unpaired))


def _check_found(found: FoundPairs, left: Path, right: Path) -> None:
    if not found.pairs:
        raise InputError(
            'file',
            f'no image in {left} has a partner in {right}; name both alike, or one with "left" '
            f'and the other with "right" ({", ".join(SUFFIXES)})',
        )
    _check_names([pair.name for pair in found.pairs], left)


def _check_names(names: list[str], folder: Path) -> None:
    """Refuse two images whose results would have one name."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(
            'file', f'{folder} has several images named {twice[0]!r}; keep one of them'
        )


def _tell_unread(folder: Path) -> None:
    """Say which photographs are left out for their format."""
    unread = [path for path in folder.iterdir() if path.suffix.lower() in UNREAD_SUFFIXES]
    for suffix, count in Counter(path.suffix for path in unread).items():
        warn(f'{count} {suffix} in {folder} left out: not read; convert to .jpg or .png')


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
