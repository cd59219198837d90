"""Start a node where there is no ``ros2 run``: ``python -m depth_ros.ros stereo_node``."""

from __future__ import annotations

import sys

from depth_ros.ros.entry import main

if __name__ == '__main__':
    sys.exit(main())
