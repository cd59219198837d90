"""``depth-ros process`` as a user types it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.child_environment import child_environment

pytest.importorskip('rosbags', reason='rosbags is not installed')
pytest.importorskip('mcap', reason='mcap is not installed')

from depth_ros.files.bag_topics import IMAGE
from tests.kit.bag_writer import write_bag
from tests.kit.cli_process import depth_ros, expect_one_sentence
from tests.kit.job_kit import json_lines
from tests.kit.plane_drive import Drive

JOB = """\
tasks:
  stereo:
    settings: {model: sgbm, sgbm.num_disparities: 16}
segments: {frames: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Drive().write(tmp_path / 'drive.mcap')
    (tmp_path / 'job.yaml').write_text(JOB)
    return tmp_path


def test_a_recording_becomes_a_recording_and_is_found_again(folder: Path) -> None:
    words = ('process', 'drive.mcap', '-o', 'out', '--job', 'job.yaml')
    first = depth_ros(*words, cwd=folder)
    assert first.code == 0, first.err
    assert first.out.splitlines()[0] == 'out/drive.mcap: 8 frames; refused: none'
    again = depth_ros(*words, '--workers', '1', cwd=folder)
    assert '8 frames, 8 of them before' in again.out
    assert len(json_lines(folder / 'out/drive.figures.jsonl')) == 8


def test_a_job_is_written_and_never_over_another(folder: Path) -> None:
    shown = depth_ros('process', '--init', 'drive.mcap', cwd=folder)
    assert "left: '/left/image_rect'" in shown.out
    outcome = depth_ros('process', '--init', 'drive.mcap', '--job', 'new.yaml', cwd=folder)
    assert outcome.code == 0
    assert (folder / 'new.yaml').read_text() == shown.out
    again = depth_ros('process', '--init', 'drive.mcap', '--job', 'new.yaml', cwd=folder)
    expect_one_sentence(again, 'new.yaml is there already')


def test_one_topic_for_both_cameras_is_refused_before_anything_is_done(folder: Path) -> None:
    same = 'input: {left: /right/image_rect, right: /right/image_rect}'
    (folder / 'same.yaml').write_text(f'tasks: {{stereo: {{{same}, settings: {{model: sgbm}}}}}}')
    words = ('process', 'drive.mcap', '-o', 'out', '--job', 'same.yaml', '--dry-run')
    expect_one_sentence(depth_ros(*words, cwd=folder), 'input.right are the same topic')


def test_dry_run_says_what_there_is_to_do_and_writes_nothing(folder: Path) -> None:
    outcome = depth_ros(
        'process', 'drive.mcap', '-o', 'out', '--job', 'job.yaml', '--dry-run', cwd=folder
    )
    assert 'drive.mcap: 8 frames in 4 segments' in outcome.out
    assert 'ms a frame in one worker' in outcome.out
    assert (
        'stereo: calibration of /left/camera_info and /right/camera_info, the same' in outcome.out
    )
    assert not (folder / 'out').exists()


@pytest.mark.parametrize(
    ('words', 'parts'),
    [
        (('drive.mcap',), ('needs --job FILE', 'process --init drive.mcap --job job.yaml')),
        (('drive.mcap', '--job', 'job.yaml'), ('needs --out FOLDER',)),
        (('nope.mcap', '-o', 'out', '--job', 'job.yaml'), ('there is no bag nope.mcap',)),
        (('drive.mcap', '-o', 'out', '--job', 'nope.yaml'), ('there is no file nope.yaml',)),
        (
            ('drive.mcap', '-o', 'job.yaml', '--job', 'job.yaml'),
            ('is a file, and results need a folder',),
        ),
        (
            ('drive.mcap', '-o', 'out', '--job', 'job.yaml', '--workers', '-1'),
            ('--workers must be 1 or more',),
        ),
        (
            ('drive.mcap', '-o', 'out', '--job', 'job.yaml', '--workers', '0'),
            ('--workers must be 1 or more',),
        ),
        (('drive.mcap', 'other/drive.mcap', '--job', 'job.yaml'), ('results of one name',)),
    ],
)
def test_mistakes_are_one_sentence(folder: Path, words, parts) -> None:
    expect_one_sentence(depth_ros('process', *words, cwd=folder), *parts)


@pytest.mark.parametrize('more', [(), ('--dry-run',)])
def test_a_result_that_would_replace_its_input_is_refused(folder: Path, more) -> None:
    before = (folder / 'drive.mcap').read_bytes()
    words = ('process', 'drive.mcap', '-o', '.', '--job', 'job.yaml', *more)
    expect_one_sentence(depth_ros(*words, cwd=folder), 'would replace the input drive.mcap')
    assert (folder / 'drive.mcap').read_bytes() == before


def test_a_bad_recording_is_left_out_and_told(folder: Path) -> None:
    (folder / 'empty.mcap').write_bytes(b'')
    lost = [('right', number) for number in range(8)]
    Drive(without=lost).write(folder / 'mono.mcap')
    write_bag(folder / 'topics', [], storage='mcap', also=[('/left/image', IMAGE)])
    bags = ('empty.mcap', 'mono.mcap', 'topics', 'drive.mcap')
    words = ('process', *bags, '--job', 'job.yaml', '-o', 'out')
    for more in ((), ('--dry-run',)):
        outcome = depth_ros(*words, *more, cwd=folder)
        assert outcome.code == 2
        assert 'left out: empty.mcap is too short' in outcome.err
        assert 'left out: mono.mcap: ' in outcome.err
        assert 'input.left and input.right' in outcome.err
        assert 'left out: topics holds no messages' in outcome.err
        assert 'drive.mcap: 8 frames' in outcome.out


def test_a_task_that_makes_nothing_ends_with_2(folder: Path) -> None:
    def unknown(message) -> None:
        message.encoding = 'rgb7'

    changes = {('left', number): unknown for number in range(2)}
    Drive(num_frames=2, changes=changes).write(folder / 'none.mcap')
    outcome = depth_ros('process', 'none.mcap', '--job', 'job.yaml', '-o', 'out', cwd=folder)
    assert outcome.code == 2
    assert 'stereo made nothing of any image; encoding, 2 of 2 images: ' in outcome.err
    assert 'rgb7' in outcome.err
    words = ('process', 'none.mcap', '--job', 'job.yaml', '--dry-run')
    outcome = depth_ros(*words, cwd=folder)
    assert 'none of the first frames became an output: encoding, 1 of 1 images: ' in outcome.err
    assert 'rgb7' in outcome.err


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(folder: Path) -> None:
    job = folder / 'job.yaml'
    job.write_text(JOB.replace('frames: 2', 'frames: 1'))
    Drive(num_frames=200).write(folder / 'drive.mcap')
    words = ('process', 'drive.mcap', '-o', 'out', '--job', 'job.yaml', '--workers', '1')
    process = subprocess.Popen(
        [sys.executable, '-m', 'depth_ros', *words],
        cwd=folder,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    parts = folder / 'out/parts'
    while process.poll() is None and not (parts.is_dir() and any(parts.glob('[0-9a-f]*.mcap'))):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # a terminal signals the workers too
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert 'Traceback' not in errors
    made = len(list(parts.glob('[0-9a-f]*.mcap')))
    assert 1 <= made < 200
    again = depth_ros(*words, cwd=folder)
    assert again.code == 0, again.err
    assert '200 frames' in again.out
    assert 'of them before' in again.out


def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(folder: Path) -> None:
    """A limit of the size of files stands for a disk without space: both refuse a write."""
    resource = pytest.importorskip('resource')
    words = ('process', 'drive.mcap', '-o', 'out', '--job', 'job.yaml')
    result = subprocess.run(
        [sys.executable, '-m', 'depth_ros', *words, '--workers', '1'],
        cwd=folder,
        env=child_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 2, result.stderr
    assert 'cannot write out/parts/' in result.stderr
    assert 'free some space' in result.stderr
    assert not list((folder / 'out').rglob('*.part*'))
    assert depth_ros(*words, cwd=folder).code == 0
    alone = ('process', 'drive.mcap', '-o', 'alone', '--job', 'job.yaml')
    assert depth_ros(*alone, cwd=folder).code == 0
    for path in (folder / 'alone').glob('*.*'):
        assert (folder / 'out' / path.name).read_bytes() == path.read_bytes()


FULL = """\
mount -t tmpfs -o size=400k none out || exit 77
head -c 384k /dev/zero > out/filler
"$@"; echo "code $?"
rm out/filler
"$@" || exit 1
find out -name '*.part*'
cp out/*.* kept
"""


@pytest.mark.nightly
def test_a_file_system_without_space_is_one_sentence_and_the_same_command_goes_on(
    folder: Path,
) -> None:
    for name in ('out', 'kept'):
        (folder / name).mkdir()
    words = [sys.executable, '-m', 'depth_ros', 'process', 'drive.mcap', '--job', 'job.yaml']
    script = ['unshare', '-rm', 'bash', '-c', FULL, 'full', *words, '--out', 'out']
    result = subprocess.run(
        script, cwd=folder, env=child_environment(), capture_output=True, text=True, check=False
    )
    if result.returncode == 77 or 'unshare' in result.stderr:
        pytest.skip('no file system of its own can be mounted here')
    assert result.returncode == 0, result.stderr
    assert 'code 2' in result.stdout
    assert 'No space left on device' in result.stderr
    assert 'free some space' in result.stderr
    assert '.part' not in result.stdout
    subprocess.run([*words, '--out', 'alone'], cwd=folder, env=child_environment(), check=True)
    for path in (folder / 'alone').glob('*.*'):
        assert (folder / 'kept' / path.name).read_bytes() == path.read_bytes()


def test_a_killed_program_leaves_no_workers_and_is_begun_again(folder: Path) -> None:
    (folder / 'job.yaml').write_text(JOB.replace('frames: 2', 'frames: 1'))
    Drive(num_frames=200).write(folder / 'drive.mcap')
    words = ('process', 'drive.mcap', '-o', 'out', '--job', 'job.yaml')
    process = subprocess.Popen(
        [sys.executable, '-m', 'depth_ros', *words],
        cwd=folder,
        env=child_environment(),
        stderr=subprocess.DEVNULL,
    )
    parts = folder / 'out/parts'
    while not (parts.is_dir() and any(parts.glob('[0-9a-f]*.mcap'))):
        time.sleep(0.01)
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    workers = children.read_text().split() if children.is_file() else []
    process.kill()
    process.wait()
    until = time.monotonic() + 60.0
    while any(Path(f'/proc/{worker}').is_dir() for worker in workers):
        assert time.monotonic() < until, 'workers outlive their program'
        time.sleep(0.05)
    again = depth_ros(*words, cwd=folder)
    assert '200 frames' in again.out
    assert 'of them before' in again.out
