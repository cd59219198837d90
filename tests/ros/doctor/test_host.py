"""Faults of the machine, live as far as a test may make them: processes, files, programs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from depth_ros.ros.doctor.machine import busy_share, gpu_loads, ros_processes, stale_bytes
from depth_ros.ros.fastdds import SHARED_MEMORY, VARIABLE, choose_profile

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from tests.kit.doctor_farm import diagnosis, found, process
from tests.kit.live_node import REPOSITORY, wait_until

pytestmark = pytest.mark.ros

PROFILE = REPOSITORY / 'config' / 'fastdds.xml'
BUSY = 'NVIDIA Thor, 99, 100, 1000'
QUICK_S = 1.0


def program(folder: Path, name: str, text: str) -> str:
    """Put a program first on the path."""
    path = folder / name
    path.write_text(f'#!/bin/sh\n{text}\n', encoding='utf-8')
    path.chmod(0o755)
    return f'{folder}{os.pathsep}{os.environ["PATH"]}'


@contextmanager
def busy_host(root: Path) -> Iterator[None]:
    """Make a ``/proc/stat`` on which all time is work."""
    (root / 'proc').mkdir(parents=True)
    (root / 'proc/loadavg').write_text('7.50 5.00 3.00 2/300 1\n', encoding='utf-8')
    stop = threading.Event()

    def work() -> None:
        jiffies = 1000
        while not stop.wait(0.02):
            jiffies += 2
            text = f'cpu  {jiffies} 5 0 900 0 0 0 0 0 0\n'
            draft = root / 'proc/.stat'
            draft.write_text(text, encoding='utf-8')
            draft.replace(root / 'proc/stat')

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert wait_until((root / 'proc/stat').is_file)
        yield
    finally:
        stop.set()
        thread.join()


def test_full_gpu_and_unfinished_engine_and_profile_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / 'cache/engines/half').mkdir(parents=True)
    (tmp_path / 'cache/engines/.being-built').mkdir()
    path = program(tmp_path, 'nvidia-smi', f'echo "{BUSY}"')
    words = ['tests.kit.nodes.sick_cameras', 'well']
    with process(tmp_path, 'cameras', *words, **{VARIABLE: '/nowhere.xml'}) as child:
        assert wait_until(lambda: 'sending' in (tmp_path / 'cameras.log').read_text())
        record = diagnosis(seconds=QUICK_S, PATH=path, DEPTH_ROS_CACHE=str(tmp_path / 'cache'))
    expected = {
        ('gpu', 'NVIDIA Thor'),
        ('cache-unfinished', 'half'),
        ('dds-profile-missing', f'tests.kit.nodes.sick_cameras well ({child.pid})'),
        ('no-node', f'domain {os.environ["ROS_DOMAIN_ID"]}'),
    }
    assert expected <= found(record)
    assert ('cache-unfinished', '.being-built') not in found(record)


def test_lost_gpu_and_cache_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / 'cache').write_text('', encoding='utf-8')
    path = program(tmp_path, 'nvidia-smi', 'echo "Failed to initialize NVML"; exit 9')
    record = diagnosis(seconds=QUICK_S, PATH=path, DEPTH_ROS_CACHE=str(tmp_path / 'cache'))
    assert {('gpu', 'gpu'), ('cache', 'cache')} <= found(record)
    texts = ' '.join(entry['text'] for entry in record['findings'])
    assert 'Failed to initialize NVML' in texts


def test_processors_without_time(tmp_path: Path) -> None:
    with busy_host(tmp_path):
        record = diagnosis('--host-root', str(tmp_path), seconds=QUICK_S)
    assert ('cpu-load', 'cpu') in found(record)


def test_memory_of_killed_processes_is_told_from_that_of_living_ones(tmp_path: Path) -> None:
    choice = choose_profile(PROFILE, {})
    if not choice.environment:
        pytest.skip(choice.reason)
    before = stale_bytes(SHARED_MEMORY)
    present = set(SHARED_MEMORY.iterdir())
    words = ['tests.kit.nodes.clocks', 'killed']
    with process(tmp_path, 'killed', *words, **dict(choice.environment)) as child:
        assert wait_until(lambda: large_segments() - present), 'the profile makes a large segment'
        made = large_segments() - present
        assert stale_bytes(SHARED_MEMORY) < before + 150 * 2**20, 'it lives'
        child.kill()
        child.wait()
        assert wait_until(lambda: stale_bytes(SHARED_MEMORY) > before + 150 * 2**20)
    record = diagnosis(seconds=QUICK_S)
    assert ('shared-memory-stale', '/dev/shm') in found(record)
    for path in made:  # what fastdds shm clean does
        path.unlink(missing_ok=True)
        path.with_name(f'{path.name}_el').unlink(missing_ok=True)
    assert stale_bytes(SHARED_MEMORY) < before + 150 * 2**20


def large_segments() -> set[Path]:
    return {path for path in SHARED_MEMORY.glob('fastdds_*') if path.stat().st_size > 150 * 2**20}


def test_nice_work_is_not_counted() -> None:
    assert busy_share((0,) * 8, (50, 0, 10, 30, 0, 5, 5, 0)) == pytest.approx(0.7)
    assert busy_share((0,) * 8, (0, 100, 0, 0, 0, 0, 0, 0)) == 0.0
    assert busy_share((), (1,) * 8) != busy_share((), (1,) * 8), 'NaN'


@pytest.mark.parametrize('said', ['', 'garbage', 'a, b, c, d', ', , , ', '\xff\xfe'])
def test_whatever_nvidia_smi_says_ends_nothing(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PATH', program(tmp_path, 'nvidia-smi', f"printf '%s' '{said}'"))
    gpus, problem = gpu_loads()
    assert not problem
    assert all(gpu.busy != gpu.busy for gpu in gpus), 'NaN'


def test_a_host_without_anything_is_looked_at_too(tmp_path: Path) -> None:
    assert not list(ros_processes(tmp_path))
    assert stale_bytes(tmp_path / 'dev/shm') == 0
