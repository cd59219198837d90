"""Callers that ask and are gone at once: ``vanishing_callers.py NUMBER``."""

from __future__ import annotations

import os
import sys
import time

import rclpy
from rclpy.node import Node

from depth_ros.ros.matcher.client import MatchClient, SideToMatch
from tests.kit.live_node import pixels


def main() -> None:
    rclpy.init()
    node = Node('vanishing')
    clients = [MatchClient(node) for _ in range(int(sys.argv[1]))]
    image = pixels('left')[..., None].repeat(3, axis=2)
    for client in clients:
        assert client.wait(20.0)
        client.ask_async(client.request(SideToMatch(image=image), SideToMatch(image=image)))
    rclpy.spin_once(node, timeout_sec=0.0)
    time.sleep(0.1)  # the writer's thread sends
    os._exit(0)


if __name__ == '__main__':
    main()
