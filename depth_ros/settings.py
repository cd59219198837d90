"""Settings, each described once; node parameters, their files, docs and options derive from it.

A group of settings is a frozen dataclass on top of ``Settings``; ``described`` makes a field with
its meaning and range, ``nested`` one that is a group of its own. Everything that reads or writes
settings goes by the names that ``settings_of`` lists.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import TypeVar

from depth_ros.errors import ParameterError

SettingValue = bool | int | float | str
"""A value as files, parameters and options write it."""

SettingsT = TypeVar('SettingsT', bound='Settings')
DefaultT = TypeVar('DefaultT')
EnumT = TypeVar('EnumT', bound=Enum)

LARGEST_INTEGER = 2**31 - 1
KIND_NAMES: dict[type, str] = {bool: 'bool', int: 'integer', float: 'double', str: 'string'}
_ARTICLES: dict[type, str] = {bool: 'a', int: 'an', float: 'a', str: 'a'}
_WORDS: dict[str, bool] = {'true': True, 'false': False}
_ENTRY = 'depth_ros'


@dataclass(frozen=True, kw_only=True, slots=True)
class TextForm:
    """How a value that is no plain one is written, and read again.

    Attributes:
        read: Makes the value of its text; refuses by raising ``SettingError``.
        write: Makes the text.
    """

    read: Callable[[str], object]
    write: Callable[[object], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting as an operator sees it.

    Attributes:
        name: Full name, e.g. ``'sgbm.block_size'``.
        field: Name of the dataclass field.
        default: Default as it is written; its type is the setting's.
        description: One sentence or two.
        unit: Unit of the value, or empty.
        minimum: Smallest number allowed, or None.
        maximum: Largest number allowed, or None.
        choices_of: Lists the texts allowed, when asked: tables may grow; empty means any.
        noun: What the choices are, where they are things of a table: ``'engine'``.
        hint: Says what a word that is no choice is called now; empty if it does not know.
        flags: Further spellings of the option of commands.
        formerly: Its name until it was renamed; refused, with a word about the new one.
        is_words: Whether it is NAME=VALUE words; commands take them one by one.
        is_read_only: Whether a node reads it at start only.
        opens_engine: Whether a change needs another processor.
        form: How a value that is no plain one is written.
    """

    name: str
    field: str
    default: SettingValue
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices_of: Callable[[], tuple[str, ...]] = tuple
    noun: str = ''
    hint: Callable[[str], str] | None = None
    flags: tuple[str, ...] = ()
    formerly: str = ''
    is_words: bool = False
    is_read_only: bool = False
    opens_engine: bool = False
    form: TextForm | None = None

    @property
    def kind(self) -> type:
        """``bool``, ``int``, ``float`` or ``str``."""
        return type(self.default)

    @property
    def choices(self) -> tuple[str, ...]:
        """Texts allowed; empty means any."""
        return self.choices_of()

    def checked(self, value: object, *, what: str) -> SettingValue:
        """Return a written value in the setting's type; an integer will do for a float.

        Raises:
            ParameterError: Naming ``what`` was set, what is allowed and what came.
        """
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.kind:
            raise ParameterError(
                f'{what} is {_ARTICLES[self.kind]} {KIND_NAMES[self.kind]}, got {value!r}; '
                f'set it like its default, {_as_yaml(self.default)}'
            )
        self.check(value, what=what)
        return value  # type: ignore[return-value]

    def check(self, value: object, *, what: str) -> None:
        """Require one of the choices, or a number within the range."""
        choices = self.choices
        if choices and value not in choices:
            known = ', '.join(choices)
            renamed = self.hint(str(value)) if self.hint else ''
            if renamed:
                raise ParameterError(renamed)
            if self.noun:
                raise ParameterError(
                    f'there is no {self.noun} {value!r}; set {self.name} to one of: {known}'
                )
            raise ParameterError(f'{what} cannot be {value!r}; set it to one of: {known}')
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self._check_range(value, what)

    def parsed(self, text: str, *, what: str) -> SettingValue:
        """Read a written value from text, as in NAME=VALUE.

        Raises:
            ParameterError: If it is not of the setting's type.
        """
        if self.kind is str:
            return text
        try:
            return _WORDS[text] if self.kind is bool else self.kind(text)  # type: ignore[no-any-return]
        except (KeyError, ValueError):
            raise ParameterError(
                f'{what} must be {self.kind.__name__}, got {text!r}; correct it'
            ) from None

    def read(self, value: SettingValue) -> object:
        """Return what the field holds for a written value."""
        return value if self.form is None else self.form.read(str(value))

    def write(self, value: object) -> SettingValue:
        """Return a field's value as it is written."""
        return value if self.form is None else self.form.write(value)  # type: ignore[return-value]

    def _check_range(self, value: float, what: str) -> None:
        lowest = -math.inf if self.minimum is None else self.minimum
        highest = math.inf if self.maximum is None else self.maximum
        if not lowest <= value <= highest:
            unit = f' {self.unit}' if self.unit else ''
            raise ParameterError(
                f'{what} must be within {lowest:.10g}..{highest:.10g}{unit}, got {value!r}; '
                'set it within that range'
            )


