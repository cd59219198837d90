"""A mono node whose network sees the rendered room, whatever it is shown."""

from __future__ import annotations

import sys

from depth_ros.ros.mono.node import MonoNode
from depth_ros.ros.node.runner import run_node
from tests.kit.mono_doubles import open_truth

if __name__ == '__main__':
    sys.exit(run_node('mono_node', lambda: MonoNode(open_processor=open_truth)))
