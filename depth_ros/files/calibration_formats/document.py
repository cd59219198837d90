"""A calibration file as text and, where it is YAML or JSON, as a record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from depth_ros.errors import CalibrationError
from depth_ros.files.calibration_formats.numbers import Record, yaml_record
from depth_ros.files.calibration_formats.values import calibration_text
from depth_ros.files.json_text import parse_json


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Document:
    """One file.

    Attributes:
        path: Where it lies.
        text: What it says, without a byte order mark.
        record: The mapping that it is in YAML or JSON; None where it is none.
        problem: Why there is no record, in one line; empty where it is simply another format.
    """

    path: Path
    text: str
    record: Record | None
    problem: str = ''

    def has(self, *keys: str) -> bool:
        """Whether all of these are keys at the top, or look so where the record is broken."""
        if self.record is not None:
            return all(key in self.record for key in keys)
        return all(
            re.search(rf'(?:^|[{{,])\s*["\']?{key}["\']?\s*:', self.text, re.M) for key in keys
        )

    def fields(self) -> Record:
        """Return the record; raises ValueError saying why there is none."""
        if self.record is None:
            raise ValueError(self.problem or 'it is no mapping')
        return self.record


def open_document(path: Path) -> Document:
    """Read a file.

    Raises:
        CalibrationError: Reason ``'calibration_file'``, if it cannot be read as text.
    """
    text = calibration_text(path)
    try:
        record = _record(text)
    except ValueError as error:
        return Document(path=path, text=text, record=None, problem=str(error))
    return Document(path=path, text=text, record=record)


def _record(text: str) -> Record | None:
    if text.lstrip().startswith('{'):
        try:
            value = parse_json(text)
        except ValueError:
            # Flow-style YAML begins alike.
            return yaml_record(text)
        return value if isinstance(value, dict) else None
    return yaml_record(text)


def partner(document: Document, *pairs: tuple[str, str]) -> Document | None:
    """Return the other file of a pair, found by exchanging words of the path; None if missing.

    Args:
        document: The file at hand.
        pairs: (word of this file, word of the other), tried in the name, then in the folder.
    """
    # Absolute, because the folder of a bare name has no name.
    path = document.path.absolute()
    for one, other in pairs:
        for candidate in (
            path.with_name(path.name.replace(one, other)),
            path.parent.parent / path.parent.name.replace(one, other) / path.name,
        ):
            if candidate != path and candidate.is_file():
                return open_document(candidate)
    return None


def second_camera(documents: list[Document], *pairs: tuple[str, str]) -> Document:
    """Return the right camera's file: the one given, or the partner by name.

    Raises:
        CalibrationError: Reason ``'calibration_file'``, if there is none.
    """
    found = documents[1] if len(documents) == 2 else partner(documents[0], *pairs)
    if found is None:
        raise CalibrationError(
            'calibration_file',
            f'{documents[0].path} describes one camera; give the right camera too: '
            '--calibration left.yaml right.yaml',
        )
    return found
