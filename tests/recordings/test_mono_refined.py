"""Mono depth by the camera's motion over a recording: as the processor gives it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import ParameterError
from depth_ros.frames import MonoFrame
from depth_ros.messages.depth import decode_depth
from depth_ros.messages.headers import stamp_ns
from depth_ros.recordings import mono_refined_work
from depth_ros.recordings.copied import CopySettings
from depth_ros.recordings.job import RecordingJob, WorkerSettings
from depth_ros.recordings.job_file import default_task
from depth_ros.recordings.outputs import RefinedOutputs
from depth_ros.recordings.segments import SegmentSettings
from depth_ros.tasks.mono.keyframe_depth import KeyframeDepths
from depth_ros.tasks.mono.no_network import NoNetwork
from depth_ros.tasks.mono.processor import MonoProcessor
from depth_ros.tasks.mono.settings import (
    KeyframeDepthSettings,
    MonoSettings,
    RefineMode,
    ScaleMode,
    ScaleSettings,
)
from depth_ros.tasks.multiview.settings import MultiViewSettings
from depth_ros.tasks.pipeline import Pipeline
from tests.kit.job_kit import bag_messages, json_lines, process
from tests.kit.multiview_doubles import CAMERA, TruthProcessor, pose_at, view_at
from tests.recordings.test_multiview import NUM_FRAMES, walk

SETTINGS = MonoSettings(keyframes=KeyframeDepthSettings(max_depth_m=8.0))


def open_moving(settings: MonoSettings, **more: Any) -> MonoProcessor:
    """Open as ``open_mono`` does where no mono network has weights; keyframes are exact."""
    truth = TruthProcessor(MultiViewSettings())
    truth.pipeline = SimpleNamespace(engines={})  # type: ignore[attr-defined]
    keyframes = KeyframeDepths(lambda progress: truth, settings.keyframes)  # type: ignore[arg-type, return-value]
    keyframes.open()
    return MonoProcessor(Pipeline(NoNetwork()), settings, keyframes=keyframes)


@pytest.fixture(autouse=True)
def exact_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mono_refined_work, 'open_mono', open_moving)


def refined_job(settings: MonoSettings = SETTINGS, *, frames: int = 4) -> RecordingJob:
    task = default_task(
        'mono_refined', settings=settings, outputs=RefinedOutputs(sigma=True, pose=True)
    )
    return RecordingJob(
        tasks=(task,),
        segments=SegmentSettings(frames=frames, overlap_s=0.05),
        workers=WorkerSettings(),
        copy=CopySettings(),
    )


def test_a_job_gives_what_the_processor_gives_image_by_image(tmp_path: Path) -> None:
    bag = walk(tmp_path)
    result = process(refined_job(), bag, tmp_path / 'out')
    messages = bag_messages(tmp_path / 'out/walk.mcap')
    depths, sigmas, poses = (
        {
            stamp_ns(message.header.stamp): message
            for topic, _, message in messages
            if topic == name
        }
        for name in (
            '/mono_refined/depth/image',
            '/mono_refined/depth/sigma',
            '/mono_refined/pose',
        )
    )
    assert depths.keys() == sigmas.keys() == poses.keys() and len(depths) == result.made > 15
    settings = replace(SETTINGS, refine=RefineMode.MULTIVIEW)
    with open_moving(settings) as processor:
        for at_ns in sorted({*depths, *_lost(tmp_path)}):
            frame = MonoFrame(
                image=view_at(at_ns).image, camera=CAMERA, stamp_ns=at_ns, is_rectified=True
            )
            output = processor.process(frame, world_from_camera=pose_at(at_ns))
            assert (output.depth is not None) == (at_ns in depths)
            if output.depth is not None:
                found = decode_depth(depths[at_ns])
                np.testing.assert_allclose(found, output.depth.depth, rtol=1e-3)
                np.testing.assert_allclose(
                    decode_depth(sigmas[at_ns]), output.depth.sigma, rtol=1e-2
                )


def _lost(folder: Path) -> list[int]:
    return [line['stamp_ns'] for line in json_lines(folder / 'out/walk.ledger.jsonl')]


def test_images_without_metres_are_lines_with_their_reason(tmp_path: Path) -> None:
    result = process(refined_job(frames=7), walk(tmp_path, without=(10, 11)), tmp_path / 'out')
    lines = json_lines(tmp_path / 'out/walk.ledger.jsonl')
    assert result.made + len(lines) == NUM_FRAMES
    assert result.refused['no_keyframe'] >= 2
    assert 'move the camera sideways' in lines[0]['text']


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        (replace(SETTINGS, refine=RefineMode.NONE), 'name the task mono'),
        (
            replace(SETTINGS, scale=ScaleSettings(mode=ScaleMode.REFERENCE_DEPTH)),
            'a job has no reference depth',
        ),
    ],
)
def test_what_cannot_be_refined_is_refused(
    tmp_path: Path, settings: MonoSettings, said: str
) -> None:
    with pytest.raises(ParameterError, match=said):
        process(refined_job(settings), walk(tmp_path), tmp_path / 'out')
