"""Versions of the libraries in use, for summaries and ``depth-ros info``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from depth_ros import __version__

PACKAGES: dict[str, tuple[str, ...]] = {
    'numpy': ('numpy',),
    'opencv': (
        'opencv-python-headless',
        'opencv-python',
        'opencv-contrib-python-headless',
        'opencv-contrib-python',
    ),
}
"""Packages by the name they are shown with; the first installed one counts."""


def installed_versions() -> dict[str, str]:
    """Return versions of this package, Python and the libraries every command uses."""
    versions = {'depth_ros': __version__, 'python': platform.python_version()}
    for name, packages in PACKAGES.items():
        found = next((text for text in map(package_version, packages) if text), None)
        versions[name] = found or 'of the system'
    return versions


def package_version(package: str) -> str | None:
    """Return the version of an installed distribution, None if it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
