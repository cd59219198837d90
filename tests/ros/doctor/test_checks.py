"""Every check on a robot that is spoilt in one way: its name, what it is about, what to type."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from depth_ros.errors import CalibrationError, ImageError
from depth_ros.ros.doctor.cameras import cameras_of
from depth_ros.ros.doctor.checks import CHECK_FAILED, CHECKS, judge, table
from depth_ros.ros.doctor.command import exit_code
from depth_ros.ros.doctor.finding import Severity
from depth_ros.ros.doctor.graph_checks import find_no_node, incompatible
from depth_ros.ros.doctor.snapshot import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    Endpoint,
    EndpointQos,
    GpuLoad,
    HeardClock,
    HeardImage,
    NodeCamera,
    RobotSnapshot,
    RosProcess,
)
from depth_ros.ros.doctor.stream_checks import skew
from depth_ros.ros.doctor.typed import SIGNATURES
from depth_ros.ros.parameter_docs import NODES, parameters_of
from tests.kit.doctor_doubles import (
    DRIVER,
    NODE,
    OPTICAL,
    PARAMETERS,
    camera,
    depth_node,
    headers,
    heard,
    state,
    status,
    transform,
    well,
    with_machine,
    with_node,
    with_parameters,
    with_topic,
)
from tests.kit.shared_data import REPOSITORY

LEFT, RIGHT = '/left/image_raw', '/right/image_raw'
LEFT_INFO, RIGHT_INFO = '/left/camera_info', '/right/camera_info'
BEST_EFFORT = EndpointQos(reliability='best_effort')
DAY_S = 86400.0
GIB = 2**30
NUM_HALF = 10


def published_as(topic: str, other: str, kind: str = IMAGE) -> RobotSnapshot:
    """The driver sends a topic under another name or as another type."""
    seen = well()
    renamed = [
        replace(end, topic=other, kind=kind) if end.topic == topic else end
        for end in seen.publishers
    ]
    topics = {name: entry for name, entry in seen.topics.items() if name != topic}
    return replace(seen, publishers=tuple(renamed), topics=topics)


def ends(seen: RobotSnapshot, *, qos: EndpointQos, of: str) -> RobotSnapshot:
    """Give all publishers or subscriptions a quality of service."""
    return replace(seen, **{of: tuple(replace(end, qos=qos) for end in getattr(seen, of))})


def with_clock(seen: RobotSnapshot, num: int = 1, *, advance_s: float = 8.0) -> RobotSnapshot:
    clocks = [
        Endpoint(node=f'/player{index}', topic='/clock', kind='rosgraph_msgs/msg/Clock')
        for index in range(num)
    ]
    heard_clock = HeardClock(num_messages=80, advance_s=advance_s)
    return replace(seen, publishers=(*seen.publishers, *clocks), clock=heard_clock)


def stamped(**changes: Any) -> RobotSnapshot:
    """All topics with these stamps."""
    seen = well()
    made = {
        name: heard(name, headers=headers(frame=entry.frame_id, **changes))
        for name, entry in seen.topics.items()
    }
    return replace(seen, topics=made)


def depth(encoding: str, median: float, **parameters: Any) -> RobotSnapshot:
    image = HeardImage(height=120, width=160, encoding=encoding, num_bytes=1, depth_median=median)
    seen = with_topic(RIGHT, image=image)
    return replace(
        seen, nodes=(depth_node(parameters={**PARAMETERS, 'depth_unit_m': 0.001, **parameters}),)
    )


def with_tf(*edges: Any, **changes: Any) -> RobotSnapshot:
    return well(transforms=edges, **changes)


def with_process(**changes: Any) -> RobotSnapshot:
    process = RosProcess(
        pid=7, name='driver', middleware='rmw_fastrtps_cpp', domain='0', profile=''
    )
    return with_machine(processes=(replace(process, **changes),))


def costmap(**sources: Any) -> RobotSnapshot:
    parameters: dict[str, object] = {'obstacle_layer.observation_sources': 'depth scan'}
    parameters |= {
        'obstacle_layer.depth.topic': '/points',
        'obstacle_layer.depth.clearing': True,
        'obstacle_layer.depth.data_type': 'PointCloud2',
        'obstacle_layer.scan.topic': '/base/scan',
        'obstacle_layer.scan.data_type': 'LaserScan',
        'obstacle_layer.scan.clearing': False,
    }
    parameters |= {f'obstacle_layer.{name}': value for name, value in sources.items()}
    cloud = Endpoint(node=NODE, topic='/points', kind='sensor_msgs/msg/PointCloud2')
    return well(publishers=(*well().publishers, cloud), costmaps={'/local_costmap': parameters})


def large_images(**changes: Any) -> RobotSnapshot:
    image = HeardImage(height=720, width=1280, encoding='rgb8', num_bytes=2_764_800)
    info = {'camera': camera('left', height=720, width=1280, cx=639.5, cy=359.5)}
    seen = with_process(**changes)
    topics = {**seen.topics, LEFT: heard(LEFT, image=image), LEFT_INFO: heard(LEFT_INFO, **info)}
    return replace(seen, topics=topics)


FAULTS: list[tuple[str, str, Callable[[], RobotSnapshot], str]] = [
    ('no-node', 'domain 0', lambda: well(nodes=()), 'left:=/left right:=/right'),
    (
        'no-node',
        'domain 0',
        lambda: replace(with_process(domain='7'), nodes=()),
        'export ROS_DOMAIN_ID=7',
    ),
    ('duplicate-node', NODE, lambda: well(node_names=(NODE, NODE)), '__node:=stereo_node_2'),
    (
        'qos-mismatch',
        LEFT,
        lambda: ends(well(), qos=BEST_EFFORT, of='publishers'),
        '-p input_reliability:=best_effort',
    ),
    ('no-publisher', RIGHT, lambda: published_as(RIGHT, '/right/image'), f'{RIGHT}:=/right/image'),
    (
        'no-publisher',
        RIGHT,
        lambda: published_as(RIGHT, f'{RIGHT}/compressed', COMPRESSED),
        '-p image_transport:=compressed',
    ),
    (
        'no-publisher',
        RIGHT,
        lambda: published_as(RIGHT, '/right/image_rect'),
        '-p input:=rectified',
    ),
    (
        'nothing-beside',
        '/odometry',
        lambda: well(
            subscriptions=(
                *well().subscriptions,
                Endpoint(node=NODE, topic='/odometry', kind='nav_msgs/msg/Odometry'),
            )
        ),
        'ros2 topic list -t | grep nav_msgs/msg/Odometry',
    ),
    (
        'nearly-named',
        '/point',
        lambda: well(
            subscriptions=(
                *well().subscriptions,
                Endpoint(node='/rviz', topic='/point', kind='sensor_msgs/msg/PointCloud2'),
            ),
            publishers=(
                *well().publishers,
                Endpoint(node=NODE, topic='/points', kind='sensor_msgs/msg/PointCloud2'),
            ),
        ),
        '/point:=/points',
    ),
    (
        'two-publishers',
        LEFT,
        lambda: well(
            publishers=(*well().publishers, Endpoint(node='/bag', topic=LEFT, kind=IMAGE))
        ),
        f'ros2 topic info -v {LEFT}',
    ),
    ('type-mismatch', RIGHT, lambda: published_as(RIGHT, RIGHT, COMPRESSED), f'-r {RIGHT}/comp'),
    (
        'topic-silent',
        RIGHT,
        lambda: replace(
            with_topic(RIGHT, headers=()),
            nodes=(depth_node(inputs={RIGHT: status(**{'Events in window': '0'})}),),
        ),
        f'ros2 topic hz {RIGHT}',
    ),
    (
        'rate-low',
        LEFT,
        lambda: with_node(inputs={LEFT: status(frame_rate_node='0.5')}),
        f'ros2 topic hz {LEFT}',
    ),
    (
        'rate-low',
        LEFT,
        lambda: replace(
            with_topic(LEFT, headers=headers(num=2), heard_s=6.0), nodes=(depth_node(inputs={}),)
        ),
        f'ros2 topic hz {LEFT}',
    ),
    (
        'rate-unequal',
        RIGHT,
        lambda: replace(
            with_topic(RIGHT, headers=headers(period_s=0.2, frame='right_eye')),
            nodes=(
                depth_node(
                    cameras=(NodeCamera(images=LEFT, info=''), NodeCamera(images=RIGHT, info=''))
                ),
            ),
        ),
        f'ros2 topic hz {LEFT} {RIGHT}',
    ),
    (
        'rate-gaps',
        LEFT,
        lambda: with_node(inputs={LEFT: status(num_jitter_outliers_msg='30')}),
        f'ros2 topic delay {LEFT}',
    ),
    (
        'stamp-skew',
        RIGHT,
        lambda: with_topic(RIGHT, headers=headers(offset_s=0.02, frame='right_eye')),
        f'ros2 param set {NODE} max_stamp_difference_s 0.03',
    ),
    (
        'info-skew',
        LEFT_INFO,
        lambda: with_topic(LEFT_INFO, headers=headers(offset_s=0.005)),
        f'ros2 topic echo --once --field header {LEFT_INFO}',
    ),
    (
        'stamp-zero',
        LEFT,
        lambda: with_topic(LEFT, headers=(replace(headers()[0], stamp_ns=0), *headers())),
        f'ros2 topic echo --once --field header {LEFT}',
    ),
    ('stamp-order', LEFT, lambda: with_topic(LEFT, headers=headers()[:3] * 4), 'info -v'),
    ('stamp-age', LEFT, lambda: stamped(delay_s=3.0), 'chronyc'),
    ('stamp-age', LEFT, lambda: stamped(delay_s=-1.0), 'chronyc'),
    ('clock-missing', NODE, lambda: with_parameters(use_sim_time=True), 'use_sim_time false'),
    (
        'clock-stopped',
        '/clock',
        lambda: with_clock(with_parameters(use_sim_time=True), advance_s=0.0),
        'resume',
    ),
    (
        'clock-unused',
        NODE,
        lambda: with_clock(stamped(delay_s=9 * DAY_S, clock_ns=headers()[NUM_HALF].stamp_ns)),
        f'ros2 param set {NODE} use_sim_time true',
    ),
    ('clock-mixed', LEFT, lambda: stamped(delay_s=9 * DAY_S), '--field header'),
    (
        'clock-mixed',
        LEFT,
        lambda: with_clock(
            replace(
                stamped(clock_ns=1_000_000_000),
                nodes=(depth_node(parameters={**PARAMETERS, 'use_sim_time': True}),),
            )
        ),
        f'ros2 param set {DRIVER} use_sim_time true',
    ),
    ('two-clocks', '/clock', lambda: with_clock(well(), 2), 'info -v /clock'),
    (
        'encoding',
        LEFT,
        lambda: with_topic(LEFT, image=image(problem=ImageError('encoding', 'cannot be read'))),
        f'ros2 param list {DRIVER}',
    ),
    (
        'image-broken',
        LEFT,
        lambda: with_topic(LEFT, image=image(problem=ImageError('step', 'too small'))),
        f'ros2 topic echo --once --no-arr {LEFT}',
    ),
    ('encoding-unequal', RIGHT, lambda: with_topic(RIGHT, image=image(encoding='bgr8')), 'format'),
    ('size-unequal', RIGHT, lambda: with_topic(RIGHT, image=image(width=200)), 'width'),
    ('size-calibration', LEFT, lambda: with_topic(LEFT, image=image(width=200)), 'width'),
    (
        'calibration',
        LEFT_INFO,
        lambda: with_topic(
            LEFT_INFO, camera=None, problem=CalibrationError('calibration_unset', 'all zero')
        ),
        'calibration check --mono',
    ),
    ('rig', RIGHT_INFO, lambda: with_topic(RIGHT_INFO, camera=camera('left')), 'baseline_m'),
    (
        'rig',
        RIGHT_INFO,
        lambda: with_topic(RIGHT_INFO, camera=camera('right', tx=10.0)),
        'calibration check left.yaml right.yaml',
    ),
    ('depth-unit', RIGHT, lambda: depth('32FC1', 1500.0), 'echo'),
    ('depth-unit', RIGHT, lambda: depth('16UC1', 300.0, depth_unit_m=0.0001), '_m:=0.001'),
    (
        'frame-empty',
        LEFT,
        lambda: replace(
            well(),
            topics={name: heard(name, headers=headers(frame='')) for name in well().topics},
            transforms=(),
        ),
        'frame',
    ),
    ('frame-unequal', LEFT, lambda: with_topic(LEFT, headers=headers(frame='eye')), 'frame'),
    (
        'frame-not-optical',
        'left_eye',
        lambda: with_tf(transform('base_link', 'left_eye'), transform('left_eye', 'right_eye')),
        'frame',
    ),
    (
        'tf-missing',
        'left_eye',
        lambda: with_tf(transform('base_link', 'left_eyes', quaternion=OPTICAL)),
        '--frame-id left_eyes --child-frame-id left_eye',
    ),
    (
        'tf-missing',
        'right_eye',
        lambda: with_tf(transform('base_link', 'left_eye', quaternion=OPTICAL)),
        '--frame-id base_link --child-frame-id right_eye',
    ),
    (
        'tf-missing',
        'left_eye',
        lambda: replace(with_parameters(base_frame='base', base_from_camera=''), transforms=()),
        '--frame-id base --child-frame-id left_eye',
    ),
    (
        'tf-parents',
        'base_link',
        lambda: with_tf(*well().transforms, transform('left_eye', 'base_link')),
        'view_frames',
    ),
    (
        'tf-split',
        'odom',
        lambda: with_tf(*well().transforms, transform('map', 'elsewhere')),
        'tf2_echo map odom',
    ),
    ('tf-loop', 'a', lambda: with_tf(transform('a', 'b'), transform('b', 'a')), 'view_frames'),
    (
        'tf-values',
        'arm',
        lambda: with_tf(
            *well().transforms, transform('base_link', 'arm', quaternion=(0.0, 0.0, 0.0, 0.0))
        ),
        'tf2_echo base_link arm',
    ),
    (
        'tf-values',
        'arm',
        lambda: with_tf(
            *well().transforms, transform('base_link', 'arm', translation=(float('nan'), 0.0, 0.0))
        ),
        'tf2_echo base_link arm',
    ),
    (
        'tf-old',
        'base_link',
        lambda: with_tf(
            *well().transforms[:2], transform('odom', 'base_link', is_static=False, delay_s=9.0)
        ),
        'tf2_monitor odom base_link',
    ),
    (
        'tf-unread',
        '/tf',
        lambda: well(
            is_tf_readable=False,
            transforms=(),
            publishers=(
                *well().publishers,
                Endpoint(node='/driver', topic='/tf', kind='tf2_msgs/msg/TFMessage'),
            ),
        ),
        'tf2-msgs',
    ),
    (
        'lifecycle',
        NODE,
        lambda: with_node(state=state(lifecycle='inactive')),
        f'ros2 lifecycle set {NODE} activate',
    ),
    ('lifecycle', NODE, lambda: with_node(state=state(lifecycle='finalized')), 'ros2 run'),
    (
        'lifecycle',
        DRIVER,
        lambda: well(states={DRIVER: 'unconfigured'}),
        f'ros2 lifecycle set {DRIVER} configure',
    ),
    ('node-defect', NODE, lambda: with_node(state=state(callback_failures='1')), '/rosout'),
    ('node-silent', NODE, lambda: with_node(state=None), 'diagnostics_period_s'),
    ('node-error', NODE, lambda: with_node(state=state(level=2, message='no GPU')), 'echo'),
    (
        'node-warning',
        NODE,
        lambda: with_node(state=state(level=1, message='no_stamp; 3 pairs dropped: x')),
        'echo',
    ),
    (
        'dropped',
        f'{NODE} queue_full',
        lambda: with_node(state=state(unpaired_queue_full='12', unpaired_left='12')),
        f'ros2 param set {NODE} sync_queue_size 30',
    ),
    (
        'messages-lost',
        f'{NODE} lost_left',
        lambda: with_node(state=state(lost_left='9')),
        'FASTDDS_DEFAULT_PROFILES_FILE=config/fastdds.xml',
    ),
    (
        'node-slow',
        NODE,
        lambda: with_node(state=state(outputs='5', dropped_superseded='20')),
        f'ros2 param describe {NODE} model',
    ),
    (
        'engine-preparing',
        NODE,
        lambda: with_node(state=state(level=1, message='preparing: compile, 3 s of 60 s')),
        '-p build_only:=true',
    ),
    (
        'engine-other',
        NODE,
        lambda: replace(
            with_parameters(engine='tensorrt', model='crestereo_tiny'),
            nodes=(
                depth_node(
                    parameters={**PARAMETERS, 'engine': 'tensorrt', 'model': 'crestereo_tiny'},
                    state=state(engine='openvino', model='crestereo_tiny'),
                ),
            ),
        ),
        f'ros2 param get {NODE} engine',
    ),
    (
        'costmap-no-clearing',
        '/local_costmap obstacle_layer',
        costmap,
        'ros2 param get /local_costmap obstacle_layer.observation_sources',
    ),
    ('cpu-load', 'cpu', lambda: with_machine(cpu_busy=0.99), 'top'),
    (
        'gpu',
        'H200',
        lambda: with_machine(gpus=(GpuLoad(name='H200', busy=0.99, memory=0.1),)),
        'nvidia-smi',
    ),
    ('gpu', 'gpu', lambda: with_machine(gpu_problem='no devices were found'), 'nvidia-smi'),
    (
        'shared-memory',
        '/dev/shm',
        lambda: with_machine(shared_bytes=2**26, shared_free_bytes=2**22),
        'remount',
    ),
    (
        'shared-memory',
        '/dev/shm',
        lambda: replace(
            with_process(profile='/etc/hosts'),
            machine=replace(with_process(profile='/etc/hosts').machine, shared_free_bytes=2**26),
        ),
        'remount',
    ),
    ('shared-memory-stale', '/dev/shm', lambda: with_machine(stale_bytes=GIB), 'shm clean'),
    ('dds-profile', 'dds', large_images, 'FASTDDS_DEFAULT_PROFILES_FILE=config/fastdds.xml'),
    (
        'dds-profile-missing',
        'driver (7)',
        lambda: with_process(profile='/nowhere.xml'),
        'FASTDDS_DEFAULT_PROFILES_FILE=config/fastdds.xml',
    ),
    (
        'middleware',
        'dds',
        lambda: with_machine(
            processes=(
                *with_process().machine.processes,
                *with_process(middleware='rmw_cyclonedds_cpp').machine.processes,
            )
        ),
        'RMW_IMPLEMENTATION=',
    ),
    ('cache', 'cache', lambda: with_machine(cache_problem='no home'), 'DEPTH_ROS_CACHE'),
    ('cache', '/cache', lambda: with_machine(cache_free_bytes=1e6), 'du -sh /cache'),
    ('cache-unfinished', 'x', lambda: with_machine(unfinished=('x',)), 'rm -r /cache/engines/x'),
]


def image(**changes: Any) -> HeardImage:
    return replace(HeardImage(height=120, width=160, encoding='mono8', num_bytes=1), **changes)


@pytest.mark.parametrize(
    ('name', 'about', 'make', 'typed'),
    FAULTS,
    ids=[f'{name}-{about}' for name, about, *_ in FAULTS],
)
def test_fault(name: str, about: str, make: Callable[[], RobotSnapshot], typed: str) -> None:
    found = {(entry.check, entry.fault.about): entry for entry in judge(make())}
    assert (name, about) in found, sorted(found)
    assert typed in found[name, about].fault.remedy
    assert '\n' not in found[name, about].fault.remedy
    assert CHECK_FAILED not in {check for check, _ in found}


def test_every_check_has_a_fault_here() -> None:
    assert {name for name, *_ in FAULTS} == {check.name for check in CHECKS}
    assert max(Counter(check.name for check in CHECKS).values()) == 1


def test_no_false_alarm() -> None:
    simulated = replace(
        stamped(clock_ns=headers()[NUM_HALF].stamp_ns, delay_s=9 * DAY_S),
        nodes=(depth_node(parameters={**PARAMETERS, 'use_sim_time': True}),),
    )
    robots = {
        'well': well(),
        'without TF': well(transforms=()),
        'simulated': with_clock(simulated),
        'best effort': ends(well(), qos=BEST_EFFORT, of='subscriptions'),
        'kept': ends(well(), qos=EndpointQos(durability='transient_local'), of='publishers'),
        'metres': depth('32FC1', 2.0),
        'steps': depth('16UC1', 2000.0),
        'cleared': costmap(**{'scan.clearing': True}),
        'decaying': costmap(plugin='spatio_temporal_voxel_layer/SpatioTemporalVoxelLayer'),
        'active driver': well(states={DRIVER: 'active'}),
        'not listened to': with_node(state=state(outputs='80', dropped_no_subscriber='99')),
        'sgbm': with_parameters(model='sgbm', engine='openvino'),
    }
    found = {name: [entry.check for entry in judge(seen)] for name, seen in robots.items()}
    assert found == {name: [] for name in robots}


def test_lost_messages_stand_before_what_may_come_of_them() -> None:
    silent = {'level': 2, 'message': 'no image on /left/image_raw for 5 s; check the camera'}
    (node,) = with_node(state=state(lost_left='9', unpaired_queue_full='12', **silent)).nodes
    broken = depth_node(name='/other', state=state(level=2, message='no GPU'), inputs={})
    found = judge(replace(well(), nodes=(node, broken)))
    told = {(entry.check, entry.fault.about): entry.fault.text for entry in found}
    assert found[0].check == 'messages-lost'
    assert 'may come of lost messages' in told['node-error', NODE]
    assert 'see messages-lost first' in told['dropped', f'{NODE} queue_full']
    assert 'may come' not in told['node-error', '/other']


def test_a_missing_profile_stands_before_slow_cameras() -> None:
    slow = with_node(inputs={LEFT: status(frame_rate_node='0.5')})
    seen = replace(slow, machine=with_process(profile='/nowhere.xml').machine)
    found = judge(seen)
    assert found[0].check == 'dds-profile-missing'
    (low,) = (entry.fault.text for entry in found if entry.check == 'rate-low')
    assert 'see dds-profile-missing first' in low


def test_nothing_moves_where_lost_messages_explain_nothing() -> None:
    found = judge(with_node(state=state(lost_left='9', level=2, message='no GPU')))
    assert [entry.check for entry in found] == ['node-error', 'messages-lost']


@pytest.mark.parametrize(
    ('name', 'domain', 'others', 'said', 'typed'),
    [
        ('stereo_node', '0', (), 'although stereo_node (process 7) runs', '--seconds 20'),
        ('depth_ros.ros perception', '0', ('3',), 'discovery range', '--seconds 20'),
        ('driver', '0', ('30', '4'), 'in domain 0, 4, 30', 'ROS_DOMAIN_ID=4'),
        ('mono_node', '30', ('0', '4'), 'in domain 0, 4, 30 (depth_ros)', 'ROS_DOMAIN_ID=30'),
        ('driver', '0', (), 'among', 'stereo.launch.py'),
    ],
)
def test_where_nodes_that_are_not_seen_may_be(
    name: str, domain: str, others: tuple[str, ...], said: str, typed: str
) -> None:
    (first,) = with_process(name=name, domain=domain).machine.processes
    processes = (first, *(replace(first, name='driver', domain=other) for other in others))
    (fault,) = find_no_node(replace(with_machine(processes=processes), nodes=()))
    assert said in fault.text and typed in fault.remedy


def test_nothing_seen_is_judged_too() -> None:
    assert [entry.check for entry in judge(RobotSnapshot(seconds=1.0))] == ['no-node']


@pytest.mark.parametrize(
    ('offered', 'asked', 'policy'),
    [
        ({}, {}, None),
        ({'reliability': 'best_effort'}, {}, 'reliability'),
        ({}, {'reliability': 'best_effort'}, None),
        ({}, {'durability': 'transient_local'}, 'durability'),
        ({'durability': 'transient_local'}, {}, None),
        ({}, {'deadline_s': 0.1}, 'deadline'),
        ({'deadline_s': 0.1}, {}, None),
        ({'deadline_s': 0.2}, {'deadline_s': 0.1}, 'deadline'),
        ({}, {'liveliness': 'manual_by_topic'}, 'liveliness'),
        ({'liveliness': 'manual_by_topic'}, {}, None),
    ],
)
def test_rules_of_quality_of_service(offered: dict, asked: dict, policy: str | None) -> None:
    found = incompatible(EndpointQos(**offered), EndpointQos(**asked))
    assert (found[0] if found else None) == policy


@pytest.mark.parametrize(
    ('first_ms', 'second_ms', 'expected_ms'),
    [
        ([0, 100, 200, 300], [0, 100, 200, 300], 0.0),
        ([0, 100, 200, 300], [7, 107, 207, 307], 7.0),
        ([0, 100, 200, 300], [7, 207, 307, 407, 507], 7.0),
    ],
)
def test_skew_is_the_distance_to_the_nearest(
    first_ms: list[int], second_ms: list[int], expected_ms: float
) -> None:
    start = 1_700_000_000_000
    first, second = ([(start + x) * 1_000_000 for x in side] for side in (first_ms, second_ms))
    assert skew(first, second) * 1e3 == pytest.approx(expected_ms)


def test_skew_of_nothing_is_unknown() -> None:
    assert skew([], [1, 2, 3]) != skew([], [1, 2, 3]), 'NaN'


def test_a_node_of_any_name_is_known_by_a_parameter_that_only_its_kind_has() -> None:
    assert {name.removesuffix('_node') for name in SIGNATURES} == set(NODES)
    for program, sign in SIGNATURES.items():
        having = {
            stem for stem in NODES if sign in {spec.name for spec in parameters_of(stem).specs()}
        }
        assert having == {program.removesuffix('_node')}


def test_calibrations_belong_to_the_images_beside_them() -> None:
    topics = [
        ('/b/image_raw/compressed', COMPRESSED),
        ('/b/camera_info', CAMERA_INFO),
        ('/a/image', IMAGE),
        ('/elsewhere', CAMERA_INFO),
        ('/depth', IMAGE),
    ]
    assert cameras_of(topics) == (
        NodeCamera(images='/b/image_raw/compressed', info='/b/camera_info'),
        NodeCamera(images='/a/image', info='/elsewhere'),
        NodeCamera(images='/depth', info=''),
    )


def test_a_check_that_fails_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(seen: RobotSnapshot) -> list:
        raise ZeroDivisionError('division by zero')

    spoilt = [replace(CHECKS[1], find=fails), *CHECKS[2:]]
    monkeypatch.setattr('depth_ros.ros.doctor.checks.CHECKS', spoilt)
    found = judge(with_machine(cpu_busy=1.0))
    assert [entry.check for entry in found] == ['cpu-load', CHECK_FAILED]
    assert CHECKS[1].name in found[1].fault.text


def test_exit_code_is_that_of_the_worst_that_counts() -> None:
    warning = judge(with_machine(cpu_busy=1.0))
    assert exit_code(warning, Severity.WARNING) == 1
    assert exit_code(warning, Severity.ERROR) == 0
    assert exit_code([], Severity.NOTE) == 0


def test_the_page_has_every_check() -> None:
    page = (REPOSITORY / 'docs/doctor.md').read_text(encoding='utf-8')
    assert table() in page, 'docs/doctor.md is stale: put checks.table() there'


def test_judging_needs_no_ros() -> None:
    program = (
        "import sys; sys.modules['rclpy'] = None\n"
        'import depth_ros.ros.doctor.checks, depth_ros.ros.doctor.report\n'
        'import depth_ros.ros.doctor.command as c, depth_ros.ros.doctor.machine\n'
        "sys.exit(c.main(['--seconds', '1']))"
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert 'needs ROS 2 for Python' in result.stderr
