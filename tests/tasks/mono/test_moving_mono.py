"""Mono with poses end to end: keyframes beside the stream, with and without a mono network."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.errors import EngineError, InputError, ParameterError, WeightsError
from depth_ros.frames import MonoFrame, MultiViewFrame
from depth_ros.tasks.mono import opening
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.moving_camera import no_keyframe
from depth_ros.tasks.mono.no_network import NoNetwork
from depth_ros.tasks.mono.opening import open_mono
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.refine import DepthSource
from depth_ros.tasks.mono.settings import (
    KeyframeDepthSettings,
    MonoSettings,
    RefineMode,
    ScaleMode,
    ScaleSettings,
)
from depth_ros.tasks.multiview.processor import MultiViewOutput
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.mono_doubles import truth_pipeline
from tests.kit.multiview_doubles import CAMERA, START_NS, TruthProcessor, pose_at, view_at

STEP_NS = 50_000_000
KEYFRAMES = KeyframeDepthSettings(max_depth_m=8.0)


def settings(refine: RefineMode = RefineMode.MULTIVIEW, **scale: object) -> MonoSettings:
    return MonoSettings(refine=refine, keyframes=KEYFRAMES, scale=ScaleSettings(**scale))


def moving(
    given: MonoSettings | None = None,
    *,
    pipeline: Pipeline | None = None,
    open_network: Callable[..., object] = lambda progress: TruthProcessor(MultiViewSettings()),
    in_background: bool = False,
) -> MonoProcessor:
    given = given or settings()
    keyframes = KeyframeDepths(open_network, given.keyframes, in_background=in_background)  # type: ignore[arg-type]
    return MonoProcessor(pipeline or Pipeline(NoNetwork()), given, keyframes=keyframes)


def frame_at(stamp_ns: int) -> MonoFrame:
    return MonoFrame(
        image=view_at(stamp_ns).image, camera=CAMERA, stamp_ns=stamp_ns, is_rectified=True
    )


def walk(processor: MonoProcessor, count: int, *, first: int = 0):
    outputs = []
    for index in range(first, first + count):
        stamp_ns = START_NS + index * STEP_NS
        outputs.append(processor.process(frame_at(stamp_ns), world_from_camera=pose_at(stamp_ns)))
    return outputs


def error_of(output) -> np.ndarray:
    truth = view_at(output.frame.stamp_ns).depth
    known = np.isfinite(output.depth.depth)
    return np.abs(output.depth.depth - truth)[known] / truth[known]


def test_without_a_network_the_walk_alone_gives_metres() -> None:
    with moving() as processor:
        assert not processor.has_network and 'no mono network' in processor.describe()
        assert processor.identity.model == 'mvsnet'
        outputs = walk(processor, 8)
    first, last = outputs[0], outputs[-1]
    assert first.depth is None and first.refusal is not None
    assert first.refusal[0] == 'no_keyframe' and 'sideways' in first.refusal[1]
    assert last.refined is not None and last.refusal is None
    assert last.valid_fraction > 0.7 and not last.has_network
    assert np.median(error_of(last)) < 0.01 and (error_of(last) > 0.1).mean() < 0.03
    assert last.depth.sigma is not None and 'refine' in last.stages_s
    assert set(np.unique(last.source)) <= {DepthSource.UNKNOWN, DepthSource.KEYFRAME}
    assert np.isnan(last.relative.depth).all()


@pytest.mark.parametrize(('mode', 'count'), [(ScaleMode.MOTION, 1), (ScaleMode.NONE, 0)])
def test_a_mode_of_scale_that_has_no_network_is_said_to_be_unused(
    mode: ScaleMode, count: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def without_weights(*_: object, **__: object) -> None:
        raise WeightsError('no weights')

    monkeypatch.setattr(opening, 'open_model', without_weights)
    open_mono(settings(mode=mode), is_live=True).close()
    said = [record.getMessage() for record in caplog.records]
    assert sum('[scale_mode_unused]' in text and mode.value in text for text in said) == count
    assert sum('[no_mono_network]' in text for text in said) == 1


def test_without_a_pose_nothing_metric_comes_out() -> None:
    with moving() as processor:
        walk(processor, 8)
        output = processor.process(frame_at(START_NS + 8 * STEP_NS))
    assert output.depth is None and output.refusal is not None
    assert output.refusal[0] == 'no_pose' and 'odometry' in output.refusal[1]


@pytest.mark.parametrize('mode', [ScaleMode.NONE, ScaleMode.MOTION])
def test_why_there_is_no_pose_is_the_reason_of_keyframes_and_of_motion(mode: ScaleMode) -> None:
    trouble = InputError('no_extrinsic', 'nobody says how the camera sits')
    with moving(settings(mode=mode), pipeline=truth_pipeline()) as processor:
        output = processor.process(frame_at(START_NS), pose_trouble=trouble)
    assert output.depth is None and output.refusal == ('no_extrinsic', str(trouble))
    assert output.scaled is not None and output.scaled.slug == 'no_extrinsic'
    assert output.reason == str(trouble), 'it is said once'


def test_auto_without_a_pose_is_as_it_was() -> None:
    with moving(settings(RefineMode.AUTO), pipeline=truth_pipeline()) as processor:
        output = processor.process(frame_at(START_NS))
    assert output.depth is None and output.refusal is None and output.refined is None
    assert np.isfinite(output.relative.depth).all()


def test_made_up_weights_never_fill_metres() -> None:
    made_up = truth_pipeline(graph='monodepth2-depth [synthetic:1]')
    with moving(pipeline=made_up) as processor:
        last = walk(processor, 8)[-1]
    assert last.is_untrained and last.refined is not None and last.refined.fit is None
    assert not last.is_shown_untrained, 'these metres are of keyframes, which are real'
    assert not (last.source == DepthSource.FITTED).any()


def test_where_keyframes_fail_the_scale_mode_goes_on() -> None:
    given = settings(mode=ScaleMode.FIXED, factor=5.0)
    with moving(given, pipeline=truth_pipeline()) as processor:
        first = walk(processor, 1)[0]
    assert first.refusal is not None and first.depth is not None
    assert set(np.unique(first.source)) == {DepthSource.SCALED}


def test_standing_still_ends_after_a_second() -> None:
    with moving() as processor:
        walk(processor, 8)
        pose, image = pose_at(START_NS + 7 * STEP_NS), frame_at(START_NS + 7 * STEP_NS).image
        known = []
        for index in range(8, 40):
            stamp_ns = START_NS + index * STEP_NS
            frame = MonoFrame(image=image, camera=CAMERA, stamp_ns=stamp_ns, is_rectified=True)
            output = processor.process(frame, world_from_camera=pose)
            known.append(output.depth is not None)
    assert all(known[:10]) and not any(known[21:])


@pytest.mark.parametrize(
    ('wanted', 'said'),
    [
        ({'max_depth_m': 20.0}, 'max_depth_m is 20 m, keyframes.max_depth_m 8 m; set'),
        ({'min_depth_m': 0.2}, 'set keyframes.min_depth_m to 0.2'),
        ({'min_depth_m': 0.6, 'max_depth_m': 7.0}, ''),
        ({}, ''),
    ],
)
def test_depth_that_is_wanted_beyond_the_search_is_told_at_the_start(
    caplog: pytest.LogCaptureFixture, wanted: dict[str, float], said: str
) -> None:
    given = replace(settings(), **wanted)
    with caplog.at_level(logging.WARNING), moving(given) as processor:
        assert ('[depth_range]' in caplog.text) == bool(said) and said in caplog.text
        caplog.clear()
        processor.set_settings(given)
        assert not caplog.text, 'it is told once'
        processor.set_settings(replace(given, max_depth_m=30.0))
        assert 'keyframes.max_depth_m to 30' in caplog.text


def test_a_jump_of_the_pose_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    with moving() as processor, caplog.at_level(logging.WARNING):
        walk(processor, 8)
        stamp_ns = START_NS + 8 * STEP_NS
        far = pose_at(stamp_ns).copy()
        far[0, 3] += 50.0
        output = processor.process(frame_at(stamp_ns), world_from_camera=far)
    assert output.depth is None and output.refusal is not None
    assert 'jumped' in output.refusal[1] and 'jumped' in caplog.text


class SlowTruth(TruthProcessor):
    """Takes its time, and fails when it is told to."""

    fails = False

    def process(self, frame: MultiViewFrame, *, wanted: object = None) -> MultiViewOutput:
        time.sleep(0.05)
        if self.fails:
            raise EngineError('the engine has gone')
        return super().process(frame)


def test_in_the_background_images_do_not_wait_for_keyframes() -> None:
    slow = SlowTruth(MultiViewSettings())
    with moving(open_network=lambda progress: slow, in_background=True) as processor:
        keyframes = processor.keyframes
        assert keyframes is not None
        outputs = walk(processor, 6)
        assert outputs[2].depth is None, 'its own keyframe is not done yet'
        end = time.monotonic() + 10.0
        index = 6
        while keyframes.num_maps < 2 and time.monotonic() < end:
            walk(processor, 1, first=index)
            index += 1
            time.sleep(0.03)
        last = walk(processor, 1, first=index)[0]
        assert last.depth is not None and last.refined is not None
        assert np.median(error_of(last)) < 0.01
        slow.fails = True
        before = keyframes.num_maps
        while not keyframes.trouble and time.monotonic() < end:
            index += 1
            walk(processor, 1, first=index)
            time.sleep(0.03)
        assert keyframes.trouble == 'the engine has gone' and keyframes.num_maps >= before
    assert keyframes.num_keyframes >= keyframes.num_maps + keyframes.num_superseded


def test_a_start_needs_weights_only_where_nothing_else_can_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    with pytest.raises(WeightsError):
        open_mono()
    with pytest.raises(WeightsError):
        open_mono(refine='none', is_live=True)
    for named in ({'model': 'tio_depth'}, {'weights': 'mine.pth'}):
        with pytest.raises(WeightsError):
            open_mono(refine='multiview', **named)
    with caplog.at_level(logging.WARNING), open_mono(is_live=True, num_threads=1) as processor:
        assert not processor.has_network and processor.identity.size == '256x320'
    assert 'monodepth2 has no weights' in caplog.text and 'keyframes' in caplog.text


class MadeUp(TruthProcessor):
    """Has made-up weights."""

    is_untrained = True
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_made_up_weights_of_keyframes_give_no_metres() -> None:
    made_up = MadeUp(MultiViewSettings())
    with moving(open_network=lambda progress: made_up) as processor:
        last = walk(processor, 8)[-1]
        assert processor.keyframes is not None
        with pytest.raises(ParameterError, match='made-up weights give no metres'):
            processor.keyframes.open()
    assert last.depth is None and last.refined is None and last.refusal is not None
    assert 'keyframes.weights' in last.refusal[1] and made_up.is_closed


def test_made_up_weights_of_keyframes_are_no_setting() -> None:
    with pytest.raises(ParameterError, match="no metres, got weights 'synthetic:1'"):
        KeyframeDepthSettings(weights='synthetic:1')


def test_keyframes_that_are_too_slow_are_told_before_the_way_of_the_camera() -> None:
    with moving(in_background=True) as processor:
        keyframes = processor.keyframes
        assert keyframes is not None
        assert no_keyframe(keyframes, 0).index('; move the camera') < (
            no_keyframe(keyframes, 0).index('too slow')
        )
        keyframes._window.num_keyframes = 60
        text = no_keyframe(keyframes, 0)
    assert '(chosen 60, computed 0): keyframes are too slow here' in text


def test_made_up_weights_of_keyframes_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DEPTH_ROS_CACHE', str(tmp_path))
    monkeypatch.setattr(
        'depth_ros.tasks.mono.opening.open_multiview',
        lambda settings, *, progress: MadeUp(settings),
    )
    with pytest.raises(ParameterError, match='made-up weights give no metres'):
        open_mono(refine='multiview', keyframes_weights='synthetic:1')


@pytest.mark.parametrize('mode', [ScaleMode.FIXED, ScaleMode.CAMERA_HEIGHT, ScaleMode.MOTION])
def test_without_a_network_no_scale_mode_gives_metres(mode: ScaleMode) -> None:
    given = settings(mode=mode, factor=2.0, camera_height_m=1.0)
    with moving(given) as processor:
        first, *_, last = walk(processor, 8)
    assert first.depth is None and first.source is None
    assert first.scaled is not None and first.scaled.slug == 'no_mono_network'
    assert 'no mono network' in first.reason and 'no keyframe' in first.reason
    assert last.refined is not None and last.reason == ''


def test_calls_one_after_another_need_no_stamps_and_give_the_reason_of_keyframes() -> None:
    with moving() as processor:
        found = [
            processor(view_at(stamp_ns).image, CAMERA, world_from_camera=pose_at(stamp_ns))
            for stamp_ns in range(START_NS, START_NS + 8 * STEP_NS, STEP_NS)
        ]
        assert found[0].reason.startswith('no keyframe') and 'scale.mode' not in found[0].reason
        assert found[-1].is_metric and found[-1].reason == ''
        assert found[-1].stamp_ns - found[-2].stamp_ns == 100_000_000
        output = processor.process(frame_at(START_NS + 8 * STEP_NS))
        assert output.scaled is not None and output.scaled.slug == 'no_pose'
        assert 'refine to none' not in output.reason, 'without a network that gives nothing'


def test_a_stuck_camera_gives_no_metres_though_its_poses_move() -> None:
    image = view_at(START_NS).image
    with moving() as processor:
        for index in range(12):
            stamp_ns = START_NS + index * STEP_NS
            frame = MonoFrame(image=image, camera=CAMERA, stamp_ns=stamp_ns, is_rectified=True)
            output = processor.process(frame, world_from_camera=pose_at(stamp_ns))
            assert output.depth is None
        assert output.refusal is not None and 'stuck' in output.refusal[1]
        assert walk(processor, 26, first=12)[-1].depth is not None, 'it moves again'


def test_stamps_of_zero_are_said_once_and_a_reason_is_of_its_own_image(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with moving() as processor, caplog.at_level(logging.WARNING):
        for index in range(6):
            stamp_ns = START_NS + index * STEP_NS
            frame = MonoFrame(
                image=view_at(stamp_ns).image, camera=CAMERA, stamp_ns=0, is_rectified=True
            )
            output = processor.process(frame, world_from_camera=pose_at(stamp_ns))
        assert output.refusal is not None and 'stamps of the images are zero' in output.refusal[1]
        assert caplog.text.count('stamps of the images are zero') == 1
        fresh = walk(processor, 1)[0]
        assert fresh.refusal is not None and 'zero' not in fresh.refusal[1]


def test_what_is_no_frame_or_no_pose_is_said() -> None:
    with moving() as processor:
        with pytest.raises(InputError, match='must be a MonoFrame, got a NoneType'):
            processor.process(None)  # type: ignore[arg-type]
        for pose in ('here', np.eye(3).tolist(), [['a'] * 4] * 4):
            with pytest.raises(InputError, match='world_from_camera must be'):
                processor.process(frame_at(START_NS), world_from_camera=pose)  # type: ignore[arg-type]
        processor.process(frame_at(START_NS), world_from_camera=pose_at(START_NS).tolist())  # type: ignore[arg-type]


def test_a_remedy_is_one_that_there_is_here() -> None:
    with moving() as processor:
        first = walk(processor, 1)[0]
        assert 'too slow' not in first.reason, 'images wait for keyframes here'
        stamp_ns = START_NS + STEP_NS
        far = pose_at(stamp_ns).copy()
        far[0, 3] += 50.0
        output = processor.process(frame_at(stamp_ns), world_from_camera=far)
    assert 'jumped' in output.reason and 'max_jump_ratio' not in output.reason


def test_a_pose_that_is_not_used_is_said() -> None:
    with MonoProcessor(truth_pipeline(), MonoSettings()) as processor:
        image = view_at(START_NS).image
        found = processor(image, CAMERA, world_from_camera=pose_at(START_NS))
        assert not found.is_metric and 'set refine to multiview' in found.reason
        assert 'scale.mode is none' in processor(image, CAMERA).reason
