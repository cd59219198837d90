"""What becomes no output has the name of its cause; what nobody can help is no loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from depth_ros.messages.headers import fill_header
from depth_ros.recordings.ledger import AT_END, main_reason
from depth_ros.recordings.outputs import PairOutputs
from depth_ros.recordings.results import read_results
from depth_ros.recordings.stamps_again import StampsAgain, stamps_again
from tests.kit.bag_writer import stamp
from tests.kit.job_kit import json_lines, process
from tests.kit.plane_drive import Drive
from tests.recordings.conftest import stereo_job


def stamped(stamp_ns: int) -> Callable[[SimpleNamespace], None]:
    def change(message: SimpleNamespace) -> None:
        fill_header(message.header, stamp_ns=stamp_ns, frame_id='rig_left_optical')

    return change


def both(number: int, stamp_ns: int) -> dict[tuple[str, int], Callable[[SimpleNamespace], None]]:
    return {(side, number): stamped(stamp_ns) for side in ('left', 'right')}


@pytest.mark.parametrize(
    ('stamp_ns', 'reason'),
    [(0, 'zero_stamp'), (stamp(3), 'repeated_stamp'), (stamp(1), 'stamp_back')],
)
@pytest.mark.parametrize('frames', [1, 3, 100])
def test_bad_stamps_have_the_names_that_run_gives_them(
    tmp_path: Path, stamp_ns: int, reason: str, frames: int
) -> None:
    """Image 4 of both cameras has a bad stamp, wherever a segment begins."""
    bag = Drive(changes=both(4, stamp_ns)).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(frames=frames), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (7, {reason: 2})
    lines = json_lines(tmp_path / 'out/drive.ledger.jsonl')
    assert {(line['topic'], line['stamp_ns']) for line in lines} == {
        ('/left/image_rect', stamp_ns),
        ('/right/image_rect', stamp_ns),
    }
    assert all(line['topic'] in line['text'] for line in lines)


def test_a_recording_without_stamps_says_so_of_every_image(tmp_path: Path) -> None:
    changes = {key: change for number in range(8) for key, change in both(number, 0).items()}
    bag = Drive(changes=changes).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (0, {'zero_stamp': 16})
    assert 'driver must stamp every image' in result.empty['stereo']


@pytest.mark.parametrize('frames', [1, 3, 100])
def test_images_before_the_partner_begins_or_behind_its_end_are_no_loss(
    tmp_path: Path, frames: int
) -> None:
    """The right camera lacks the first image, one in the middle and the last."""
    lost = [('right', 0), ('right', 4), ('right', 7)]
    bag = Drive(without=lost).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(frames=frames), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (5, {'no_partner_left': 1, 'no_partner_at_end': 2})
    (results,) = read_results(str(tmp_path / 'out'))
    assert results.lost == {'no_partner_left': 1}
    assert results.unavoidable == {'no_partner_at_end': 2}
    assert results.coverage == 5 / 6


def test_a_camera_that_stopped_is_a_loss(tmp_path: Path) -> None:
    """Messages are 10 ms apart and a pair has 5: only within the overlap is an end an end."""
    bag = Drive(without=[('right', number) for number in range(2, 8)]).write(
        tmp_path / 'drive.mcap'
    )
    result = process(stereo_job(overlap_s=0.06), bag, tmp_path / 'out')
    assert result.made == 2
    assert result.refused == {'no_partner_at_end': 1, 'no_partner_left': 5}


def test_depth_that_nobody_asked_for_is_unknown_and_not_missing(tmp_path: Path) -> None:
    bag = Drive(num_frames=2).write(tmp_path / 'drive.mcap')
    outputs = PairOutputs(depth=False, camera_info=False, disparity=True, row_error_every=0)
    process(stereo_job(outputs=outputs), bag, tmp_path / 'out')
    lines = json_lines(tmp_path / 'out/drive.figures.jsonl')
    assert [line['known'] for line in lines] == [None, None]


@pytest.mark.parametrize('frames', [1, 3, 100])
def test_a_recording_that_looped_says_so_of_both_cameras(tmp_path: Path, frames: int) -> None:
    """Stamps 0..4, then 2..4 again: the first of them goes back, the others came before."""
    changes = {}
    for number in range(5, 8):
        changes |= both(number, stamp(number - 3))
    bag = Drive(changes=changes).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(frames=frames), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (5, {'stamp_back': 2, 'repeated_stamp': 4})


@pytest.mark.parametrize('frames', [3, 100])
def test_a_recording_that_looped_beyond_the_overlap_is_told(tmp_path: Path, frames: int) -> None:
    """Stamps 0..4, then 2..4 again: only the first pair goes back, the others pair once more."""
    changes = {}
    for number in range(5, 8):
        changes |= both(number, stamp(number - 3))
    bag = Drive(changes=changes).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(frames=frames, overlap_s=0.06), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (7, {'stamp_back': 2})
    lines = json_lines(tmp_path / 'out/drive.figures.jsonl')
    assert [line['stamp_ns'] for line in lines[-2:]] == [stamp(3), stamp(4)]
    assert result.again == StampsAgain(count=2, first_log_ns=lines[-2]['log_ns'])


def test_only_stamps_of_one_task_are_compared() -> None:
    lines = [
        b'{"task": "a", "stamp_ns": 5, "log_ns": 1}',
        b'{"task": "b", "stamp_ns": 5, "log_ns": 2}',
    ]
    assert stamps_again(lines) == StampsAgain()
    assert stamps_again([*lines, lines[0]]) == StampsAgain(count=1, first_log_ns=1)


@pytest.mark.parametrize('frames', [1, 3, 100])
@pytest.mark.parametrize('late_ms', [3, -3])
def test_cameras_that_are_not_synchronised_are_told_the_difference(
    tmp_path: Path, frames: int, late_ms: int
) -> None:
    late = {('right', n): stamped(stamp(n) + late_ms * 1_000_000) for n in range(8)}
    bag = Drive(changes=late).write(tmp_path / 'drive.mcap')
    result = process(stereo_job(frames=frames), bag, tmp_path / 'out')
    assert (result.made, result.refused) == (0, {'no_partner_left': 8, 'no_partner_right': 8})
    for line in json_lines(tmp_path / 'out/drive.ledger.jsonl'):
        assert 'nearest 3.000 ms away, 0 ms allowed' in line['text']
        assert 'raise input.max_stamp_difference_s' in line['text']
    raised = stereo_job(frames=frames, max_stamp_difference_s=0.003)
    assert process(raised, bag, tmp_path / 'raised').made == 8


@pytest.mark.parametrize(
    ('refusals', 'text'),
    [
        ([('few', 'a'), ('pose', 'b'), ('pose', 'c')], 'pose, 2 of 3 images: b'),
        ([('few', 'a'), ('pose', 'b')], 'few, 1 of 2 images: a'),
        ([(AT_END, 'a'), (AT_END, 'b'), ('pose', 'c')], 'pose, 1 of 1 images: c'),
        ([(AT_END, 'a'), (AT_END, 'b')], f'{AT_END}, 2 of 2 images: a'),
    ],
)
def test_the_most_frequent_loss_is_told(refusals: list[tuple[str, str]], text: str) -> None:
    assert main_reason(refusals) == text
