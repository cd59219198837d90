"""Stand-ins for nodes in states that real ones take a lost GPU or a night to get into."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2

OURS: Mapping[str, object] = {
    'autostart': True,
    'build_if_missing': True,
    'input_reliability': 'best_effort',
    'color_min_disparity_px': 0.0,
    'model': 'crestereo_tiny',
    'engine': 'tensorrt',
    'diagnostics_period_s': 0.5,
}
COSTMAP: Mapping[str, object] = {
    'obstacle_layer.observation_sources': 'depth',
    'obstacle_layer.depth.topic': '/ill/points',
    'obstacle_layer.depth.data_type': 'PointCloud2',
    'obstacle_layer.depth.marking': True,
    'obstacle_layer.depth.clearing': True,
}


def make(name: str, namespace: str, parameters: Mapping[str, object]) -> Node:
    node = Node(name, namespace=namespace)
    for key, value in parameters.items():
        node.declare_parameter(key, value)
    return node


def main() -> None:
    rclpy.init()
    ill = make('stereo_node', '/ill', OURS)
    mute = make('stereo_node', '/mute', OURS)
    costmap = make('local_costmap', '/local_costmap', COSTMAP)
    ill.create_publisher(PointCloud2, 'points', 1)
    tell = ill.create_publisher(DiagnosticArray, '/diagnostics', 10)
    mute.create_publisher(DiagnosticArray, '/diagnostics', 10)
    count = 0

    def diagnose() -> None:
        nonlocal count
        count += 5
        values = {
            'lifecycle': 'active',
            'model': 'crestereo_tiny',
            'engine': 'openvino',
            'outputs': f'{count}',
            'dropped_superseded': f'{4 * count}',
            'callback_failures': f'{count}',
            'lost_left': f'{count}',
            'unpaired_queue_full': f'{count}',
        }
        status = DiagnosticStatus(
            name='ill/stereo_node: state',
            level=DiagnosticStatus.WARN,
            message='preparing: compile, 3 s of 60 s; the lens is dirty',
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        tell.publish(DiagnosticArray(status=[status]))

    ill.create_timer(0.5, diagnose)
    executor = SingleThreadedExecutor()
    for node in (ill, mute, costmap):
        executor.add_node(node)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        executor.spin()


if __name__ == '__main__':
    main()
