"""Options of commands, made from described settings and read back into them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping
from typing import NoReturn

from depth_ros.errors import ParameterError
from depth_ros.settings import (
    Naming,
    Setting,
    SettingsT,
    SettingValue,
    nests_of,
    own_settings,
    prefixed,
    settings_from,
    settings_of,
)


def option_of(setting: Setting) -> str:
    """Return the option of a setting: ``--max-depth-m`` of ``max_depth_m``."""
    return _option(setting.name)


OPTIONS = Naming(alone=option_of, among=option_of)


def add_settings(
    parser: argparse.ArgumentParser,
    kind: type,
    *,
    title: str,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> None:
    """Add an option for every setting of a group, and one for NAME=VALUE of groups within it.

    Options have no defaults: the group provides them, see ``read_settings``.

    Args:
        parser: Where to.
        kind: Dataclass of the group.
        title: Heading of the group in the help; groups within it are headed by their fields.
        only: Names of the settings wanted; empty wants all.
        without: Names of those that the command decides itself.
    """
    names = {setting.name for setting in settings_of(kind)}
    wanted = (set(only) or names) - set(without)
    _add_group(parser, kind, title, '', wanted)


def given_values(kind: type, arguments: argparse.Namespace) -> dict[str, SettingValue]:
    """Return what was typed, as it is written, by the names of a group's settings.

    Raises:
        ParameterError: If NAME=VALUE names no setting or has no value of its type.
    """
    values = _from_words(kind, arguments, '')
    for setting in settings_of(kind):
        value = getattr(arguments, _destination(setting.name), None)
        if value is not None:
            values[setting.name] = ' '.join(value) if setting.is_words else value
    return values


def read_settings(
    kind: type[SettingsT],
    arguments: argparse.Namespace,
    decided: Mapping[str, SettingValue] | None = None,
) -> SettingsT:
    """Read a group of settings back from parsed arguments.

    Args:
        kind: Dataclass of the group.
        arguments: Of a parser that ``add_settings`` was called on.
        decided: Values by name that the command decides itself.

    Raises:
        ParameterError: If a value is refused; names the option.
    """
    values = {**given_values(kind, arguments), **(decided or {})}
    return settings_from(kind, values, naming=OPTIONS)


def split_assignment(word: str) -> tuple[str, str]:
    """Split ``name=value``.

    Raises:
        ParameterError: If it is not of that form.
    """
    name, equals, text = word.partition('=')
    if not (name and equals and text):
        raise ParameterError(f'expected NAME=VALUE, got {word!r}; write it so')
    return name, text


def as_options(text: str, arguments: argparse.Namespace) -> str:
    """Return a sentence with the settings of a command named as its options.

    Whatever raised it may know them as parameters: ``set scale.mode to`` is ``set --scale-mode
    to``.

    Args:
        text: The sentence.
        arguments: Parsed arguments, which say what the options are.
    """

    def option(found: re.Match[str]) -> str:
        name = found['name']
        return _option(name) if hasattr(arguments, _destination(name)) else name

    return _NAME.sub(option, text)


_NAME = re.compile(
    r"(?P<name>(?<=\bset )[a-z]+(?![\w.])|(?<![\w/.'-])[a-z]+(?:[._][a-z]+)+(?![\w.:=(/'-]))"
)
"""A setting: one word behind "set", or words joined by points or underscores."""


class Renamed(argparse.Action):
    """Refuses the former name of an option and names the new one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> NoReturn:
        """Raise with the new name."""
        parser.error(f'{option_string} is called {self.const} now; use that')


def _add_group(
    parser: argparse.ArgumentParser, kind: type, title: str, prefix: str, wanted: set[str]
) -> None:
    own = [setting for plain in own_settings(kind) for setting in prefixed(plain, prefix)]
    chosen = [setting for setting in own if setting.name in wanted]
    if chosen:
        group = parser.add_argument_group(title)
        for setting in chosen:
            _add_option(group, setting)
            wanted.discard(setting.name)
    for field, nest in nests_of(kind).items():
        inner = {setting.name for setting in settings_of(nest.kind, prefix + nest.prefix)}
        if nest.words and inner <= wanted:
            parser.add_argument(
                nest.words,
                action='append',
                default=[],
                metavar='NAME=VALUE',
                help=f'setting of {field}, repeatable',
            )
        _add_group(parser, nest.kind, field, prefix + nest.prefix, wanted)


def _add_option(group: argparse._ArgumentGroup, setting: Setting) -> None:
    option, destination = option_of(setting), _destination(setting.name)
    flags, help_text = (option, *setting.flags), _help(setting)
    if setting.kind is bool:
        is_on = bool(setting.default)
        group.add_argument(
            *([f'--no-{option[2:]}'] if is_on else flags),
            dest=destination,
            action='store_const',
            const=not is_on,
            help=help_text,
        )
    elif setting.is_words:
        group.add_argument(
            *flags, dest=destination, action='append', metavar='NAME=VALUE', help=help_text
        )
    else:
        group.add_argument(
            *flags,
            dest=destination,
            type=setting.kind,
            metavar=setting.unit.split()[0].upper() if setting.unit else _METAVARS[setting.kind],
            help=help_text,
        )
    if setting.formerly:
        group.add_argument(
            _option(setting.formerly), action=Renamed, const=option, help=argparse.SUPPRESS
        )


_METAVARS = {int: 'N', float: 'X', str: 'WORD'}


def _help(setting: Setting) -> str:
    """Return the description, what is allowed and the default."""
    notes = []
    if setting.choices:
        notes.append(', '.join(setting.choices))
    elif setting.minimum is not None or setting.maximum is not None:
        lowest = '' if setting.minimum is None else f'{setting.minimum:g}'
        highest = '' if setting.maximum is None else f'{setting.maximum:.10g}'
        notes.append(f'{lowest}..{highest} {setting.unit}'.rstrip())
    if setting.kind is not bool and setting.default != '':
        notes.append(f'default {setting.default}')
    text = f'{setting.description} ({"; ".join(notes)})' if notes else setting.description
    return text.replace('%', '%%')


def _from_words(kind: type, arguments: argparse.Namespace, prefix: str) -> dict[str, SettingValue]:
    """Read NAME=VALUE of the groups within a group."""
    values: dict[str, SettingValue] = {}
    for field, nest in nests_of(kind).items():
        inner = prefix + nest.prefix
        values.update(_from_words(nest.kind, arguments, inner))
        known = {
            setting.name.removeprefix(inner): setting for setting in settings_of(nest.kind, inner)
        }
        for word in getattr(arguments, _destination(nest.words[2:]), ()) if nest.words else ():
            name, text = split_assignment(word)
            if name not in known:
                raise ParameterError(
                    f'{field} has no setting {name!r}; use one of: {", ".join(known)}'
                )
            setting = known[name]
            values[setting.name] = setting.parsed(text, what=f'{field} {name}')
    return values


def _option(name: str) -> str:
    return '--' + name.replace('.', '-').replace('_', '-')


def _destination(name: str) -> str:
    return name.replace('.', '_').replace('-', '_')
