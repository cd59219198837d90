"""``depth-ros calibration ACTION``: imports the action only when asked for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import ClassVar

from depth_ros.cli.kit.commands import Command, LazyTasks, command_lines

ACTIONS: dict[str, Command] = {
    'check': Command(
        module='depth_ros.cli.calibration.check',
        summary='say in plain words what a calibration means, and whether a pair agrees',
    ),
    'convert': Command(
        module='depth_ros.cli.calibration.convert',
        summary='write any known calibration as ROS YAML',
    ),
    'create': Command(
        module='depth_ros.cli.calibration.create',
        summary='calibrate a rig or a camera from pictures of a board',
    ),
}


class _Actions(LazyTasks):
    """The actions of ``calibration``."""

    commands: ClassVar[Mapping[str, Command]] = ACTIONS


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'calibration',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Calibrations of cameras and rigs:\n\n' + command_lines(ACTIONS),
    )
    actions = parser.add_subparsers(
        action=_Actions, required=True, dest='action', metavar='ACTION', parser_class=type(parser)
    )
    actions.choices = list(ACTIONS)
