"""Looks at the computer: ``/proc``, ``/dev/shm``, ``nvidia-smi``, the cache. Imports no ROS."""

from __future__ import annotations

import fcntl
import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from depth_ros.engines.cache import EngineCache
from depth_ros.errors import DepthRosError
from depth_ros.files.share import find_share
from depth_ros.ros.doctor.snapshot import GpuLoad, MachineState, RosProcess
from depth_ros.ros.fastdds import OLD_VARIABLE, SHARED_MEMORY, VARIABLE

MIDDLEWARES = (
    'rmw_fastrtps_cpp',
    'rmw_fastrtps_dynamic_cpp',
    'rmw_cyclonedds_cpp',
    'rmw_connextdds',
    'rmw_zenoh_cpp',
)
LARGEST_MAPS_BYTES = 8 * 2**20
GPU_QUERY = ('name', 'utilization.gpu', 'memory.used', 'memory.total')
GPU_TIMEOUT_S = 5.0
LONGEST_BUILD_S = 7200.0
ENTRY = 'entry.json'
SEGMENT = re.compile(r'fastdds_[0-9a-f]{16}')
PROFILE = 'config/fastdds.xml'


class MachineWatch:
    """Begins to look when it is made; ``state`` ends it."""

    def __init__(self, root: Path = Path('/')) -> None:
        """Begin; ``root`` is another one where the host is mounted into a container."""
        self._root = root
        self._first = cpu_times(root)

    def state(self, *, middleware: str) -> MachineState:
        """Return what was seen since the beginning.

        Args:
            middleware: The doctor's own.
        """
        shared = self._root / SHARED_MEMORY.relative_to('/')
        size = shutil.disk_usage(shared) if shared.is_dir() else None
        gpus, gpu_problem = gpu_loads()
        cache, problem, free_bytes = _cache()
        names = _engines(cache)
        return MachineState(
            domain=os.environ.get('ROS_DOMAIN_ID', '0'),
            middleware=middleware,
            num_cores=os.cpu_count() or 1,
            cpu_busy=busy_share(self._first, cpu_times(self._root)),
            load=_load(self._root),
            gpus=gpus,
            gpu_problem=gpu_problem,
            shared_bytes=size.total if size else 0,
            shared_free_bytes=size.free if size else 0,
            stale_bytes=stale_bytes(shared),
            processes=tuple(ros_processes(self._root)),
            cache=str(cache or ''),
            cache_problem=problem,
            cache_free_bytes=free_bytes,
            num_engines=len(names),
            unfinished=tuple(name for name in names if not _is_finished(cache, name)),
            profile=str(find_share(PROFILE) or PROFILE),
        )


def cpu_times(root: Path) -> tuple[int, ...]:
    """Return the first line of ``/proc/stat``: jiffies by kind of work; empty if unreadable."""
    words = _text(root / 'proc/stat').partition('\n')[0].split()[1:9]
    return tuple(int(word) for word in words) if len(words) == 8 else ()


def busy_share(first: tuple[int, ...], last: tuple[int, ...]) -> float:
    """Return the share of time that processors worked, nice work left out: it gives way.

    Both are user, nice, system, idle, iowait, irq, softirq and steal of proc(5).
    """
    spent = [after - before for before, after in zip(first, last, strict=False)]
    total = sum(spent)
    if len(spent) != 8 or total <= 0:
        return math.nan
    _, nice, _, idle, waiting, *_ = spent
    return (total - nice - idle - waiting) / total


def _load(root: Path) -> float:
    words = _text(root / 'proc/loadavg').split()
    return float(words[0]) if words else math.nan


def gpu_loads() -> tuple[tuple[GpuLoad, ...], str]:
    """Ask ``nvidia-smi``; return what it says, and why it fails if it does."""
    program = shutil.which('nvidia-smi')
    if program is None:
        return (), ''
    command = [program, f'--query-gpu={",".join(GPU_QUERY)}', '--format=csv,noheader,nounits']
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=GPU_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), str(error)[:200]
    if result.returncode:
        said = (result.stdout + result.stderr).strip().splitlines()
        return (), (said[0] if said else f'exit code {result.returncode}')[:200]
    lines = [line.split(', ') for line in result.stdout.splitlines()]
    return tuple(_gpu(words) for words in lines if len(words) == len(GPU_QUERY)), ''


