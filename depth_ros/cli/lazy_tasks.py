"""Sub-commands whose modules are imported only when they are asked for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import ClassVar


class LazyTasks(argparse._SubParsersAction):
    """Words after a command, each with a module of its own; a command makes a subclass.

    Attributes:
        modules: By word, the module with ``add_parser(tasks)``, which adds a parser of that word.
    """

    modules: ClassVar[Mapping[str, str]] = {}

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
        if word in self.modules:
            import_module(self.modules[word]).add_parser(self)
