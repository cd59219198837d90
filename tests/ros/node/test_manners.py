"""A node in somebody else's bringup: parameters, quality of service, diagnostics, camera_info."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image

from depth_ros.errors import ParameterError
from depth_ros.ros.node.diagnostics import own_states
from depth_ros.ros.node.task_node import check_apart
from depth_ros.ros.node.topic_rate import TopicRate
from depth_ros.ros.node.topic_status import FUTURE, GOOD_STAMPS, PAST, ZERO, input_status
from depth_ros.ros.topic_names import IMAGE_PIPELINE
from tests.kit.live_node import BASELINE_M, FX, NodeProcess, Robot, robot, running, stamp_of
from tests.kit.shared_data import REPOSITORY

TIMEOUT_S = 0.6
OPTIONS = (
    *('-p', 'sgbm.num_disparities:=32', '-p', 'diagnostics_period_s:=0.1'),
    *('-p', f'input_timeout_s:={TIMEOUT_S}', '-p', 'max_depth_m:=10', '-p', 'max_depht_m:=1.0'),
    *('-p', 'bringup_wide_setting:=3', '-p', 'input_depth:=10'),
    *('-p', 'qos_overrides./depth/image.publisher.reliability:=best_effort'),
    *('-p', 'qos_overrides./left/image_raw.subscription.depth:=7'),
)


@dataclass
class Stage:
    node: NodeProcess
    robot: Robot


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp('manners')
    infos = ['depth/camera_info', 'rectified/right/camera_info']
    with running(folder, *OPTIONS) as node, robot(outputs=infos) as driver:
        driver.connect()
        yield Stage(node, driver)


@pytest.mark.ros
def test_names_that_there_are_not_are_warnings_with_the_nearest_name(stage: Stage) -> None:
    lines = stage.node.lines_about('unknown_parameter]')
    assert len(lines) == 2
    assert "'max_depht_m'; did you mean 'max_depth_m'?; it is ignored" in '\n'.join(lines)
    assert 'docs/parameters.md' in '\n'.join(lines)
    assert stage.robot.get_parameter('max_depth_m') == 10.0
    assert type(stage.robot.get_parameter('max_depth_m')) is float, 'an integer was given'
    assert stage.robot.set_parameters(max_depth_m=20).successful
    assert type(stage.robot.get_parameter('max_depth_m')) is float


@pytest.mark.ros
def test_types_and_read_only_are_announced(stage: Stage) -> None:
    names = ['max_depth_m', 'image_transport', 'cloud_stride', 'use_sim_time']
    client = stage.robot.node.create_client(DescribeParameters, '/stereo_node/describe_parameters')
    answer = stage.robot._call(client, DescribeParameters.Request(names=names))
    found = {descriptor.name: descriptor for descriptor in answer.descriptors}
    kinds = [found[name].type for name in names[:3]]
    double, text = ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_STRING
    assert kinds == [double, text, ParameterType.PARAMETER_INTEGER]
    assert [found[name].read_only for name in names[:3]] == [False, True, False]
    assert not any(found[name].dynamic_typing for name in names[:3])
    assert found['cloud_stride'].integer_range[0].to_value == 64


@pytest.mark.ros
def test_quality_of_service_can_be_overridden_by_parameters(stage: Stage) -> None:
    graph = stage.robot.node
    (depth,) = graph.get_publishers_info_by_topic('/depth/image')
    assert depth.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
    (points,) = graph.get_publishers_info_by_topic('/points')
    assert points.qos_profile.reliability is ReliabilityPolicy.RELIABLE
    name = 'qos_overrides./left/image_raw.subscription.'
    assert stage.robot.get_parameter(f'{name}depth') == 7
    assert stage.robot.get_parameter(f'{name}reliability') == 'best_effort'
    result = stage.robot.set_parameters(**{f'{name}depth'.replace('.', '__'): 3})
    assert not result.successful and 'read-only' in result.reason


@pytest.mark.ros
def test_camera_info_alone_comes_without_any_computation(stage: Stage) -> None:
    driver = stage.robot
    driver.send_infos()
    left = driver.good_pair('depth/camera_info')
    assert driver.spin_until(
        lambda: driver.output('rectified/right/camera_info', stamp_of(left)) is not None
    )
    right = driver.output('rectified/right/camera_info', stamp_of(left))
    assert (left.header.frame_id, left.p[3]) == ('left_eye', 0.0)
    assert right.p[3] == pytest.approx(-FX * BASELINE_M)
    assert driver.wait_count('dropped_no_subscriber', 1)
    assert driver.count('outputs') == 0


@pytest.mark.ros
def test_a_dead_camera_is_an_error_in_the_form_of_diagnostic_updater(stage: Stage) -> None:
    driver, topic = stage.robot, '/left/image_raw topic status'

    def comes() -> bool:
        driver.send_pair()
        driver.spin(0.05)
        is_met = driver.statuses[topic].message.startswith('Desired frequency met')
        return is_met and int(values()['Events in window']) > 3

    def values() -> dict[str, str]:
        return {item.key: item.value for item in driver.statuses[topic].values}

    assert driver.spin_until(comes)
    assert driver.statuses[topic].hardware_id == 'left_eye'
    assert float(values()['Actual frequency (Hz)']) > 0.0
    assert float(values()['frame_rate_msg']) == pytest.approx(20.0, rel=0.01), '50 ms apart'
    outputs = driver.statuses['/depth/camera_info topic status']
    assert outputs.level == DiagnosticStatus.OK
    assert driver.spin_until(lambda: driver.statuses[topic].level == DiagnosticStatus.ERROR)
    assert driver.statuses[topic].message.startswith('No events recorded.')
    assert driver.spin_until(lambda: driver.status.level == DiagnosticStatus.ERROR)
    assert 'no image on /left/image_raw' in driver.status.message
    assert driver.status.hardware_id
    assert driver.spin_until(comes)
    assert driver.spin_until(lambda: driver.status.level != DiagnosticStatus.ERROR)


@pytest.mark.ros
def test_two_nodes_of_one_name_are_told(stage: Stage) -> None:
    namesake = Node('stereo_node', context=stage.robot.context)
    try:
        assert stage.robot.spin_until(lambda: stage.node.lines_about('duplicate_name]'))
    finally:
        namesake.destroy_node()
    assert '2 nodes are called /stereo_node' in stage.node.lines_about('duplicate_name]')[0]


@pytest.mark.ros
def test_names_and_time_of_a_bringup_are_kept(tmp_path: Path) -> None:
    """What launch passes: SetParameter before our parameter file, and names:=image_pipeline."""
    words = ['-r', '__ns:=/brought', '-p', 'use_sim_time:=true']
    words += ['--params-file', str(REPOSITORY / 'config' / 'stereo.yaml')]
    words += [word for pair in IMAGE_PIPELINE for word in ('-r', ':='.join(pair))]
    with running(tmp_path, *words) as node, robot(namespace='brought') as driver:
        driver.connect()
        assert driver.get_parameter('use_sim_time', '/brought/stereo_node') is True
        topics = {name for name, _ in driver.node.get_topic_names_and_types()}
        names = {'points2', 'left/image_rect', 'right/image_rect', 'depth/image_rect'}
        assert {f'/brought/{name}' for name in names} <= topics
        assert '/brought/points' not in topics and '/brought/depth/image' in topics, 'ours: robot'
        driver.subscribe('depth/image_rect', Image)
        driver.send_infos()
        assert driver.good_pair('depth/image_rect').header.frame_id == 'left_eye'
        assert 'unknown_parameter' not in node.log()


def rate_of(delays_s: list[float], *, zero: bool = False) -> TopicRate:
    moments = iter([0.0, *(0.1 * index for index in range(100))])
    rate = TopicRate('/left/image_raw', clock=lambda: next(moments))
    for index, delay_s in enumerate(delays_s, 1):
        stamp_ns = 0 if zero else index * 100_000_000 + 10**12
        rate.add(stamp_ns, 'eye', stamp_ns + round(delay_s * 1e9))
    return rate


@pytest.mark.parametrize(
    ('delays_s', 'zero', 'words'),
    [
        ([0.02] * 5, False, GOOD_STAMPS),
        ([0.02, 5.5], False, PAST),
        ([0.02, -1.5], False, FUTURE),
        ([0.02] * 3, True, ZERO),
    ],
)
def test_the_age_of_stamps_is_judged(delays_s: list[float], zero: bool, words: str) -> None:
    snapshot = rate_of(delays_s, zero=zero).snapshot()
    status = input_status('node', snapshot, timeout_s=60.0)
    assert status.message.endswith(words)
    is_good = words == GOOD_STAMPS
    assert (status.level == DiagnosticStatus.OK) is is_good
    assert status.name == 'node: /left/image_raw topic status'


@pytest.mark.parametrize('is_needed', [True, False])
def test_silence_of_a_topic_that_is_not_needed_is_a_warning(is_needed: bool) -> None:
    snapshot = rate_of([0.02] * 5, zero=False).snapshot()
    status = input_status('node', snapshot, timeout_s=-1.0, is_needed=is_needed)
    assert status.level == (DiagnosticStatus.ERROR if is_needed else DiagnosticStatus.WARN)
    assert status.message.startswith('No events recorded.')


def test_rhythm_is_measured_by_both_clocks() -> None:
    snapshot = rate_of([0.02, 0.02, 0.02, 0.02]).snapshot()
    assert snapshot.by_arrival.rate_hz == pytest.approx(10.0)
    assert snapshot.by_stamp.rate_hz == pytest.approx(10.0)
    assert snapshot.by_stamp.max_jitter_us == pytest.approx(0.0, abs=1.0)
    assert snapshot.largest_delay_s == pytest.approx(0.02)
    assert (snapshot.num_messages, snapshot.num_not_rising) == (4, 0)
    assert rate_of([]).snapshot().by_arrival.rate_hz == 0.0


def test_states_of_other_robots_and_topics_are_left_out() -> None:
    names = ('a/stereo_node: state', 'a/stereo_node: /left topic status', 'b/mono_node: state')
    statuses: list[Any] = [DiagnosticStatus(name=name) for name in names]
    assert [status.name for status in own_states(statuses, '/a')] == [names[0]]
    assert len(own_states(statuses, '/')) == 2


def test_a_node_does_not_eat_its_own_output() -> None:
    rates = [TopicRate('/left/image_rect'), TopicRate('/points')]
    check_apart([SimpleNamespace(rate=TopicRate('/left/image_raw'))], rates)
    with pytest.raises(ParameterError, match='input and an output'):
        check_apart([SimpleNamespace(rate=TopicRate('/left/image_rect'))], rates)
