"""Checked access to the mappings of a YAML file; every refusal names file and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from depth_ros.errors import InputError, RecipeError
from depth_ros.files.given_file import given_text
from depth_ros.files.yaml_text import parse_yaml
from depth_ros.tensors import OptionValue


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Section:
    """One mapping of a file; remembers which keys were read, so that others can be refused.

    Attributes:
        path: File.
        where: Dotted key of this mapping in the file; empty for the whole file.
        body: The mapping.
        seen: Keys read so far.
    """

    path: Path
    where: str
    body: Mapping[str, object]
    seen: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Section:
        """Read a file.

        Raises:
            RecipeError: If it cannot be read, is no YAML or no mapping.
        """
        try:
            body = parse_yaml(given_text(path))
        except (InputError, ValueError) as error:
            raise RecipeError(f'{path} cannot be read as YAML ({error}); mend the file') from error
        return cls.of(path, body)

    @classmethod
    def of(cls, path: Path, body: object, where: str = '') -> Section:
        """Wrap a mapping with text keys.

        Raises:
            RecipeError: If it is something else.
        """
        if not isinstance(body, dict) or not all(isinstance(key, str) for key in body):
            _refuse(path, where or 'the file', 'a mapping with text keys', body)
        return cls(path=path, where=where, body=body)

    def fail(self, key: str, expected: str, got: object) -> NoReturn:
        """Refuse the value of a key."""
        _refuse(self.path, self._dotted(key), expected, got)

    def text(self, key: str) -> str:
        """Return a non-empty text."""
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            self.fail(key, 'a text', value)
        return value.strip()

    def is_text(self, key: str) -> bool:
        """Whether the value is a text."""
        return isinstance(self._get(key), str)

    def optional_text(self, key: str) -> str | None:
        """Return a text, or None for null."""
        return None if self._get(key, None) is None else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(key, 'a list of texts', value)
        return tuple(value)

    def optional_texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where the key is absent."""
        return () if self._get(key, None) is None else self.texts(key)

    def integer(self, key: str) -> int:
        """Return a positive whole number."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.fail(key, 'a positive whole number', value)
        return value

    def number(self, key: str) -> float:
        """Return a number that is not negative."""
        value = self._get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
            self.fail(key, 'a number >= 0', value)
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """Return a number, or None where the key is absent or null."""
        return None if self._get(key, None) is None else self.number(key)

    def flag(self, key: str) -> bool:
        """Return a truth value, False where the key is absent."""
        value = self._get(key, False)
        if not isinstance(value, bool):
            self.fail(key, 'true or false', value)
        return value

    def scalar(self, key: str) -> OptionValue:
        """Return a number, text or truth value."""
        value = self._get(key)
        if not isinstance(value, (int, float, str, bool)):
            self.fail(key, 'a number, a text, true or false', value)
        return value

    def scalars(self, key: str) -> tuple[OptionValue, ...]:
        """Return a list of scalars, empty where the key is absent."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(item, (int, float, str, bool)) for item in value
        ):
            self.fail(key, 'a list of numbers or texts', value)
        return tuple(value)

    def section(self, key: str) -> Section:
        """Return a mapping."""
        return Section.of(self.path, self._get(key), self._dotted(key))

    def optional_section(self, key: str) -> Section | None:
        """Return a mapping, or None where the key is absent or null."""
        return None if self._get(key, None) is None else self.section(key)

    def sections(self, key: str) -> list[tuple[str, Section]]:
        """Return a mapping of mappings, in the file's order."""
        return self.section(key).all_sections()

    def all_sections(self) -> list[tuple[str, Section]]:
        """Return every key as a mapping, in the file's order."""
        return [(key, self.section(key)) for key in self.body]

    def remaining(self) -> list[str]:
        """Keys not read so far."""
        return [key for key in self.body if key not in self.seen]

    def finish(self) -> None:
        """Refuse keys that were not read.

        Raises:
            RecipeError: Naming the first of them and the keys there are.
        """
        for key in self.remaining():
            self.fail(key, f'only the keys {sorted(self.seen)}', f'the key {key}')

    def _get(self, key: str, *default: object) -> object:
        self.seen.add(key)
        if key not in self.body and not default:
            self.fail(key, 'a value', 'nothing')
        return self.body[key] if key in self.body else default[0]

    def _dotted(self, key: str) -> str:
        return f'{self.where}.{key}' if self.where else key


def _refuse(path: Path, key: str, expected: str, got: object) -> NoReturn:
    raise RecipeError(f'{path}: {key}: expected {expected}, got {got!r}; correct the file')
