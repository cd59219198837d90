"""The same job on a Ray cluster of this machine; long, and skipped where ray is not installed."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

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
