"""A stand-in for a bag that is played with its clock: words are names of nodes that publish it.

SIGUSR1 pauses it.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

START_S = 1_600_000_000
RATE_HZ = 50.0


def main() -> None:
    rclpy.init(args=[])
    nodes = [Node(name) for name in sys.argv[1:]]
    publishers = [node.create_publisher(Clock, '/clock', 10) for node in nodes]
    begun = time.monotonic()

    def tick() -> None:
        message = Clock()
        elapsed_ns = round((time.monotonic() - begun) * 1e9)
        message.clock.sec = START_S + elapsed_ns // 1_000_000_000
        message.clock.nanosec = elapsed_ns % 1_000_000_000
        for publisher in publishers:
            publisher.publish(message)

    timer = nodes[0].create_timer(1.0 / RATE_HZ, tick)
    signal.signal(signal.SIGUSR1, lambda number, frame: timer.cancel())
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(nodes[0])


if __name__ == '__main__':
    main()
