"""The Fast DDS profile: whether to use it, and how much shared memory images need.

For launch files, the demo and nodes. Imports no ROS.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
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

POINT_BYTES, DEEPEST_QUEUE, SLACK = 16, 5, 1.2
"""The largest message is a cloud of all pixels; as many of them wait in the deepest queue; what
lies between the messages of a segment."""
SMALLEST_SEGMENT_BYTES = 8 * 1024**2
SEGMENT = re.compile(r'(<segment_size>)(\d+)(</segment_size>)')
MESSAGE = re.compile(r'(<maxMessageSize>)(\d+)(</maxMessageSize>)')
MIB = 1024**2


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileChoice:
    """What to do about the profile.

    Attributes:
        environment: Variables to set; empty if the profile is not to be used.
        reason: One sentence for the log.
    """

    environment: Mapping[str, str]
    reason: str


def segment_bytes(height: int, width: int) -> int:
    """Return the segment that a process needs for images of this size, whole MiB.

    Five clouds with a point for every pixel: 190 MiB for 1920x1080, 29 MiB for 640x480.
    """
    needed = DEEPEST_QUEUE * POINT_BYTES * height * width * SLACK
    return max(SMALLEST_SEGMENT_BYTES, math.ceil(needed / MIB) * MIB)


def sized_profile(profile: Path, height: int, width: int, folder: Path) -> Path:
    """Write the profile with the segment that images of this size need; return its path.

    Args:
        profile: Path of ``config/fastdds.xml``.
        height: Rows of the images.
        width: Columns.
        folder: Where it goes; made if it is not there.

    Raises:
        OSError: If nothing can be written there.
    """
    text = SEGMENT.sub(rf'\g<1>{segment_bytes(height, width)}\g<3>', profile.read_text('utf-8'))
    largest = max(POINT_BYTES * height * width + 2 * MIB, SMALLEST_SEGMENT_BYTES // 2)
    text = MESSAGE.sub(rf'\g<1>{largest}\g<3>', text)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'fastdds_{width}x{height}.xml'
    with tempfile.NamedTemporaryFile('w', dir=folder, delete=False, encoding='utf-8') as draft:
        draft.write(text)
    Path(draft.name).replace(path)
    return path


def profile_segment_bytes(environment: Mapping[str, str]) -> int | None:
    """Return the segment that the profile in use asks for; None without one that says so.

    Args:
        environment: ``os.environ``.
    """
    for name in (VARIABLE, OLD_VARIABLE):
        try:
            found = SEGMENT.search(Path(environment.get(name, '')).read_text('utf-8'))
        except (OSError, UnicodeDecodeError):
            continue
        if found:
            return int(found[2])
    return None


def free_bytes(shared_memory: Path = SHARED_MEMORY) -> int:
    """Return what is free where shared memory is mounted; 0 where there is none."""
    return shutil.disk_usage(shared_memory).free if shared_memory.is_dir() else 0


def choose_profile(
    profile: Path,
    environment: Mapping[str, str],
    *,
    segment: int = SEGMENT_BYTES,
    shared_memory: Path = SHARED_MEMORY,
) -> ProfileChoice:
    """Use the profile unless the user has one or shared memory is too small for it.

    Docker gives 64 MB by default, where Fast DDS would warn and fall back to UDP.

    Args:
        profile: Path of ``config/fastdds.xml``, or of one for other sizes.
        environment: ``os.environ``.
        segment: Bytes that it takes for each process.
        shared_memory: Where shared memory is mounted.
    """
    present = [name for name in (VARIABLE, OLD_VARIABLE) if environment.get(name)]
    if present:
        return ProfileChoice(
            environment={}, reason=f'Fast DDS profile of your own: {environment[present[0]]}'
        )
    needed, free = NUM_PROCESSES * segment, free_bytes(shared_memory)
    if free < needed:
        return ProfileChoice(
            environment={},
            reason=(
                f'{shared_memory} has {free // MIB} MB free but the Fast DDS profile needs '
                f'{needed // MIB} MB, so large images may get lost between processes; '
                'say how large images are (image_size:=640x480 in launch takes less), free what '
                'killed processes left in it (fastdds shm clean), enlarge it (docker run '
                '--shm-size=1g) or set FASTDDS_DEFAULT_PROFILES_FILE'
            ),
        )
    is_old = environment.get('ROS_DISTRO') in FAST_DDS_2_DISTROS
    return ProfileChoice(
        environment={OLD_VARIABLE if is_old else VARIABLE: str(profile)},
        reason=(
            f'Fast DDS profile for large images: {profile}, which takes '
            f'{segment // MIB} MiB of {shared_memory} for each process'
        ),
    )
