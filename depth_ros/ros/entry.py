"""Where every node begins: signals are listened to before anything heavy is imported.

Python turns a SIGINT into KeyboardInterrupt wherever it is; code of a library that is being
imported may swallow it, and the node would run on. From the first line of ``start`` it is a wish
to stop, which ``run_node`` reads. Imports neither NumPy nor ROS.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from types import ModuleType

from depth_ros.ros.node.absence import absence_of_ros, is_of_ros
from depth_ros.ros.node.stop_request import stop_request

NODES: dict[str, str] = {
    'stereo_node': 'depth_ros.ros.stereo.node',
    'mono_node': 'depth_ros.ros.mono.node',
    'multiview_node': 'depth_ros.ros.multiview.node',
    'matcher_node': 'depth_ros.ros.matcher.node',
    'odometry_node': 'depth_ros.ros.odometry.node',
    'viewer_node': 'depth_ros.ros.viewer.node',
    'sample_camera': 'depth_ros.ros.demo.sample_camera',
    'doctor': 'depth_ros.ros.doctor.command',
    'perception': 'depth_ros.ros.perception',
}
"""Module of every executable; each has ``main(args)``, which gives the exit code."""


def start(name: str) -> int:
    """Run a node with the process's arguments; return the exit code.

    Args:
        name: One of ``NODES``.
    """
    stop_request()
    try:
        module = imported(name)
    except ModuleNotFoundError as error:
        if not is_of_ros(error):
            raise
        sys.stderr.write(f'{absence_of_ros(name, error)}\n')
        return 1
    code: int = module.main(None)
    return code


def imported(name: str) -> ModuleType:
    """Import and return the module of a node, without looking for garbage meanwhile.

    What is imported stays, so the collector would only go through it again and again: a tenth of
    the time (``benchmarks/start.py``). Afterwards it is left out of every later collection.

    Args:
        name: One of ``NODES``.

    Raises:
        ModuleNotFoundError: If it, or what it needs, is not installed.
    """
    gc.disable()
    try:
        return import_module(NODES[name])
    finally:
        gc.enable()
        gc.freeze()


stereo_node = partial(start, 'stereo_node')
mono_node = partial(start, 'mono_node')
multiview_node = partial(start, 'multiview_node')
matcher_node = partial(start, 'matcher_node')
odometry_node = partial(start, 'odometry_node')
viewer_node = partial(start, 'viewer_node')
sample_camera = partial(start, 'sample_camera')
doctor = partial(start, 'doctor')
perception = partial(start, 'perception')


def main(words: Sequence[str] | None = None) -> int:
    """Run the node named first with the words after it; return the exit code."""
    name, *arguments = list(sys.argv[1:] if words is None else words) or ['']
    if name in ('-h', '--help'):
        sys.stdout.write(_help())
        return 0
    if name not in NODES:
        known = ', '.join(NODES)
        what = f'there is no node {name!r}' if name else 'expected the name of a node, got none'
        sys.stderr.write(f'{what}; use one of: {known}\n')
        return 2
    sys.argv = [name, *arguments]
    return start(name)


def _help() -> str:
    nodes = '\n'.join(f'  {name}' for name in NODES)
    return (
        'usage: python -m depth_ros.ros NODE --ros-args ...\n\n'
        f'nodes:\n{nodes}\n\nNODE --help says more.\n'
    )
