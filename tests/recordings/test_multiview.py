"""Multi-view depth over a recording: keyframes as the window chooses them, wherever it is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import InputError
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.headers import fill_header, stamp_ns
from depth_ros.messages.poses import fill_motion, motion_of
from depth_ros.recordings import multiview_work
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.job import RecordingJob, WorkerSettings
from depth_ros.recordings.job_file import default_task
from depth_ros.recordings.multiview_settings import SegmentedViewSettings
from depth_ros.recordings.outputs import PosedOutputs
from depth_ros.recordings.results import read_results
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.recordings.wire import ODOMETRY, POSE, blank
from depth_ros.tasks.multiview.keyframes import KeyframeWindow
from depth_ros.tasks.multiview.settings import SearchSettings
from tests.kit.bag_writer import Recorded, info, raw
from tests.kit.job_kit import bag_messages, json_lines, process, raw_messages
from tests.kit.multiview_doubles import CAMERA, START_NS, TruthProcessor, pose_at, view_at
from tests.kit.plane_drive import write_mcap

NUM_FRAMES = 30
STEP_NS = 50_000_000
SEARCH = SearchSettings(min_m=0.5, max_m=8.0)
DEPTH = '/multiview/depth/image'


@pytest.fixture(autouse=True)
def exact_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that sees the exact depth; everything else is the job's own."""

    def opened(settings: Any) -> TruthProcessor:
        processor = TruthProcessor(settings)
        processor.pipeline = SimpleNamespace(engines={})  # type: ignore[attr-defined]
        return processor

    monkeypatch.setattr(multiview_work, 'open_multiview', opened)


def pose_message(kind: str, pose: np.ndarray, *, at_ns: int, child: str = '') -> Any:
    message = blank(kind)
    fill_header(message.header, stamp_ns=at_ns, frame_id='map')
    place = message.pose.pose if kind == ODOMETRY else message.pose
    fill_motion(place.position, place.orientation, pose)
    if kind == ODOMETRY:
        message.child_frame_id = child
    return as_recorded(message, kind)


def as_recorded(message: Any, kind: str) -> Any:
    names = [name for name in message.__dataclass_fields__ if name != '__msgtype__']
    return SimpleNamespace(type=kind, **{name: getattr(message, name) for name in names})


def walk(
    folder: Path, *, kind: str = POSE, child: str = '', without: tuple[int, ...] = ()
) -> Path:
    """A walk with a pose before every image; images beside ``without`` have none near them."""
    recorded: list[Recorded] = []
    for index in range(NUM_FRAMES):
        at_ns = START_NS + index * STEP_NS
        if index not in without:
            pose = pose_at(at_ns)
            recorded.append(('/pose', pose_message(kind, pose, at_ns=at_ns, child=child)))
        recorded.append(('/camera/camera_info', info(CAMERA, stamp_ns=at_ns)))
        recorded.append(('/camera/image_rect', raw(view_at(at_ns).image, stamp_ns=at_ns)))
    return write_mcap(folder / 'walk.mcap', recorded)


def posed_job(*, frames: int = 4, block_s: float = 0.2, **outputs: Any) -> RecordingJob:
    task = default_task(
        'multiview', settings=SegmentedViewSettings(search=SEARCH), outputs=PosedOutputs(**outputs)
    )
    return RecordingJob(
        tasks=(replace(task, input=replace(task.input, block_s=block_s)),),
        segments=SegmentSettings(frames=frames, overlap_s=0.05),
        workers=WorkerSettings(),
        copy=CopySettings(),
    )


@pytest.mark.parametrize('frames', [1, 7, 1000])
def test_messages_do_not_depend_on_where_the_recording_is_cut(tmp_path: Path, frames: int) -> None:
    bag = walk(tmp_path)
    first = process(posed_job(frames=4, confidence=True), bag, tmp_path / 'four')
    other = process(posed_job(frames=frames, confidence=True), bag, tmp_path / 'other')
    assert first.made == other.made >= 5
    assert first.refused == other.refused
    one, two = (raw_messages(tmp_path / name / 'walk.mcap') for name in ('four', 'other'))
    assert one == two
    for ending in ('ledger', 'figures'):
        names = (tmp_path / name / f'walk.{ending}.jsonl' for name in ('four', 'other'))
        first_text, second_text = (name.read_text() for name in names)
        assert first_text == second_text


