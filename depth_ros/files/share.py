"""Where installed data lies: recipes, configuration, weights."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from depth_ros.errors import DepthRosError
from depth_ros.files.given_path import given_path

PACKAGE = 'depth_ros'


def share_roots() -> list[Path]:
    """Folders searched for data, in order: ``DEPTH_ROS_SHARE``, the source checkout, prefixes.

    An installed copy finds ``share/depth_ros`` of its own prefix, of ``sys.prefix`` and of every
    entry of ``AMENT_PREFIX_PATH``.
    """
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    chosen = os.environ.get('DEPTH_ROS_SHARE')
    roots = [Path(chosen)] if chosen else []
    if (checkout / 'pyproject.toml').is_file() and (checkout / 'engines').is_dir():
        roots.append(checkout)
    prefixes = [*package.parents, Path(sys.prefix)]
    prefixes += [Path(entry) for entry in _ament_prefixes()]
    roots += [prefix / 'share' / PACKAGE for prefix in prefixes]
    return list(dict.fromkeys(roots))


def find_share(relative: str) -> Path | None:
    """Return the first existing ``relative`` below the share folders, or None."""
    paths = (root / relative for root in share_roots())
    return next((path for path in paths if path.exists()), None)


def share_path(relative: str) -> Path:
    """Return the first existing ``relative`` below the share folders.

    Raises:
        DepthRosError: If no folder has it; names the folders that exist.
    """
    path = find_share(relative)
    if path is None:
        looked = [str(root) for root in share_roots() if root.is_dir()]
        raise DepthRosError(
            f'{relative!r} is in none of the data folders {looked}; reinstall depth_ros or set '
            'DEPTH_ROS_SHARE to the folder that has it'
        )
    return path


def cache_root() -> Path:
    """``DEPTH_ROS_CACHE``, else ``depth_ros`` in the user's cache folder (XDG).

    Raises:
        DepthRosError: If neither is set and the user has no home.
    """
    chosen = os.environ.get('DEPTH_ROS_CACHE')
    if chosen:
        return given_path(chosen, what='DEPTH_ROS_CACHE')
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else _home() / '.cache') / 'depth_ros'


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise DepthRosError(
            'this user has no home directory for cached engines and weights; set DEPTH_ROS_CACHE '
            'to a folder that can be written, or HOME'
        ) from None


def _ament_prefixes() -> list[str]:
    return [entry for entry in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if entry]
