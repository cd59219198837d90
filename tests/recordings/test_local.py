"""Worker processes: as many as one likes, killed or failing; the bytes stay the same."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from depth_ros.errors import DepthRosError
from depth_ros.recordings.local import run_locally
from depth_ros.recordings.plan import plan_job
from depth_ros.recordings.run_job import run_job
from depth_ros.tasks.stereo.settings import StereoSettings
from tests.kit.job_kit import process
from tests.kit.plane_drive import Drive
from tests.recordings.conftest import stereo_job, without_parts


def workers_of_this_process() -> set[int]:
    """Process ids of the workers, that of multiprocessing's own watcher left out."""
    text = Path(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read_text()
    lines = {int(word): Path(f'/proc/{word}/cmdline').read_bytes() for word in text.split()}
    return {process for process, line in lines.items() if b'spawn_main' in line}


@pytest.mark.parametrize('num_workers', [1, 3])
def test_any_number_of_workers_gives_the_same_bytes(
    drive: Path, tmp_path: Path, num_workers: int
) -> None:
    process(stereo_job(frames=1), drive, tmp_path / 'alone')
    frames: list[int] = []

    def schedule(items):
        return run_locally(
            items,
            str(tmp_path / 'out'),
            num_workers=num_workers,
            report=lambda number, count: frames.append(count),
        )

    list(run_job(stereo_job(frames=1), [str(drive)], str(tmp_path / 'out'), schedule))
    assert without_parts(tmp_path / 'out') == without_parts(tmp_path / 'alone')
    assert sum(frames) == 8


@pytest.mark.skipif(not Path('/proc/self/task').is_dir(), reason='needs /proc')
@pytest.mark.parametrize('num_kills', [2, pytest.param(20, marks=pytest.mark.nightly)])
def test_killed_workers_are_replaced_and_nothing_is_lost(tmp_path: Path, num_kills: int) -> None:
    bag = Drive(num_frames=10 + num_kills).write(tmp_path / 'drive.mcap')
    job = stereo_job(frames=1)
    process(job, bag, tmp_path / 'alone')
    victims: dict[int, int] = {}

    def kill_the_worker(number: int, frames: int) -> None:
        """Kill the one worker once at each of the first segments."""
        if len(victims) < num_kills and number not in victims:
            victims[number] = next(iter(workers_of_this_process()))
            os.kill(victims[number], signal.SIGKILL)

    def schedule(items):
        return run_locally(items, str(tmp_path / 'out'), num_workers=1, report=kill_the_worker)

    list(run_job(job, [str(bag)], str(tmp_path / 'out'), schedule))
    assert len(victims) == num_kills
    assert without_parts(tmp_path / 'out') == without_parts(tmp_path / 'alone')


def test_what_a_worker_cannot_do_ends_the_job_with_its_sentence(
    drive: Path, tmp_path: Path
) -> None:
    job = stereo_job(settings=StereoSettings(model='crestereo'))
    (plan,) = plan_job(job, [str(drive)])
    with pytest.raises(DepthRosError, match='no weights of'):
        list(run_locally(plan.items, str(tmp_path), num_workers=1))


def test_ctrl_c_finishes_the_segments_under_way(tmp_path: Path) -> None:
    bag = Drive(num_frames=12).write(tmp_path / 'drive.mcap')
    (plan,) = plan_job(stereo_job(frames=1), [str(bag)])
    finished, told = [], []
    pressed = threading.Event()

    def press(number: int, frames: int) -> None:
        if not pressed.is_set():
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        for done in run_locally(
            plan.items, str(tmp_path / 'out'), num_workers=1, report=press, tell=told.append
        ):
            finished.append(done)
    assert len(finished) == 1
    assert 'finishing the segments under way' in told[0]
    assert len(list((tmp_path / 'out/parts').glob('*.mcap'))) == 1
    result = process(stereo_job(frames=1), bag, tmp_path / 'out')
    assert (result.made, result.made_before) == (12, finished[0].part.made)
