"""``depth-ros run TASK``: images to results without ROS; each task is a module."""

from __future__ import annotations

import argparse

from depth_ros.cli.kit.commands import Command, LazyTasks, command_lines

TASKS: dict[str, Command] = {
    'stereo': Command(
        module='depth_ros.cli.run.stereo', summary='rectified or raw image pairs to depth'
    ),
    'mono': Command(
        module='depth_ros.cli.run.mono', summary='images of one camera, or a bag, to depth'
    ),
    'multiview': Command(
        module='depth_ros.cli.run.multiview', summary='posed images to depth maps and a cloud'
    ),
    'match': Command(
        module='depth_ros.cli.run.match', summary='two images to point pairs and their geometry'
    ),
    'odometry': Command(
        module='depth_ros.cli.run.odometry', summary='a sequence or a bag to a trajectory'
    ),
}
"""Every task by name. Adding one adds a module and a line here."""


class RunTasks(LazyTasks):
    """Tasks of ``depth-ros run``."""

    commands = TASKS


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'run',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Turn images into depth. Tasks:\n' + command_lines(TASKS),
    )
    tasks = parser.add_subparsers(
        action=RunTasks, required=True, dest='task', metavar='TASK', parser_class=type(parser)
    )
    tasks.choices = list(TASKS)
