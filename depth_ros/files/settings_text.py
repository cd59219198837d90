"""Settings written for people: values as YAML, ranges in words, entries with their comments."""

from __future__ import annotations

import math
import textwrap

from depth_ros.settings import Setting, SettingValue

WIDTH = 95


def yaml_value(value: SettingValue) -> str:
    """Return a value as ROS parameter files want it: doubles keep a point."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, float) and math.isinf(value):
        return '.inf' if value > 0 else '-.inf'
    return repr(value)


def allowed_text(setting: Setting) -> str:
    """Return what a setting may be: its choices in backquotes, its range with unit, or any."""
    if setting.choices:
        return ', '.join(f'`{choice}`' for choice in setting.choices)
    if setting.minimum is None and setting.maximum is None:
        return setting.unit or 'any'
    lowest = '' if setting.minimum is None else f'{setting.minimum:g}'
    highest = '' if setting.maximum is None else f'{setting.maximum:.10g}'
    return f'{lowest}..{highest} {setting.unit}'.rstrip()


def entry_text(setting: Setting, value: SettingValue, *, indent: str, note: str = '') -> str:
    """Return a setting as lines of YAML: meaning and range as comments, then name and value.

    Args:
        setting: The setting.
        value: What to write.
        indent: Spaces before every line.
        note: Put behind the range.
    """
    allowed = allowed_text(setting).replace('`', '')
    comments = [
        textwrap.fill(
            text,
            width=WIDTH,
            initial_indent=f'{indent}# ',
            subsequent_indent=f'{indent}# ',
            break_long_words=False,
            break_on_hyphens=False,
        )
        for text in (setting.description, f'{allowed}{note}')
    ]
    lines = '\n'.join(comments)
    return f'{lines}\n{indent}{setting.name}: {yaml_value(value)}\n'
