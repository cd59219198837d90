"""A multi-view node whose network sees the rendered room's exact depth."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from multiview_doubles import open_truth

from depth_ros.ros.multiview_node import MultiviewNode
from depth_ros.ros.runner import run_node

if __name__ == '__main__':
    sys.exit(run_node('multiview_node', lambda: MultiviewNode(open_processor=open_truth)))
