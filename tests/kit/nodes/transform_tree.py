"""Publishes TF: ``PARENT>CHILD`` with a kind behind each, words of the command line.

``static:a>b`` and ``moving:a>b`` are identities, ``optical:`` is a camera that looks forward,
``broken:`` has a quaternion of zeros, ``old:`` moves and is stamped 9 s ago.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from tests.kit.live_node import set_stamp

OPTICAL = (-0.5, 0.5, -0.5, 0.5)
TURNS = {'optical': OPTICAL, 'broken': (0.0, 0.0, 0.0, 0.0)}
AGES_S = {'moving': 0.0, 'old': 9.0}


def edge(word: str) -> tuple[str, TransformStamped]:
    kind, _, frames = word.partition(':')
    parent, _, child = frames.partition('>')
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    turn = message.transform.rotation
    turn.x, turn.y, turn.z, turn.w = TURNS.get(kind, (0.0, 0.0, 0.0, 1.0))
    return kind, message


def main() -> None:
    rclpy.init(args=[])
    node = Node('transform_tree')
    kept = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = node.create_publisher(TFMessage, '/tf_static', kept)
    moving = node.create_publisher(TFMessage, '/tf', 10)
    edges = [edge(word) for word in sys.argv[1:]]
    static.publish(TFMessage(transforms=[entry for kind, entry in edges if kind not in AGES_S]))

    def send() -> None:
        now_ns = node.get_clock().now().nanoseconds
        for kind, entry in edges:
            if kind in AGES_S:
                set_stamp(entry, now_ns - round(AGES_S[kind] * 1e9))
                moving.publish(TFMessage(transforms=[entry]))

    node.create_timer(0.1, send)
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == '__main__':
    main()
