"""What ships with the odometry node: RViz layout and documentation name what it publishes."""

from __future__ import annotations

import pytest
import yaml

from tests.kit.shared_data import REPOSITORY

pytest.importorskip('tests.kit.built_interfaces')

from depth_ros.ros.odometry.parameters import OdometryParameters
from depth_ros.ros.odometry.topics import KINDS
from depth_ros.tasks.odometry.values import OdometryState, Reason

PAGE = (REPOSITORY / 'docs' / 'odometry.md').read_text(encoding='utf-8')


def test_rviz_shows_what_is_published_in_the_frame_it_is_in() -> None:
    text = (REPOSITORY / 'config' / 'odometry.rviz').read_text(encoding='utf-8')
    manager = yaml.safe_load(text)['Visualization Manager']
    shown = {
        display['Topic']['Value']: display['Class'].split('/')[1]
        for display in manager['Displays']
        if 'Topic' in display
    }
    assert shown.pop('/left/image_raw') == 'Image'
    assert shown == {f'/{name}': KINDS[name].__name__ for name in ('odometry', 'path')}
    assert manager['Global Options']['Fixed Frame'] == OdometryParameters().odom_frame


@pytest.mark.parametrize('name', KINDS)
def test_every_topic_is_in_the_docs_with_its_type(name: str) -> None:
    package = KINDS[name].__module__.split('.')[0]
    assert f'| `{name}` | {package}/{KINDS[name].__name__} |' in PAGE


@pytest.mark.parametrize('reason', [reason for reason in Reason if reason.value])
def test_every_reason_is_in_the_docs(reason: Reason) -> None:
    assert f'`{reason.value}`' in PAGE


@pytest.mark.parametrize('state', OdometryState)
def test_every_state_is_in_the_docs(state: OdometryState) -> None:
    assert f'**{state.value}**' in PAGE
