"""Tables of commands, their parser, and sub-commands that are imported only when asked for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, NoReturn

from depth_ros.errors import ParameterError

EXIT_FAILED = 2
"""Exit code after an error that was printed as one sentence."""


class CommandParser(argparse.ArgumentParser):
    """A parser that raises its errors as ``ParameterError`` of one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print with the usage.

        Raises:
            ParameterError: Always.
        """
        raise ParameterError(f'{message}; see: {self.prog} --help')


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One line of a table of commands.

    Attributes:
        module: Module with ``add_parser(subparsers)``, which adds a parser of the command's name
            and sets the default ``run`` to what takes the parsed arguments and gives an exit
            code. Imported when the command is asked for.
        summary: One line of help.
    """

    module: str
    summary: str


class LazyTasks(argparse._SubParsersAction):
    """Sub-commands of a command, one module each; every command makes a subclass.

    Attributes:
        commands: The table of them, by word.
    """

    commands: ClassVar[Mapping[str, Command]] = {}

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Import the word's module, let it add its parser, and go on with that."""
        assert isinstance(values, Sequence), 'argparse gives the word and those after it'
        self.add_task(str(values[0]))
        super().__call__(parser, namespace, values, option_string)

    def add_task(self, word: str) -> None:
        """Add the parser of one word, if it is known."""
        if word in self.commands:
            import_module(self.commands[word].module).add_parser(self)


def command_lines(commands: Mapping[str, Command]) -> str:
    """List the words and what they do, for the help of their command."""
    width = max(map(len, commands))
    return '\n'.join(f'  {name:<{width}}  {task.summary}' for name, task in commands.items())
