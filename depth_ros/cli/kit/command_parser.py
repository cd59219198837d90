"""The parser of every command."""

from __future__ import annotations

import argparse
from typing import NoReturn

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
