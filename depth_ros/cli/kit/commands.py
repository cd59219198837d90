"""Tables of commands, their parser, and sub-commands that are imported only when asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import ClassVar, NoReturn

from depth_ros.errors import ParameterError

EXIT_FAILED = 2
"""Exit code after an error that was printed as one sentence."""


class CommandParser(argparse.ArgumentParser):
    """A parser that raises its errors as ``ParameterError`` of one sentence."""

    _words: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print with the usage.

        Raises:
            ParameterError: Always.
        """
        raise ParameterError(f'{message}{self._dashed_file()}; see: {self.prog} --help')

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; refuse unknown words here, where the command's own help is known.

        Raises:
            ParameterError: With the nearest option.
        """
        self._words = list(sys.argv[1:] if args is None else args)
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            shown = [
                option
                for option, action in self._option_string_actions.items()
                if action.help != argparse.SUPPRESS
            ]
            near = nearest(unknown[0].partition('=')[0], shown)
            self.error(f'there is no {" ".join(unknown)!r} here{near}')
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: object) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = nearest(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f'{error.message}{near}') from None

    def _dashed_file(self) -> str:
        """Return the remedy for a file whose name begins like an option."""
        for word in self._words:
            is_option = word.startswith('--') or word in self._option_string_actions
            if word.startswith('-') and not is_option and Path(word).suffix[1:].isalpha():
                return f'; if {word} is a file, write ./{word}'
        return ''


def nearest(word: str, known: Iterable[str]) -> str:
    """Return words that name the one most like it; empty where none is."""
    found = get_close_matches(word, list(known), n=1)
    return f', the nearest is {found[0]}' if found else ''


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
