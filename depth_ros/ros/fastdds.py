"""Whether to use the shipped Fast DDS profile, for launch files and the demo. Imports no ROS."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
OLD_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
FAST_DDS_2_DISTROS = ('humble', 'iron', 'jazzy')
"""Distros that read the old name. Never set both: Kilted then loads the file twice and warns."""

SHARED_MEMORY = Path('/dev/shm')
SEGMENT_BYTES = 192 * 1024**2
NUM_PROCESSES = 3
"""Camera, stereo node and a viewer; each takes a segment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileChoice:
    """What to do about the profile.

    Attributes:
        environment: Variables to set; empty if the profile is not to be used.
        reason: One sentence for the log.
    """

    environment: Mapping[str, str]
    reason: str


def choose_profile(
    profile: Path, environment: Mapping[str, str], *, shared_memory: Path = SHARED_MEMORY
) -> ProfileChoice:
    """Use the profile unless the user has one or shared memory is too small for it.

    Docker gives 64 MB by default, where Fast DDS would warn and fall back to UDP.

    Args:
        profile: Path of ``config/fastdds.xml``.
        environment: ``os.environ``.
        shared_memory: Where shared memory is mounted.
    """
    present = [name for name in (VARIABLE, OLD_VARIABLE) if environment.get(name)]
    if present:
        return ProfileChoice(
            environment={}, reason=f'Fast DDS profile of your own: {environment[present[0]]}'
        )
    needed = NUM_PROCESSES * SEGMENT_BYTES
    free = shutil.disk_usage(shared_memory).free if shared_memory.is_dir() else 0
    if free < needed:
        return ProfileChoice(
            environment={},
            reason=(
                f'{shared_memory} has {free // 2**20} MB free but the Fast DDS profile needs '
                f'{needed // 2**20} MB, so large images may get lost between processes; '
                'free what killed processes left in it (fastdds shm clean), enlarge it (docker '
                'run --shm-size=1g) or set FASTDDS_DEFAULT_PROFILES_FILE'
            ),
        )
    is_old = environment.get('ROS_DISTRO') in FAST_DDS_2_DISTROS
    return ProfileChoice(
        environment={OLD_VARIABLE if is_old else VARIABLE: str(profile)},
        reason=(
            f'Fast DDS profile for large images: {profile}, which takes '
            f'{SEGMENT_BYTES // 2**20} MiB of {shared_memory} for each process'
        ),
    )
