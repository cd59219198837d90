"""Parameters that are one word out of a closed set."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from depth_ros.errors import ParameterError

EnumT = TypeVar('EnumT', bound=Enum)


def choice_from_name(kind: type[EnumT], name: str, *, parameter: str) -> EnumT:
    """Read a parameter's text as a member of an enumeration with text values.

    Raises:
        ParameterError: If it is none of them; names the parameter and the members.
    """
    try:
        return kind(name)
    except ValueError:
        known = ', '.join(repr(member.value) for member in kind)
        raise ParameterError(
            f'{parameter} must be one of {known}, got {name!r}; correct the parameter'
        ) from None