def _as_yaml(value: SettingValue) -> str:
    """Return a default as files have it: infinity is ``.inf`` there, and ``inf`` is a text."""
    is_infinite = isinstance(value, float) and math.isinf(value)
    return f'.{value}'.replace('.-', '-.') if is_infinite else repr(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Nest:
    kind: type[Settings]
    prefix: str
    words: str


def described(
    default: DefaultT,
    description: str,
    *,
    unit: str = '',
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
    noun: str = '',
    hint: Callable[[str], str] | None = None,
    name: str = '',
    flags: tuple[str, ...] = (),
    formerly: str = '',
    is_words: bool = False,
    is_read_only: bool = False,
    opens_engine: bool = False,
    form: TextForm | None = None,
) -> DefaultT:
    """Make a dataclass field that carries its ``Setting``; arguments are the attributes of that.

    A member of an enumeration is written by its value, with its neighbours as the choices.
    ``name`` is for a setting that files and parameters call otherwise than the field.
    """
    if isinstance(default, Enum):
        kind = type(default)
        form = TextForm(read=kind, write=lambda value: getattr(value, 'value', str(value)))
        choices = tuple(member.value for member in kind)
    setting = Setting(
        name=name,
        field='',
        default=default if form is None else form.write(default),  # type: ignore[arg-type]
        description=description,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        choices_of=choices if callable(choices) else lambda: choices,
        noun=noun,
        hint=hint,
        flags=flags,
        formerly=formerly,
        is_words=is_words,
        is_read_only=is_read_only,
        opens_engine=opens_engine,
        form=form,
    )
    return field(default=default, metadata={_ENTRY: setting})


def nested(kind: type[SettingsT], *, prefix: str = '', words: str = '') -> SettingsT:
    """Make a dataclass field that is a group of its own.

    Args:
        kind: Dataclass of the group.
        prefix: Put before the names of its settings, e.g. ``'sgbm.'``.
        words: Option of commands that takes NAME=VALUE of its settings, e.g. ``'--sgbm'``.
    """
    nest = _Nest(kind=kind, prefix=prefix, words=words)
    return field(default_factory=kind, metadata={_ENTRY: nest})


class SettingError(ParameterError):
    """A refusal of combined values; names fields, which the caller replaces by setting names."""

    def __init__(self, text: str, names: Mapping[str, str] | None = None) -> None:
        """Take the sentence, with fields in braces: ``'{low} must be below {high}, got 3'``."""
        known = names or {}
        super().__init__(re.sub(r'\{(\w+)\}', lambda word: known.get(word[1], word[1]), text))
        self.text = text


class UnknownNameError(ParameterError):
    """A name that no setting has or had; it names the nearest one."""


class Settings:
    """Base of every group: checks each value, then what must hold between values."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Check everything.

        Raises:
            ParameterError: Naming the field, what is allowed and what came.
        """
        for setting in own_settings(type(self)):
            setting.check(setting.write(getattr(self, setting.field)), what=setting.field)
        self.check_together()

    def check_together(self) -> None:
        """Refuse values that contradict each other; a group puts its own rules here.

        Raises:
            SettingError: Naming the fields, their values and what to correct.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """How error messages of one source name its settings.

    Attributes:
        alone: In a sentence about one.
        among: In a sentence about several.
    """

    alone: Callable[[Setting], str]
    among: Callable[[Setting], str]


PARAMETERS = Naming(
    alone=lambda setting: f'parameter {setting.name!r}', among=lambda setting: setting.name
)


_OWN: dict[type, tuple[Setting, ...]] = {}


def own_settings(kind: type) -> tuple[Setting, ...]:
    """Describe the plain fields of a group, those of nested groups left out."""
    if kind not in _OWN:
        entries = [(entry.name, entry.metadata.get(_ENTRY)) for entry in fields(kind)]
        _OWN[kind] = tuple(
            replace(found, name=found.name or name, field=name)
            for name, found in entries
            if isinstance(found, Setting)
        )
    return _OWN[kind]


def prefixed(setting: Setting | None, prefix: str) -> tuple[Setting, ...]:
    """Return a setting under its full name; None gives None."""
    return () if setting is None else (replace(setting, name=prefix + setting.name),)


def nests_of(kind: type) -> dict[str, _Nest]:
    """Return the nested groups of a group by field."""
    found = {entry.name: entry.metadata.get(_ENTRY) for entry in fields(kind)}
    return {name: nest for name, nest in found.items() if isinstance(nest, _Nest)}


def settings_of(kind: type, prefix: str = '') -> tuple[Setting, ...]:
    """Describe every setting of a group and those nested in it, in order, each name once."""
    own, nests = {setting.field: setting for setting in own_settings(kind)}, nests_of(kind)
    found: dict[str, Setting] = {}
    for entry in fields(kind):
        if entry.name in nests:
            nest = nests[entry.name]
            inner = settings_of(nest.kind, prefix + nest.prefix)
        else:
            inner = prefixed(own.get(entry.name), prefix)
        for setting in inner:
            found.setdefault(setting.name, setting)
    return tuple(found.values())


def values_of(settings: Settings, prefix: str = '') -> dict[str, SettingValue]:
    """Return every value as it is written, by name."""
    values = {
        prefix + setting.name: setting.write(getattr(settings, setting.field))
        for setting in own_settings(type(settings))
    }
    for name, nest in nests_of(type(settings)).items():
        values.update(values_of(getattr(settings, name), prefix + nest.prefix))
    return {setting.name: values[setting.name] for setting in settings_of(type(settings), prefix)}


def settings_from(
    kind: type[SettingsT],
    values: Mapping[str, object],
    *,
    naming: Naming = PARAMETERS,
    prefix: str = '',
) -> SettingsT:
    """Make a group from written values by name; what is missing takes its default.

    Raises:
        ParameterError: If a value is refused; names it as ``naming`` says.
    """
    given: dict[str, object] = {
        name: settings_from(nest.kind, values, naming=naming, prefix=prefix + nest.prefix)
        for name, nest in nests_of(kind).items()
    }
    own = [setting for plain in own_settings(kind) for setting in prefixed(plain, prefix)]
    try:
        for setting in own:
            if setting.name in values:
                value = setting.checked(values[setting.name], what=naming.alone(setting))
                given[setting.field] = setting.read(value)
        return kind(**given)
    except SettingError as error:
        listed = [*settings_of(kind, prefix), *own]
        names = {setting.field: naming.among(setting) for setting in listed}
        raise SettingError(error.text, names) from None


def check_names(
    given: Iterable[str],
    settings: Iterable[Setting],
    *,
    noun: str = 'parameter',
    write: Callable[[str], str] = str,
    list_hint: str = 'see docs/parameters.md',
) -> None:
    """Require that all names are those of settings.

    Args:
        given: Names to check.
        settings: Those there are.
        noun: What the source calls a setting.
        write: Turns a setting's name into the source's.
        list_hint: Where to find them all.

    Raises:
        UnknownNameError: Naming the nearest one.
        ParameterError: Naming what a renamed one is called now.
    """
    known = list(settings)
    names = [write(setting.name) for setting in known]
    renamed = {
        write(setting.formerly): write(setting.name) for setting in known if setting.formerly
    }
    for name in given:
        if name in renamed:
            raise ParameterError(
                f'{noun} {name!r} is called {renamed[name]!r} now; set that instead'
            )
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f'did you mean {near[0]!r}?' if near else list_hint
            raise UnknownNameError(f'there is no {noun} {name!r}; {hint}')


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


def parse_size(text: str) -> tuple[int, int] | None:
    """Read ``HEIGHTxWIDTH``; empty gives None.

    Raises:
        SettingError: If it is neither.
    """
    if not text:
        return None
    match = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text)
    if match is None:
        raise SettingError(f'{{size}} must be HEIGHTxWIDTH or empty, got {text!r}; e.g. 480x640')
    return int(match[1]), int(match[2])


def _size_text(size: object) -> str:
    return 'x'.join(map(str, size)) if isinstance(size, tuple) else ''


SIZE = TextForm(read=parse_size, write=_size_text)
"""``(height, width)`` or None, written HEIGHTxWIDTH or empty."""


def check_depth_range(min_depth_m: float, max_depth_m: float) -> None:
    """Require that the range is one.

    Raises:
        SettingError: If it is empty.
    """
    if not min_depth_m < max_depth_m:
        raise SettingError(
            f'{{min_depth_m}} must be below {{max_depth_m}}, got {min_depth_m:g} and '
            f'{max_depth_m:g}; correct one of them'
        )
