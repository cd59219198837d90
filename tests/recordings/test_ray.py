"""The same job on a Ray cluster of this machine; long, and skipped where ray is not installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from depth_ros.errors import DepthRosError
from depth_ros.recordings.on_ray import run_on_ray
from depth_ros.recordings.plan import plan_job
from depth_ros.recordings.run_job import run_job
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.child_environment import python_path
from tests.kit.job_kit import process
from tests.kit.plane_drive import Drive
from tests.recordings.conftest import stereo_job, without_parts

pytestmark = pytest.mark.nightly


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('ray', reason='ray is not installed')
    monkeypatch.setenv('PYTHONPATH', python_path())


def test_ray_gives_the_bytes_of_this_process_and_goes_on(tmp_path: Path) -> None:
    bag = Drive(num_frames=12).write(tmp_path / 'drive.mcap')
    job = stereo_job(frames=1)
    process(job, bag, tmp_path / 'alone')
    out = str(tmp_path / 'out')
    for made_before in (0, 12):
        found = run_job(
            job, [str(bag)], out, lambda items: run_on_ray(items, out, address='local')
        )
        (result,) = found
        assert (result.made, result.made_before) == (12, made_before)
    assert without_parts(tmp_path / 'out') == without_parts(tmp_path / 'alone')


def test_killed_workers_lose_nothing(tmp_path: Path) -> None:
    bag = Drive(num_frames=40).write(tmp_path / 'drive.mcap')
    job = stereo_job(frames=1)
    process(job, bag, tmp_path / 'alone')
    out = str(tmp_path / 'out')
    victims: list[int] = []
    is_over = threading.Event()

    def kill_now_and_then() -> None:
        while not is_over.is_set() and len(victims) < 5:
            time.sleep(0.5)
            for worker in workers_at_work():
                os.kill(worker, signal.SIGKILL)
                victims.append(worker)
                break

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    list(run_job(job, [str(bag)], out, lambda items: run_on_ray(items, out, address='local')))
    is_over.set()
    killer.join()
    assert victims
    assert without_parts(tmp_path / 'out') == without_parts(tmp_path / 'alone')


def workers_at_work() -> list[int]:
    """Ray's worker processes of this session that run our task, found below our own process."""
    ours, found = {os.getpid()}, []
    table = {}
    for entry in Path('/proc').iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / 'stat').read_text().rpartition(')')[2].split()
                table[int(entry.name)] = (int(fields[1]), (entry / 'cmdline').read_bytes())
            except (OSError, IndexError):
                continue
    grew = True
    while grew:
        new = {child for child, (parent, _) in table.items() if parent in ours} - ours
        grew = bool(new)
        ours |= new
    for process_id in ours:
        if b'ray::' in table.get(process_id, (0, b''))[1] and b'_do' in table[process_id][1]:
            found.append(process_id)
    return found


def test_what_a_worker_cannot_do_ends_the_job_with_its_sentence(
    drive: Path, tmp_path: Path
) -> None:
    job = stereo_job(settings=StereoSettings(model='crestereo'))
    (plan,) = plan_job(job, [str(drive)])
    with pytest.raises(DepthRosError, match='no weights of'):
        list(run_on_ray(plan.items, str(tmp_path), address='local'))


@pytest.mark.parametrize('address', ['127.0.0.1:1', 'auto', 'nonsense:port'])
def test_no_cluster_says_how_to_start_one(drive: Path, tmp_path: Path, address: str) -> None:
    (plan,) = plan_job(stereo_job(), [str(drive)])
    with pytest.raises(DepthRosError, match='start one with: ray start --head'):
        list(run_on_ray(plan.items, str(tmp_path), address=address))


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A cluster on this machine: a head of one processor, to which raylets are added."""
    utils = pytest.importorskip('ray.cluster_utils')
    cluster = utils.Cluster(
        initialize_head=True, head_node_args={'num_cpus': 1, 'object_store_memory': 80 << 20}
    )
    yield cluster
    cluster.shutdown()


def test_a_killed_raylet_loses_nothing(nodes: Any, tmp_path: Path) -> None:
    bag = Drive(num_frames=60).write(tmp_path / 'drive.mcap')
    job = stereo_job(frames=1)
    process(job, bag, tmp_path / 'alone')
    raylet = nodes.add_node(num_cpus=1)
    out = tmp_path / 'out'
    is_killed = threading.Event()

    def kill_once_there_are_parts() -> None:
        wait_for_parts(out, 3)
        nodes.remove_node(raylet, allow_graceful=False)
        is_killed.set()

    killer = threading.Thread(target=kill_once_there_are_parts)
    killer.start()
    name, address = str(out), nodes.address
    list(run_job(job, [str(bag)], name, lambda items: run_on_ray(items, name, address=address)))
    killer.join()
    assert is_killed.is_set()
    assert without_parts(out) == without_parts(tmp_path / 'alone')


def test_a_killed_driver_is_begun_again_on_the_same_cluster(nodes: Any, tmp_path: Path) -> None:
    Drive(num_frames=60).write(tmp_path / 'drive.mcap')
    (tmp_path / 'job.yaml').write_text(JOB)
    words = [sys.executable, '-m', 'depth_ros', 'process', 'drive.mcap', '--job', 'job.yaml']
    on_ray = [*words, '--out', 'out', '--ray', nodes.address]
    driver = subprocess.Popen(on_ray, cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_for_parts(tmp_path / 'out', 3)
    driver.kill()
    driver.wait()
    again = subprocess.run(on_ray, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert 'of them before' in again.stdout
    subprocess.run([*words, '--out', 'alone'], cwd=tmp_path, check=True, capture_output=True)
    assert without_parts(tmp_path / 'out') == without_parts(tmp_path / 'alone')


def test_a_full_object_store_stops_nobody(nodes: Any, tmp_path: Path) -> None:
    """Parts never go through it: what tasks return is a name and counts."""
    bag = Drive(num_frames=12).write(tmp_path / 'drive.mcap')
    job = stereo_job(frames=1)
    process(job, bag, tmp_path / 'alone')
    filler = subprocess.Popen(
        [sys.executable, '-c', FILL, nodes.address], stdout=subprocess.PIPE, text=True
    )
    try:
        assert filler.stdout is not None
        assert filler.stdout.readline().strip() == 'full'
        out = str(tmp_path / 'out')
        address = nodes.address
        list(run_job(job, [str(bag)], out, lambda items: run_on_ray(items, out, address=address)))
    finally:
        filler.kill()
        filler.wait()
    assert without_parts(tmp_path / 'out') == without_parts(tmp_path / 'alone')


JOB = """\
tasks:
  stereo:
    settings: {model: sgbm, sgbm.num_disparities: 16}
segments: {frames: 1}
"""
FILL = """\
import sys, time
import numpy as np, ray
ray.init(address=sys.argv[1], log_to_driver=False)
views = []
for _ in range(7):  # of 80 MiB; what is being read cannot be spilled
    views.append(ray.get(ray.put(np.ones(10 << 20, np.uint8))))
print('full', flush=True)
time.sleep(600)
"""


def wait_for_parts(out: Path, number: int) -> None:
    until = time.monotonic() + 300.0
    while len(list(out.glob('parts/[0-9a-f]*.mcap'))) < number:
        assert time.monotonic() < until, 'no parts came'
        time.sleep(0.05)
