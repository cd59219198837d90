"""Layouts of Foxglove and RViz show topics that jobs write, by their default names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from depth_ros.recordings.frame_channels import frame_channels
from depth_ros.recordings.match_work import MatchOutputs
from depth_ros.recordings.odometry_outputs import OdometryOutputs, odometry_channels
from depth_ros.recordings.outcome import OutputChannel
from depth_ros.recordings.outputs import MonoOutputs, PairOutputs, PosedOutputs
from depth_ros.recordings.wire import IMAGE, ODOMETRY, POINT_CLOUD, POSE
from tests.kit.shared_data import REPOSITORY

LAYOUTS = sorted((REPOSITORY / 'config/foxglove').glob('*.json'))
PANELS = {'3D', 'Image', 'Plot'}
KEYS = {'configById', 'globalVariables', 'userNodes', 'playbackConfig', 'layout'}


def written() -> dict[str, str]:
    """Type of every topic that jobs can write, but for other encodings of depth."""
    depth = {'points': True, 'image': True}
    channels: list[OutputChannel] = [
        *frame_channels(
            PairOutputs(disparity=True, confidence=True, sigma=True, **depth)
        ).values(),
        *frame_channels(MonoOutputs(relative_depth=True, **depth)).values(),
        *frame_channels(PosedOutputs(confidence=True, **depth)).values(),
        *odometry_channels(OdometryOutputs(), is_metric=True).values(),
    ]
    matcher = MatchOutputs().namespace
    found = {channel.topic: channel.kind for channel in channels}
    return {**found, f'/{matcher}/matches': 'matches', f'/{matcher}/matches/image': IMAGE}


def leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
        return
    assert node['direction'] in ('row', 'column')
    assert 0 < node['splitPercentage'] < 100
    yield from leaves(node['first'])
    yield from leaves(node['second'])


@pytest.mark.parametrize('path', LAYOUTS, ids=lambda path: path.stem)
def test_a_foxglove_layout_is_whole_and_shows_what_jobs_write(path: Path) -> None:
    layout, topics = json.loads(path.read_text()), written()
    assert set(layout) == KEYS
    panels = layout['configById']
    assert sorted(leaves(layout['layout'])) == sorted(panels)
    for name, panel in panels.items():
        assert name.partition('!')[0] in PANELS
        mode = panel.get('imageMode', {})
        if mode:
            assert topics[mode['imageTopic']] == IMAGE
            assert mode.get('calibrationTopic', '/stereo/depth/camera_info') in topics
        for topic in panel.get('topics', {}):
            assert topics[topic] in (POINT_CLOUD, POSE, ODOMETRY)
        for line in panel.get('paths', []):
            assert line['value'].partition('.')[0] in topics


def test_there_is_a_layout_for_every_task() -> None:
    stems = {path.stem for path in LAYOUTS}
    assert stems == {'stereo', 'mono', 'multiview', 'odometry', 'match'}


def test_the_rviz_file_shows_what_jobs_write() -> None:
    config = yaml.safe_load((REPOSITORY / 'config/recordings.rviz').read_text())
    manager = config['Visualization Manager']
    shown = [display['Topic']['Value'] for display in manager['Displays'] if 'Topic' in display]
    assert len(shown) >= 4
    assert set(shown) <= set(written())
    assert manager['Global Options']['Fixed Frame'] == OdometryOutputs().odom_frame
