"""Settings by keyword, as ``depth_ros.open_...`` takes them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from depth_ros.errors import ParameterError
from depth_ros.settings import choice_from_name

SettingsT = TypeVar('SettingsT')


def settings_given(settings: SettingsT, given: Mapping[str, object]) -> SettingsT:
    """Return settings with the given ones in place of theirs.

    Args:
        settings: A frozen dataclass.
        given: Values by field; a group's fields carry its name in front, e.g. ``scale_mode``.

    Raises:
        ParameterError: If a name is unknown, or a value is refused.
    """
    known = _names(settings)
    changes: dict[str, dict[str, object]] = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f'did you mean {near[0]!r}?' if near else f'known are {", ".join(known)}'
            raise ParameterError(f'there is no setting {name!r}; {hint}')
        group, field = known[name]
        changes.setdefault(group, {})[field] = value
    own = changes.pop('', {})
    for group, values in changes.items():
        own[group] = _changed(getattr(settings, group), values)
    return _changed(settings, own)


def _names(settings: object) -> dict[str, tuple[str, str]]:
    """Return (group, field) by keyword."""
    found: dict[str, tuple[str, str]] = {}
    for entry in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, entry.name)
        if is_dataclass(value):
            found |= {
                f'{entry.name}_{inner.name}': (entry.name, inner.name) for inner in fields(value)
            }
        else:
            found[entry.name] = ('', entry.name)
    return found


def _changed(settings: Any, changes: Mapping[str, object]) -> Any:
    """Change fields; a text will do where an enumeration's member is meant."""
    read = {
        name: choice_from_name(type(former), value, parameter=name)
        if isinstance(former := getattr(settings, name), Enum) and isinstance(value, str)
        else value
        for name, value in changes.items()
    }
    return replace(settings, **read)
