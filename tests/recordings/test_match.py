"""Matching over a recording: each image with one before it, the matches of the Python call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import depth_ros
from depth_ros.messages.headers import stamp_ns
from depth_ros.messages.images import decode_image
from depth_ros.messages.matches import points_of
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.job import RecordingJob, WorkerSettings
from depth_ros.recordings.job_file import default_task
from depth_ros.recordings.match_work import MatchOutputs
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.recordings.wire import MATCHES, parsed
from depth_ros.scenes.paths import scene_path
from depth_ros.tasks.matching.settings import MatchSettings
from tests.kit.bag_writer import STEP_NS, raw, stamp
from tests.kit.job_kit import bag_messages, json_lines, process, raw_messages
from tests.kit.plane_drive import write_mcap

NUM_FRAMES = 5
TOPIC = '/matcher/matches'


def match_job(*, frames: int = 2, pair_step: int = 1, overlap_s: float = 0.5) -> RecordingJob:
    task = default_task(
        'match', settings=MatchSettings(model='orb'), outputs=MatchOutputs(picture=True)
    )
    return RecordingJob(
        tasks=(replace(task, input=replace(task.input, pair_step=pair_step)),),
        segments=SegmentSettings(frames=frames, overlap_s=overlap_s),
        workers=WorkerSettings(),
        copy=CopySettings(),
    )


@pytest.fixture(scope='module')
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of one camera, without a calibration."""
    path = scene_path('room')
    recorded = [
        ('/camera/image', raw(path.stereo(index).left, stamp_ns=stamp(index)))
        for index in range(NUM_FRAMES)
    ]
    return write_mcap(tmp_path_factory.mktemp('walk') / 'walk.mcap', recorded)


def matches_of(bag: Path) -> list[Any]:
    return [parsed(data, MATCHES) for data in raw_messages(bag)[TOPIC]]


@pytest.mark.parametrize('pair_step', [1, 2])
def test_matches_are_those_of_the_call(walk: Path, tmp_path: Path, pair_step: int) -> None:
    result = process(match_job(pair_step=pair_step), walk, tmp_path)
    assert (result.made, result.refused) == (
        NUM_FRAMES - pair_step,
        {'first_image': pair_step},
    )
    images = [decode_image(message) for _, _, message in bag_messages(walk)]
    found = matches_of(tmp_path / 'walk.mcap')
    with depth_ros.open_matcher(model='orb') as matcher:
        for index, message in enumerate(found, start=pair_step):
            answer = matcher(images[index - pair_step], images[index])
            np.testing.assert_array_equal(points_of(message.first_points), answer.points_first)
            np.testing.assert_array_equal(points_of(message.second_points), answer.points_second)
            np.testing.assert_array_equal(message.inliers, answer.geometry.inliers)
            stamps = (stamp_ns(message.first_header.stamp), stamp_ns(message.header.stamp))
            assert stamps == (stamp(index - pair_step), stamp(index))
            assert (message.second_height, message.second_width) == images[index].shape[:2]
            assert message.num_found >= len(message.confidences) > 20


@pytest.mark.parametrize('frames', [1, 3, 100])
def test_messages_do_not_depend_on_where_the_recording_is_cut(
    walk: Path, tmp_path: Path, frames: int
) -> None:
    process(match_job(frames=2), walk, tmp_path / 'two')
    process(match_job(frames=frames), walk, tmp_path / 'other')
    one, other = (raw_messages(tmp_path / name / 'walk.mcap') for name in ('two', 'other'))
    assert one == other
    assert {len(data) for data in one.values()} == {NUM_FRAMES - 1}


def test_an_image_whose_fellow_is_far_is_a_line(walk: Path, tmp_path: Path) -> None:
    """Messages of the walk were recorded 10 ms apart."""
    result = process(match_job(overlap_s=0.005), walk, tmp_path)
    assert (result.made, result.refused) == (
        0,
        {'first_image': 1, 'no_earlier_image': NUM_FRAMES - 1},
    )
    line = json_lines(tmp_path / 'walk.ledger.jsonl')[-1]
    assert 'raise that if the camera is slower' in line['text']
    assert line['stamp_ns'] == stamp(0) + (NUM_FRAMES - 1) * STEP_NS
