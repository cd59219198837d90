"""A mono node whose network sees the rendered room, whatever it is shown."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mono_doubles import open_truth

from depth_ros.ros.mono_node import MonoNode
from depth_ros.ros.runner import run_node

if __name__ == '__main__':
    sys.exit(run_node('mono_node', lambda: MonoNode(open_processor=open_truth)))
