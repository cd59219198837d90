"""The computer: processors, GPU, shared memory, DDS, engines on disk. Imports no ROS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from depth_ros.ros.doctor.finding import Fault, HealthCheck, Severity
from depth_ros.ros.doctor.snapshot import RobotSnapshot, RosProcess
from depth_ros.ros.fastdds import SEGMENT_BYTES, SHARED_MEMORY

BUSY = 0.95
LITTLE_SHARED_BYTES = 16 * 2**20
MUCH_STALE_BYTES = 64 * 2**20
LARGE_BYTES = 500_000
"""Images above this are lost between processes by default Fast DDS, some of the time."""

LITTLE_DISK_BYTES = 1 * 2**30
FAST_DDS = 'rmw_fastrtps'
MIB = 2**20


def find_cpu(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find processors that have no time left."""
    machine = seen.machine
    if machine.cpu_busy > BUSY:
        yield Fault(
            about='cpu',
            text=f'the {machine.num_cores} processors worked {100 * machine.cpu_busy:.0f} % of '
            f'the time, load {machine.load:.1f}: frames are late or left out; lower rate, size '
            'or num_threads, or stop what else runs',
            remedy='top -o %CPU',
        )


def find_gpu(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find GPUs that have no time or memory left, or do not answer."""
    machine = seen.machine
    if machine.gpu_problem:
        yield Fault(
            about='gpu',
            text=f'nvidia-smi fails: {machine.gpu_problem}; the driver does not fit the kernel, '
            'or the GPU is lost',
            remedy='nvidia-smi',
        )
    for gpu in machine.gpus:
        if gpu.busy > BUSY or gpu.memory > BUSY:
            yield Fault(
                about=gpu.name,
                text=f'{gpu.name} is {100 * gpu.busy:.0f} % busy and its memory '
                f'{100 * gpu.memory:.0f} % full; lower rate or size, or stop what else uses it',
                remedy='nvidia-smi',
            )


def find_shared_memory(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find that shared memory is too small for what uses it."""
    machine = seen.machine
    uses_profile = any(process.profile for process in _own_domain(seen))
    needed = SEGMENT_BYTES if uses_profile else LITTLE_SHARED_BYTES
    if machine.shared_bytes and machine.shared_free_bytes < needed:
        yield Fault(
            about=str(SHARED_MEMORY),
            text=f'{SHARED_MEMORY} has {machine.shared_free_bytes // MIB} MiB of '
            f'{machine.shared_bytes // MIB} free and the next process takes {needed // MIB}: '
            'Fast DDS then falls back to UDP and loses large images (in a container: '
            'docker run --shm-size=1g)',
            remedy='sudo mount -o remount,size=2G /dev/shm',
        )


def find_stale_memory(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find shared memory of processes that were killed."""
    stale = seen.machine.stale_bytes
    if stale >= MUCH_STALE_BYTES:
        yield Fault(
            about=str(SHARED_MEMORY),
            text=f'{stale // MIB} MiB of {SHARED_MEMORY} belong to Fast DDS processes that have '
            'ended without freeing it',
            remedy='fastdds shm clean',
        )


def find_profile(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find processes without the profile for large images, where images are large."""
    sizes = [topic.image.num_bytes for topic in seen.topics.values() if topic.image is not None]
    largest = max(sizes, default=0)
    without = [
        process
        for process in _own_domain(seen)
        if process.middleware.startswith(FAST_DDS) and not process.profile
    ]
    if largest > LARGE_BYTES and without:
        names = ', '.join(sorted({f'{process.name} ({process.pid})' for process in without})[:5])
        yield Fault(
            about='dds',
            text=f'images of {largest / 1e6:.1f} MB pass between processes, and these run '
            f'without the Fast DDS profile for large messages: {names}; without it some get lost',
            remedy=f'export FASTDDS_DEFAULT_PROFILES_FILE={seen.machine.profile}',
        )


def find_profile_missing(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find processes that are told a profile that is not there."""
    for process in _own_domain(seen):
        if process.profile and not Path(process.profile).is_file():
            yield Fault(
                about=f'{process.name} ({process.pid})',
                text=f'{process.name} ({process.pid}) is told the Fast DDS profile '
                f'{process.profile!r}, which does not exist, and runs without',
                remedy=f'export FASTDDS_DEFAULT_PROFILES_FILE={seen.machine.profile}',
            )


def find_middleware(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find processes of one domain with different middlewares."""
    names = {process.middleware for process in _own_domain(seen)} - {''}
    if len(names) > 1:
        yield Fault(
            about='dds',
            text=f'processes of domain {seen.machine.domain} run {", ".join(sorted(names))}, '
            'which do not talk to each other reliably: take one for all',
            remedy=f'export RMW_IMPLEMENTATION={sorted(names)[0]}',
        )


def find_cache(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find a cache of engines that cannot take another one."""
    machine = seen.machine
    if machine.cache_problem:
        yield Fault(
            about='cache',
            text=f'built engines cannot be kept: {machine.cache_problem}',
            remedy='export DEPTH_ROS_CACHE=/FOLDER/OF/YOURS',
        )
    elif machine.cache_free_bytes < LITTLE_DISK_BYTES:
        yield Fault(
            about=machine.cache,
            text=f'the disk of {machine.cache} has {machine.cache_free_bytes / MIB:.0f} MiB free '
            f'({machine.num_engines} engines are there); a build takes more',
            remedy=f'du -sh {machine.cache}/engines/*',
        )


def find_cache_unfinished(seen: RobotSnapshot) -> Iterator[Fault]:
    """Find engines in the cache that were not finished."""
    for name in seen.machine.unfinished[:3]:
        yield Fault(
            about=name,
            text=f'{seen.machine.cache}/engines/{name} has no entry.json: a build was '
            'killed, or files were deleted; remove it, it is built again',
            remedy=f'rm -r {seen.machine.cache}/engines/{name}',
        )


def _own_domain(seen: RobotSnapshot) -> list[RosProcess]:
    machine = seen.machine
    return [process for process in machine.processes if process.domain == machine.domain]


MACHINE_CHECKS = (
    HealthCheck(
        name='cpu-load',
        severity=Severity.WARNING,
        meaning=f'The processors work over {100 * BUSY:.0f} % of the time, nice work left out.',
        remedy='top -o %CPU',
        find=find_cpu,
    ),
    HealthCheck(
        name='gpu',
        severity=Severity.WARNING,
        meaning=f'A GPU is over {100 * BUSY:.0f} % busy or full, or nvidia-smi fails.',
        remedy='nvidia-smi',
        find=find_gpu,
    ),
    HealthCheck(
        name='shared-memory',
        severity=Severity.WARNING,
        meaning='/dev/shm has no room for the next process.',
        remedy='docker run --shm-size=1g, or sudo mount -o remount,size=2G /dev/shm',
        find=find_shared_memory,
    ),
    HealthCheck(
        name='shared-memory-stale',
        severity=Severity.NOTE,
        meaning='Processes that were killed left their segments in /dev/shm.',
        remedy='fastdds shm clean',
        find=find_stale_memory,
    ),
    HealthCheck(
        name='dds-profile',
        severity=Severity.NOTE,
        meaning='Images are large, and processes run without the profile for large messages.',
        remedy='export FASTDDS_DEFAULT_PROFILES_FILE=.../config/fastdds.xml',
        find=find_profile,
    ),
    HealthCheck(
        name='dds-profile-missing',
        severity=Severity.ERROR,
        meaning='A process is told a Fast DDS profile that does not exist.',
        remedy='export FASTDDS_DEFAULT_PROFILES_FILE=.../config/fastdds.xml',
        find=find_profile_missing,
    ),
    HealthCheck(
        name='middleware',
        severity=Severity.WARNING,
        meaning='Processes of one domain run different middlewares.',
        remedy='export RMW_IMPLEMENTATION=rmw_fastrtps_cpp, everywhere',
        find=find_middleware,
    ),
    HealthCheck(
        name='cache',
        severity=Severity.WARNING,
        meaning='The cache of engines cannot be used, or its disk is full.',
        remedy='export DEPTH_ROS_CACHE=/FOLDER/OF/YOURS',
        find=find_cache,
    ),
    HealthCheck(
        name='cache-unfinished',
        severity=Severity.WARNING,
        meaning='The cache has an engine that was not finished.',
        remedy='rm -r the folder; it is built again',
        find=find_cache_unfinished,
    ),
)
