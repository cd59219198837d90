"""The report of a node: proven writable when the node starts, written on every way out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from depth_ros.errors import ParameterError
from depth_ros.files.given_path import given_path
from depth_ros.files.whole_file import write_json

WHAT = "parameter 'report_file'"


class ReportFile:
    """Where the report goes; nowhere if the parameter is empty."""

    def __init__(self, text: str) -> None:
        """Make the folder and try to write there; a report of an earlier run stays.

        Raises:
            ParameterError: If nothing can be written there.
        """
        self._path = given_path(text, what=WHAT) if text else None
        if self._path is not None:
            _prove_writable(self._path)

    def write(self, record: Mapping[str, object]) -> None:
        """Write the report, whole or not at all.

        Raises:
            DepthRosError: If the disk is full or the folder was taken away.
        """
        if self._path is not None:
            write_json(self._path, record)


def _prove_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(0, 'it is a folder')
        probe = path.with_name(f'.{path.name}.{os.getpid()}.probe')
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ParameterError(
            f'{WHAT} is {str(path)!r}, where no file can be written ({reason}); name a file in '
            'a folder of your own, or set it to empty for no report'
        ) from None