def _gpu(words: list[str]) -> GpuLoad:
    name, busy, used, total = words
    size = _number(total)
    memory = _number(used) / size if size > 0.0 else math.nan
    return GpuLoad(name=name[:80], busy=_number(busy) / 100.0, memory=memory)


def stale_bytes(shared: Path) -> int:
    """Return what segments of Fast DDS take whose processes have ended.

    A process holds a lock of a file beside each of its segments for as long as it lives.
    """
    total = 0
    for path in shared.iterdir() if shared.is_dir() else ():
        if SEGMENT.fullmatch(path.name) and _is_unlocked(path.with_name(f'{path.name}_el')):
            total += _size(path)
    return total


def _is_unlocked(path: Path) -> bool:
    try:
        with path.open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # locked, of another user, or gone meanwhile
        return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def ros_processes(root: Path) -> Iterator[RosProcess]:
    """Give the processes of this user that have a ROS middleware loaded, ours left out."""
    folders = (root / 'proc').iterdir() if (root / 'proc').is_dir() else iter(())
    for folder in folders:
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        middleware = _middleware(folder)
        if not middleware:
            continue
        environment = _environment(folder)
        yield RosProcess(
            pid=int(folder.name),
            name=_name(folder),
            middleware=middleware,
            domain=environment.get('ROS_DOMAIN_ID') or '0',
            profile=environment.get(VARIABLE) or environment.get(OLD_VARIABLE) or '',
        )


def _middleware(folder: Path) -> str:
    try:
        with (folder / 'maps').open('rb') as file:
            maps = file.read(LARGEST_MAPS_BYTES)
    except OSError:
        return ''
    names = (name for name in MIDDLEWARES if f'lib{name}.so'.encode() in maps)
    return next(names, '')


def _environment(folder: Path) -> Mapping[str, str]:
    entries = _text(folder / 'environ').split('\0')
    return {name: value for name, _, value in (entry.partition('=') for entry in entries)}


def _name(folder: Path) -> str:
    """Return a process's node name where its command says it, else its program."""
    words = [word for word in _text(folder / 'cmdline').split('\0') if word]
    for word in words:
        if word.startswith('__node:='):
            return word.partition(':=')[2][:80]
    programs = [Path(word).name for word in words if not word.startswith('-')]
    is_python = bool(programs) and programs[0].startswith('python')
    named = programs[1:3] if is_python and programs[1:] else programs[:1]
    return ' '.join(named)[:80] or folder.name


def _cache() -> tuple[Path | None, str, float]:
    """Return the cache's folder, why there is none, and the free bytes of its disk."""
    try:
        root = EngineCache().root
    except DepthRosError as error:
        return None, str(error), math.nan
    if root.exists() and not root.is_dir():
        return root, f'{root} is a file', math.nan
    there = next((folder for folder in (root, *root.parents) if folder.is_dir()), None)
    if there is None or not os.access(there, os.W_OK):
        return root, f'{there or root} cannot be written to', math.nan
    return root, '', float(shutil.disk_usage(there).free)


def _engines(cache: Path | None) -> list[str]:
    folder = cache / 'engines' if cache else None
    if folder is None or not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not _is_being_built(path)
    )


def _is_being_built(path: Path) -> bool:
    """Whether a folder is the draft of a build that may still run."""
    try:
        return path.name.startswith('.') and time.time() < path.stat().st_mtime + LONGEST_BUILD_S
    except OSError:  # just finished and renamed
        return True


def _is_finished(cache: Path | None, name: str) -> bool:
    return cache is not None and (cache / 'engines' / name / ENTRY).is_file()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8', errors='replace')
    except OSError:
        return ''


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
