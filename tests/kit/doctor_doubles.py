"""A robot on which all is well, as the doctor sees it, to spoil one thing at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from depth_ros.camera import PinholeCamera, ideal_camera
from depth_ros.ros.doctor.snapshot import (
    CAMERA_INFO,
    IMAGE,
    DepthNode,
    Endpoint,
    HeardHeader,
    HeardImage,
    HeardTopic,
    HeardTransform,
    MachineState,
    NodeCamera,
    RobotSnapshot,
    StatusReport,
)

NODE, DRIVER = '/stereo_node', '/driver'
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
NUM = 20
NAMES = {
    '/left/image_raw': IMAGE,
    '/left/camera_info': CAMERA_INFO,
    '/right/image_raw': IMAGE,
    '/right/camera_info': CAMERA_INFO,
}
OPTICAL = (-0.5, 0.5, -0.5, 0.5)
PARAMETERS: Mapping[str, Any] = {
    'use_sim_time': False,
    'autostart': True,
    'input': 'raw',
    'max_stamp_difference_s': 0.01,
    'diagnostics_period_s': 1.0,
    'color_min_disparity_px': 0.0,
    'model': 'sgbm',
    'engine': 'auto',
    'precision': 'f32',
    'baseline_m': 0.0,
}
STATE = {'lifecycle': 'active', 'model': 'sgbm', 'engine': 'sgbm', 'outputs': '0'}
RATES = {'Events in window': '80', 'frame_rate_node': '10.0', 'num_jitter_outliers_msg': '1'}


def camera(side: str, **changes: float) -> PinholeCamera:
    values: dict[str, Any] = {'fx': 100.0, 'fy': 100.0, 'cx': 79.5, 'cy': 59.5}
    values |= {'height': 120, 'width': 160, 'tx': -10.0 if side == 'right' else 0.0}
    return ideal_camera(**{**values, **changes}, frame_id=f'{side}_eye')


def headers(
    *,
    offset_s: float = 0.0,
    delay_s: float = 0.02,
    num: int = NUM,
    period_s: float = PERIOD_NS * 1e-9,
    frame: str = 'left_eye',
    clock_ns: int = 0,
) -> tuple[HeardHeader, ...]:
    """Stamps of a camera, which come ``delay_s`` later by the wall clock."""
    return tuple(
        HeardHeader(
            arrival_s=index * period_s,
            stamp_ns=START_NS + round((index * period_s + offset_s) * 1e9),
            wall_ns=START_NS + round((index * period_s + offset_s + delay_s) * 1e9),
            clock_ns=clock_ns,
            frame_id=frame,
        )
        for index in range(num)
    )


def heard(topic: str, **changes: Any) -> HeardTopic:
    side = topic.split('/')[1]
    is_info = topic.endswith('info')
    entry = HeardTopic(
        topic=topic,
        kind=CAMERA_INFO if is_info else IMAGE,
        listened_s=8.0,
        headers=headers(frame=f'{side}_eye'),
        image=None
        if is_info
        else HeardImage(height=120, width=160, encoding='mono8', num_bytes=19200),
        camera=camera(side) if is_info else None,
    )
    return replace(entry, **changes)


def status(**values: str) -> StatusReport:
    return StatusReport(level=0, message='10.0 Hz', first={}, last={**RATES, **values})


def state(*, level: int = 0, message: str = '10.0 Hz', **values: str) -> StatusReport:
    before = dict.fromkeys(values, '0')
    return StatusReport(
        level=level, message=message, first={**STATE, **before}, last={**STATE, **values}
    )


def depth_node(**changes: Any) -> DepthNode:
    node = DepthNode(
        name=NODE,
        parameters=PARAMETERS,
        state=state(),
        inputs={topic: status() for topic in NAMES},
        cameras=tuple(
            NodeCamera(images=f'/{side}/image_raw', info=f'/{side}/camera_info')
            for side in ('left', 'right')
        ),
    )
    return replace(node, **changes)


def transform(parent: str, child: str, **changes: Any) -> HeardTransform:
    edge = HeardTransform(parent=parent, child=child, is_static=True)
    return replace(edge, **changes)


def well(**changes: Any) -> RobotSnapshot:
    """A stereo node, its driver, TF, and a machine with time to spare."""
    seen = RobotSnapshot(
        seconds=8.0,
        node_names=(DRIVER, NODE),
        publishers=tuple(
            Endpoint(node=DRIVER, topic=name, kind=kind) for name, kind in NAMES.items()
        ),
        subscriptions=tuple(
            Endpoint(node=NODE, topic=name, kind=kind) for name, kind in NAMES.items()
        ),
        nodes=(depth_node(),),
        topics={name: heard(name) for name in NAMES},
        transforms=(
            transform('base_link', 'left_eye', quaternion=OPTICAL),
            transform('left_eye', 'right_eye'),
            transform('odom', 'base_link', is_static=False, delay_s=0.05),
        ),
        machine=MachineState(
            cpu_busy=0.5,
            load=1.0,
            shared_bytes=2**33,
            shared_free_bytes=2**32,
            cache='/cache',
            cache_free_bytes=1e11,
        ),
    )
    return replace(seen, **changes)


def with_topic(topic: str, **changes: Any) -> RobotSnapshot:
    seen = well()
    return replace(seen, topics={**seen.topics, topic: heard(topic, **changes)})


def with_node(**changes: Any) -> RobotSnapshot:
    return well(nodes=(depth_node(**changes),))


def with_parameters(**values: Any) -> RobotSnapshot:
    return with_node(parameters={**PARAMETERS, **values})


def with_machine(**changes: Any) -> RobotSnapshot:
    return well(machine=replace(well().machine, **changes))
