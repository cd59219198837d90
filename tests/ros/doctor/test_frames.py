"""TF that does not join cameras and base, live: found by name, ended by what is typed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from tests.kit.doctor_farm import cameras, diagnosis, found, line_of, nodes, process
from tests.kit.tf_messages import tf_environment

pytestmark = [pytest.mark.ros, pytest.mark.nightly]

TREE = (
    *('optical:base_link>left_eye', 'static:left_eye>right_eye', 'static:base_link>body_camera'),
    *('static:b>a', 'static:a>b', 'broken:base_link>arm', 'static:map>elsewhere'),
    *('moving:base_link>wheel', 'moving:odom>wheel', 'old:odom>base_link'),
)
FAULTS = [
    ('tf-missing', 'left_eye_'),
    ('tf-missing', 'far_camera'),
    ('frame-not-optical', 'body_camera'),
    ('tf-parents', 'wheel'),
    ('tf-loop', 'a'),
    ('tf-values', 'arm'),
    ('tf-split', 'odom'),
    ('tf-old', 'base_link'),
]
RIGS = ('well', 'lost', 'body')
SETTLE_S = 4.0


@dataclass
class Visits:
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope='module')
def visits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visits]:
    folder: Path = tmp_path_factory.mktemp('frames')
    variables = tf_environment(folder)
    module = 'tests.kit.nodes.transform_tree'
    with ExitStack() as stack:
        stack.enter_context(cameras(folder, *RIGS))
        stack.enter_context(nodes(folder, dict.fromkeys(RIGS, 'stereo'), {}))
        stack.enter_context(process(folder, 'tree', module, *TREE, **variables))
        time.sleep(SETTLE_S)
        names = [f'/{rig}/{rig}_node' for rig in RIGS]
        before = diagnosis(of=names, **variables)
        lines = [line_of(before, *fault) for fault in FAULTS[:2]]
        words = [as_edge(line) for line in lines]
        stack.enter_context(process(folder, 'typed', module, *words, **variables))
        time.sleep(SETTLE_S)
        yield Visits(before=before, after=diagnosis(of=names, **variables))


def as_edge(line: str) -> str:
    """Read a line for ``static_transform_publisher`` as a word for the stand-in."""
    words = shlex.split(line)
    assert words[:4] == ['ros2', 'run', 'tf2_ros', 'static_transform_publisher']
    values = dict(zip(words[4::2], words[5::2], strict=True))
    kind = 'optical' if '--qx' in values else 'static'
    return f'{kind}:{values["--frame-id"]}>{values["--child-frame-id"]}'


@pytest.mark.parametrize('fault', FAULTS, ids=lambda fault: f'{fault[0]}-{fault[1]}')
def test_fault_is_found_by_its_name(visits: Visits, fault: tuple[str, str]) -> None:
    assert fault in found(visits.before)


def test_joined_cameras_are_no_fault_and_the_nearest_frame_is_told(visits: Visits) -> None:
    missing = {about for name, about in found(visits.before) if name == 'tf-missing'}
    assert missing == {'left_eye_', 'far_camera'}
    line = line_of(visits.before, 'tf-missing', 'left_eye_')
    assert line.endswith('--frame-id left_eye --child-frame-id left_eye_')


def test_its_remedy_ends_it(visits: Visits) -> None:
    assert not [about for name, about in found(visits.after) if name == 'tf-missing']
