"""Several real nodes in one process: each in a namespace of its own name.

Words: ``NAME=KIND`` for each, then ``--ros-args`` with rules and parameters by node
(``-p NAME_node:PARAMETER:=VALUE``).
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any
from unittest.mock import patch

import rclpy
from rclpy.signals import SignalHandlerOptions

from depth_ros.ros.node.guarded_executor import GuardedExecutor
from depth_ros.ros.node.parameter_services import refuse_unknown_types
from depth_ros.ros.node.stop_request import stop_request
from depth_ros.ros.node.task_node import NodeParts
from tests.kit.mono_doubles import open_truth

CLASSES = {'stereo': 'StereoNode', 'odometry': 'OdometryNode', 'mono': 'MonoNode'}


def make(name: str, kind: str) -> Any:
    """Make a node under another name than its own."""
    module = import_module(f'depth_ros.ros.{kind}.node')

    def renamed(**parts: Any) -> NodeParts:
        return NodeParts(**{**parts, 'name': f'{name}_node'})

    doubles = {'open_processor': open_truth} if kind == 'mono' else {}
    with patch.object(module, 'NodeParts', renamed):
        return getattr(module, CLASSES[kind])(**doubles)


def main() -> None:
    stop = stop_request()
    words = sys.argv[1:]
    wanted = dict(word.split('=') for word in words[: words.index('--ros-args')])
    rules = [part for name in wanted for part in ('-r', f'{name}_node:__ns:=/{name}')]
    rclpy.init(args=[*words, *rules], signal_handler_options=SignalHandlerOptions.NO)
    made = [make(name, kind) for name, kind in wanted.items()]
    executor = GuardedExecutor()
    for entry in made:
        executor.add_node(entry.node)
        refuse_unknown_types(entry.node)
    while not stop.is_set:
        executor.spin_guarded(0.1, lambda reason, text: print(reason, text))
    for entry in made:
        entry.close()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
