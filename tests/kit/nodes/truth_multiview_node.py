"""A multi-view node whose network sees the rendered room's exact depth."""

from __future__ import annotations

import sys

from depth_ros.ros.multiview.node import MultiviewNode
from depth_ros.ros.node.runner import run_node
from tests.kit.multiview_doubles import open_truth

if __name__ == '__main__':
    sys.exit(run_node('multiview_node', lambda: MultiviewNode(open_processor=open_truth)))
