"""What to type for a path that is no recording in MCAP."""

from __future__ import annotations

from shlex import quote

from depth_ros.files.image import SUFFIXES
from depth_ros.recordings.places import is_folder, is_there, join, matches, stem_of

POSES = ('poses.txt', 'trajectory.txt', 'transforms.json', 'cams', 'sparse')
"""Files and folders beside images that place them."""
DEPTHS = ('depth', 'depth.txt')
"""Folder or list of depth beside images."""


def other_input(path: str) -> str:
    """Return a sentence with the commands that take what is there."""
    if path.lower().endswith(SUFFIXES):
        return _of_images(path, _image_commands(path))
    if _holds_images(path):
        return _of_images(path, _folder_commands(path))
    target = f'{stem_of(path)}_mcap'
    return (
        f'{path} is no bag in MCAP, and jobs read MCAP by its index; type: rosbags-convert '
        f'--src {quote(path)} --dst {quote(target)} --dst-storage mcap'
    )


def _of_images(path: str, commands: str) -> str:
    return f'{path} holds images, and jobs read recordings in MCAP; for images type: {commands}'


def _image_commands(path: str) -> str:
    named = quote(path)
    pair = f'depth-ros run stereo {named} RIGHT --calibration RIG'
    return f'depth-ros run mono {named} (or, of a pair: {pair})'


def _folder_commands(path: str) -> str:
    named = quote(path)
    commands = [f'depth-ros run odometry {named}'] if _has(path, DEPTHS) else []
    if _has(path, POSES):
        commands.append(f'depth-ros run multiview {named}')
    pairs = f'depth-ros run stereo {named} --calibration RIG (of pairs)'
    return ', or: '.join(commands or [pairs, f'depth-ros run mono {named}'])


def _has(folder: str, names: tuple[str, ...]) -> bool:
    places = [join(folder, name) for name in names]
    return any(is_there(place) or is_folder(place) for place in places)


def _holds_images(path: str) -> bool:
    """Return whether this is a folder with images in it or one level deeper."""
    return any(
        name.lower().endswith(SUFFIXES)
        for pattern in ('*', '*/*')
        for name in matches(join(path, pattern))
    )