def test_one_block_gives_the_keyframes_of_the_window(tmp_path: Path) -> None:
    bag = walk(tmp_path)
    process(posed_job(block_s=100.0), bag, tmp_path / 'out')
    window: KeyframeWindow[Any] = KeyframeWindow(SegmentedViewSettings().keyframes)
    sets = []
    for index in range(NUM_FRAMES):
        at_ns = START_NS + index * STEP_NS
        view = SimpleNamespace(
            camera=CAMERA,
            world_from_camera=pose_at(at_ns),
            center_m=pose_at(at_ns)[:3, 3],
            stamp_ns=at_ns,
        )
        found = window.add(view, depth_range_m=SEARCH.range_m)
        sets += [found] if found else []
    sets += window.flush(depth_range_m=SEARCH.range_m)
    messages = [m for topic, _, m in bag_messages(tmp_path / 'out/walk.mcap') if topic == DEPTH]
    expected = [one.reference.stamp_ns for one in sets]
    assert [stamp_ns(message.header.stamp) for message in messages] == expected
    assert len(expected) >= 5


def test_depth_and_pose_are_those_of_the_scene(tmp_path: Path) -> None:
    bag = walk(tmp_path)
    result = process(posed_job(), bag, tmp_path / 'out')
    messages = bag_messages(tmp_path / 'out/walk.mcap')
    depths = [message for topic, _, message in messages if topic == DEPTH]
    poses = [message for topic, _, message in messages if topic == '/multiview/pose']
    assert len(depths) == len(poses) == result.made
    for depth, pose in zip(depths, poses, strict=True):
        at_ns = stamp_ns(depth.header.stamp)
        truth = view_at(at_ns).depth
        found = decode_depth(depth)
        is_searched = (truth >= SEARCH.min_m) & (truth <= SEARCH.max_m)
        np.testing.assert_array_equal(found[is_searched], truth[is_searched])
        assert np.isnan(found[~is_searched]).all()
        assert (pose.header.frame_id, stamp_ns(pose.header.stamp)) == ('map', at_ns)
        place = motion_of(pose.pose.position, pose.pose.orientation)
        np.testing.assert_allclose(place, pose_at(at_ns), atol=1e-9)


def test_every_image_is_an_output_or_a_line(tmp_path: Path) -> None:
    bag = walk(tmp_path, without=(10, 11, 12))
    job = posed_job()
    job = replace(
        job,
        tasks=(replace(job.tasks[0], input=replace(job.tasks[0].input, max_pose_gap_s=0.06)),),
    )
    result = process(job, bag, tmp_path / 'out')
    lines = json_lines(tmp_path / 'out/walk.ledger.jsonl')
    assert result.made + len(lines) == NUM_FRAMES
    assert result.refused['no_pose'] == 3
    assert {line['reason'] for line in lines} <= {'no_pose', 'passed_over', 'few_sources'}
    (results,) = read_results(str(tmp_path / 'out'))
    lost = sum(line['reason'] != 'passed_over' for line in lines)
    assert results.coverage == result.made / (result.made + lost)


def test_odometry_of_another_frame_needs_the_mounting(tmp_path: Path) -> None:
    bag = walk(tmp_path, kind=ODOMETRY, child='base_link')
    result = process(posed_job(), bag, tmp_path / 'out')
    assert result.refused == {'no_extrinsic': NUM_FRAMES}
    line = json_lines(tmp_path / 'out/walk.ledger.jsonl')[0]
    assert 'set base_from_camera in tasks.multiview.input' in line['text']
    job = posed_job()
    (task,) = job.tasks
    mounted = replace(task, input=replace(task.input, base_from_camera='0 0 0 0 0 0 1'))
    assert process(replace(job, tasks=(mounted,)), bag, tmp_path / 'mounted').made >= 5


def test_a_recording_without_poses_says_how_to_make_them(drive: Path, tmp_path: Path) -> None:
    task = default_task('multiview')
    named = replace(task.input, image='/left/image_rect', info='/left/camera_info')
    job = replace(posed_job(), tasks=(replace(task, input=named),))
    with pytest.raises(InputError, match=r'needs one topic of poses.*job of odometry'):
        process(job, drive, tmp_path)
