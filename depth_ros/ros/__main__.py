"""Start a node where there is no ``ros2 run``: ``python -m depth_ros.ros stereo_node``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

NODES: dict[str, str] = {
    'stereo_node': 'depth_ros.ros.stereo.node',
    'mono_node': 'depth_ros.ros.mono.node',
    'multiview_node': 'depth_ros.ros.multiview.node',
    'matcher_node': 'depth_ros.ros.matcher.node',
    'odometry_node': 'depth_ros.ros.odometry.node',
    'viewer_node': 'depth_ros.ros.viewer.node',
    'sample_camera': 'depth_ros.ros.demo.sample_camera',
}
"""Module of every executable; each has ``main(args)``, which gives the exit code."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the node named first with the words after it; return the exit code."""
    name, *arguments = list(sys.argv[1:] if words is None else words) or ['']
    if name not in NODES:
        known = ', '.join(NODES)
        sys.stderr.write(f'there is no node {name!r}; use one of: {known}\n')
        return 2
    sys.argv = [name, *arguments]
    code: int = import_module(NODES[name]).main(None)
    return code


if __name__ == '__main__':
    sys.exit(main())
