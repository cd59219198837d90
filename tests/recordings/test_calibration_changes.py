"""A calibration that changes within a recording: each image has that of its moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from depth_ros.messages.depth import decode_depth
from depth_ros.recordings.calibration_look import calibration_sources
from depth_ros.recordings.plan import plan_job
from depth_ros.recordings.report_page import verdict
from depth_ros.recordings.results import read_results
from tests.kit.bag_writer import Recorded
from tests.kit.job_kit import bag_messages, process
from tests.kit.plane_drive import Drive, cameras, depth_of, disparity_at, write_mcap, write_rig
from tests.recordings.conftest import stereo_job

CHANGED = 5
INFOS = ('/left/camera_info', '/right/camera_info')


def with_twice_the_focal_length(message: SimpleNamespace) -> None:
    """Depth is twice as large then: Z = f b / d, and the baseline stays."""
    for name, places in (('k', (0, 4)), ('p', (0, 3, 5))):
        values = np.array(getattr(message, name), np.float64)
        values[list(places)] *= 2.0
        setattr(message, name, values)


def changed_drive(path: Path, change: Callable[[SimpleNamespace], None]) -> Path:
    recorded: list[Recorded] = Drive().messages()
    seen: dict[str, int] = {}
    for topic, message in recorded:
        seen[topic] = seen.get(topic, -1) + 1
        if topic in INFOS and seen[topic] >= CHANGED:
            change(message)
    return write_mcap(path, recorded)


@pytest.fixture(scope='module')
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('changed')
    return changed_drive(folder / 'drive.mcap', with_twice_the_focal_length)


@pytest.mark.parametrize('frames', [1, 3, 100])
def test_each_image_is_taken_with_the_calibration_of_its_moment(
    changed: Path, tmp_path: Path, frames: int
) -> None:
    result = process(stereo_job(frames=frames), changed, tmp_path)
    assert result.made == 8
    depths = [
        float(np.nanmedian(decode_depth(message)[:, 32:]))
        for topic, _, message in bag_messages(tmp_path / 'drive.mcap')
        if topic == '/stereo/depth/image'
    ]
    for index, depth in enumerate(depths):
        factor = 2.0 if index >= CHANGED else 1.0
        assert depth == pytest.approx(factor * depth_of(disparity_at(index)), rel=0.01)
    times = {
        topic: [time for name, time, _ in bag_messages(changed) if name == topic][CHANGED]
        for topic in INFOS
    }
    assert result.calibration_changes == {topic: [time] for topic, time in times.items()}


def test_the_report_marks_it(changed: Path, drive: Path, tmp_path: Path) -> None:
    process(stereo_job(), changed, tmp_path / 'changed')
    process(stereo_job(), drive, tmp_path / 'same')
    (results,) = read_results(str(tmp_path / 'changed'))
    assert 'calibration' in verdict(results)
    (results,) = read_results(str(tmp_path / 'same'))
    assert results.calibration_changes == {}
    assert 'calibration' not in verdict(results)


def test_another_stamp_is_no_other_calibration(tmp_path: Path) -> None:
    bag = changed_drive(tmp_path / 'drive.mcap', lambda message: None)
    assert process(stereo_job(), bag, tmp_path / 'out').calibration_changes == {}


def test_a_look_says_where_calibration_comes_from_and_that_it_changes(
    changed: Path, drive: Path
) -> None:
    texts = {}
    for name, bag in (('changed', changed), ('same', drive)):
        (plan,) = plan_job(stereo_job(), [str(bag)])
        (source,) = calibration_sources(plan)
        texts[name] = source.text
    assert all(topic in text for topic in INFOS for text in texts.values())
    assert 'the same in ' in texts['same']
    assert 'CHANGES' in texts['changed']
    assert all(f'{topic} by 0.' in texts['changed'] for topic in INFOS)


def test_a_file_is_named_and_no_change_of_the_recording_counts(
    changed: Path, tmp_path: Path
) -> None:
    write_rig(tmp_path / 'rig', cameras())
    path = tmp_path / 'rig/left.yaml'
    job = stereo_job(calibration=str(path), images='rectified')
    (plan,) = plan_job(job, [str(changed)])
    (source,) = calibration_sources(plan)
    assert source.text == f'calibration of the file {path}'
    result = process(job, changed, tmp_path / 'out')
    assert (result.made, result.calibration_changes) == (8, {})
