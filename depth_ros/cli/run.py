"""``depth-ros run TASK``: images to results without ROS; each task is a module of its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCommand:
    """One line of the table of tasks.

    Attributes:
        module: Module with ``add_parser(tasks)``, which adds a parser of the task's name and sets
            its default ``run``. Imported when the task is asked for.
        summary: One line of help.
    """

    module: str
    summary: str


TASKS: dict[str, TaskCommand] = {
    'stereo': TaskCommand(
        module='depth_ros.cli.run_stereo', summary='rectified or raw image pairs to depth'
    ),
    'mono': TaskCommand(
        module='depth_ros.cli.run_mono', summary='images of one camera, or a bag, to depth'
    ),
    'multiview': TaskCommand(
        module='depth_ros.cli.run_multiview', summary='posed images to depth maps and a cloud'
    ),
    'match': TaskCommand(
        module='depth_ros.cli.run_match', summary='two images to point pairs and their geometry'
    ),
    'odometry': TaskCommand(
        module='depth_ros.cli.run_odometry', summary='a sequence or a bag to a trajectory'
    ),
}
"""Every task by name. Adding one adds a module and a line here."""


class LazyTasks(argparse._SubParsersAction):
    """Sub-commands whose modules are imported only when they are asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Import the task's module, let it add its parser, and go on with that."""
        assert isinstance(values, Sequence), 'argparse gives the task and its words'
        task = str(values[0])
        if task in TASKS:
            import_module(TASKS[task].module).add_parser(self)
        super().__call__(parser, namespace, values, option_string)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'run',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Turn images into depth. Tasks:\n' + _task_lines(),
    )
    tasks = parser.add_subparsers(
        action=LazyTasks, required=True, dest='task', metavar='TASK', parser_class=type(parser)
    )
    tasks.choices = list(TASKS)


def _task_lines() -> str:
    width = max(map(len, TASKS))
    return '\n'.join(f'  {name:<{width}}  {task.summary}' for name, task in TASKS.items())
