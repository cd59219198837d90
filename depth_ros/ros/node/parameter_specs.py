"""What a parameter is: name, type, range and meaning, and its refusals. Imports no ROS."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from depth_ros.errors import ParameterError

ParameterValue = bool | int | float | str
ValueT = TypeVar('ValueT', bool, int, float, str)

LARGEST_INTEGER = 2**31 - 1
RELIABILITIES = ('reliable', 'best_effort')


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterSpec:
    """One parameter as an operator sees it.

    Attributes:
        name: Name in ROS, e.g. ``'sgbm.block_size'``.
        field: Name of the dataclass field.
        default: Default value; its type is the parameter's.
        description: One sentence or two.
        unit: Unit of the value, or empty.
        minimum: Smallest number allowed, or None.
        maximum: Largest number allowed, or None.
        choices: Texts allowed; empty means any.
        is_read_only: Whether it can be set at start only.
        opens_engine: Whether a change needs another processor, prepared in the background.
    """

    name: str
    field: str
    default: ParameterValue
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    is_read_only: bool = False
    opens_engine: bool = False

    @property
    def kind(self) -> type:
        """``bool``, ``int``, ``float`` or ``str``."""
        return type(self.default)

    def checked(self, value: object) -> ParameterValue:
        """Return the value in the parameter's type; an integer will do for a float.

        Raises:
            ParameterError: Naming the parameter, what is allowed and what came.
        """
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.kind:
            raise ParameterError(
                f'parameter {self.name!r} is a {KIND_NAMES[self.kind]}, got {value!r}; '
                f'set it like its default, {self.default!r}'
            )
        self._check_choice(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._check_range(value)
        return value  # type: ignore[return-value]

    def _check_choice(self, value: object) -> None:
        if self.choices and value not in self.choices:
            raise ParameterError(
                f'parameter {self.name!r} cannot be {value!r}; '
                f'set it to one of: {", ".join(self.choices)}'
            )

    def _check_range(self, value: float) -> None:
        lowest = -math.inf if self.minimum is None else self.minimum
        highest = math.inf if self.maximum is None else self.maximum
        if not lowest <= value <= highest:
            unit = f' {self.unit}' if self.unit else ''
            raise ParameterError(
                f'parameter {self.name!r} must be within {lowest:g}..{highest:g}{unit}, '
                f'got {value!r}; set it within that range'
            )


def start_parameter(
    name: str,
    default: ParameterValue,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> ParameterSpec:
    """Describe a parameter of a small node, set at start only."""
    return ParameterSpec(
        name=name,
        field=name,
        default=default,
        description=description,
        minimum=minimum,
        maximum=maximum,
        choices=choices,
        is_read_only=True,
    )


KIND_NAMES: dict[type, str] = {bool: 'bool', int: 'integer', float: 'double', str: 'string'}


def described(
    default: ValueT,
    description: str,
    *,
    unit: str = '',
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    is_read_only: bool = False,
    opens_engine: bool = False,
    name: str = '',
) -> ValueT:
    """Make a dataclass field that carries its ``ParameterSpec``; ``name`` if ROS has another."""
    entries = {
        'name': name,
        'description': description,
        'unit': unit,
        'minimum': minimum,
        'maximum': maximum,
        'choices': choices,
        'is_read_only': is_read_only,
        'opens_engine': opens_engine,
    }
    return field(default=default, metadata=entries)


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Require that all names are known.

    Raises:
        ParameterError: Naming the unknown one and the nearest known one.
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f'did you mean {near[0]!r}?' if near else 'see docs/parameters.md'
            raise ParameterError(f'there is no parameter {name!r}; {hint}')


def parse_size(text: str) -> tuple[int, int] | None:
    """Read ``HEIGHTxWIDTH``; empty gives None.

    Raises:
        ParameterError: If it is neither.
    """
    if not text:
        return None
    match = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text)
    if match is None:
        raise ParameterError(
            f"parameter 'size' must be HEIGHTxWIDTH or empty, got {text!r}; e.g. 480x640"
        )
    return int(match[1]), int(match[2])


def spec_of(entry: object) -> ParameterSpec:
    """Return the description that ``described`` attached to a dataclass field."""
    metadata = entry.metadata  # type: ignore[attr-defined]
    name: str = entry.name  # type: ignore[attr-defined]
    return ParameterSpec(
        name=metadata['name'] or name,
        field=name,
        default=entry.default,  # type: ignore[attr-defined]
        description=metadata['description'],
        unit=metadata['unit'],
        minimum=metadata['minimum'],
        maximum=metadata['maximum'],
        choices=metadata['choices'],
        is_read_only=metadata['is_read_only'],
        opens_engine=metadata['opens_engine'],
    )
