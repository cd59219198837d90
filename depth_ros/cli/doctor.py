"""``depth-ros doctor``: the same as ``ros2 run depth_ros doctor``."""

from __future__ import annotations

import argparse

from depth_ros.ros.doctor.command import DESCRIPTION, add_arguments, run


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser('doctor', description=DESCRIPTION)
    add_arguments(parser)
    parser.set_defaults(run=run)
