"""Settings by keyword, as ``depth_ros.open_...`` takes them."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from depth_ros.errors import ParameterError
from depth_ros.settings import (
    Naming,
    Setting,
    Settings,
    SettingsT,
    check_names,
    settings_from,
    settings_of,
    values_of,
)


def keyword_of(name: str) -> str:
    """Return what a setting is called in a call: ``scale_mode`` of ``scale.mode``."""
    return name.replace('.', '_')


KEYWORDS = Naming(
    alone=lambda setting: keyword_of(setting.name), among=lambda setting: keyword_of(setting.name)
)


def settings_given(settings: SettingsT, given: Mapping[str, object]) -> SettingsT:
    """Return settings with the given ones in place of theirs.

    Args:
        settings: A group of settings.
        given: Values by keyword; a text will do where an enumeration's member is meant.

    Raises:
        ParameterError: If a name is unknown, or a value is refused.
    """
    if not isinstance(settings, Settings):
        raise ParameterError(
            f'settings are given by name, as in model={settings!r}, or as a group of settings; '
            f'got {settings!r}'
        )
    if not given:
        return settings
    known = {keyword_of(setting.name): setting for setting in settings_of(type(settings))}
    check_names(
        given,
        known.values(),
        noun='setting',
        write=keyword_of,
        list_hint=f'known are {", ".join(known)}',
    )
    values: dict[str, object] = dict(values_of(settings))
    for keyword, value in given.items():
        values[known[keyword].name] = _written(known[keyword], value)
    return settings_from(type(settings), values, naming=KEYWORDS)


def _written(setting: Setting, value: object) -> object:
    """Write a value of Python as files and parameters do."""
    if setting.form is not None and not isinstance(value, str):
        return setting.form.write(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if isinstance(value, np.generic) else value
