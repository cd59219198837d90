"""``depth-ros evaluate TASK|RECIPE``: figures on data with truth; each task is a module."""

from __future__ import annotations

import argparse

from depth_ros.cli.evaluate import recipe as evaluate_recipe
from depth_ros.cli.kit.commands import Command, LazyTasks, command_lines

TASKS: dict[str, Command] = {
    'stereo': Command(
        module='depth_ros.cli.evaluate.stereo',
        summary='disparity on a folder with truth or the pairs of the card',
    ),
    'mono': Command(
        module='depth_ros.cli.evaluate.mono',
        summary='depth of one image on ICL-NUIM and HoloLens frames',
    ),
    'multiview': Command(
        module='depth_ros.cli.evaluate.multiview',
        summary='depth of posed views on HoloLens and rendered scenes, beside SGBM',
    ),
    'match': Command(
        module='depth_ros.cli.evaluate.match',
        summary='matches on HoloLens, ScanNet and graf, beside SIFT and ORB',
    ),
    'odometry': Command(
        module='depth_ros.cli.evaluate.odometry',
        summary='a trajectory against the truth (TUM, EuRoC, KITTI)',
    ),
}
"""Every task by name. Adding one adds a module and a line here."""

ANY_RECIPE = Command(
    module='depth_ros.cli.evaluate.recipe',
    summary='weights on the validation set of a training recipe (needs torch)',
)


class EvaluateTasks(LazyTasks):
    """Tasks of ``depth-ros evaluate``; any other word is a training recipe."""

    commands = TASKS

    def add_task(self, word: str) -> None:
        """Add the parser of a task or a recipe.

        Raises:
            ParameterError: If it is neither; lists what there is.
        """
        if word in self.commands:
            super().add_task(word)
        else:
            evaluate_recipe.add_parser(self, word, known=tuple(TASKS))


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        'evaluate',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Measure weights on data with truth:\n'
        + command_lines({**TASKS, 'RECIPE': ANY_RECIPE}),
    )
    tasks = parser.add_subparsers(
        action=EvaluateTasks,
        required=True,
        dest='task',
        metavar='TASK|RECIPE',
        parser_class=type(parser),
    )
    # argparse would refuse recipes, whose names are known only where torch is installed.
    tasks.choices = None
