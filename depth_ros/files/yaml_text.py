"""Parse YAML that may be hostile: text, nesting and what aliases stand for are bounded.

An alias costs nothing to parse, but whoever walks, prints or converts the result pays for every
value it stands for: 646 bytes of nested aliases are a billion values. They are counted while the
document is composed, before any value is made.
"""

from __future__ import annotations

import yaml

MAX_TEXT = 4 << 20
MAX_VALUES = 50_000
MAX_DEPTH = 50
MAX_NUMBER = 200
"""Characters of a number or time: reading one takes the square of its length."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds; derive from it to add tags, e.g. ``!!opencv-matrix``."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._num_values = 0
        self._num_within: dict[int, int] = {}
        """Values that a node stands for, by its ``id``; nodes under composition are absent."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, or look up what an alias stands for.

        Raises:
            ValueError: If a bound is passed.
        """
        if self._depth >= MAX_DEPTH:
            raise ValueError(f'it is nested deeper than {MAX_DEPTH} levels')
        is_alias = self.check_event(yaml.AliasEvent)
        before = self._num_values
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and id(node) not in self._num_within:
            raise ValueError('an alias stands for something that contains it')
        self._num_values += self._num_within[id(node)] if is_alias else 1
        if self._num_values > MAX_VALUES:
            raise ValueError(f'it stands for more than {MAX_VALUES} values')
        if not is_alias:
            _check_number(node)
            self._num_within[id(node)] = self._num_values - before
        return node


class OnceLoader(BoundedLoader):
    """A loader that refuses a key that a mapping has twice, of which PyYAML takes the last."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[object, object]:
        """Make a mapping.

        Raises:
            ValueError: Naming the key and both lines.
        """
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines:
                raise ValueError(
                    f'key {key.value!r} is there twice, lines {lines[name]} and {line}'
                )
            lines[name] = line
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, *, loader: type[BoundedLoader] = BoundedLoader) -> object:
    """Return the value of the first document of a YAML text; None of an empty one.

    Args:
        text: The text, whatever it is.
        loader: ``BoundedLoader`` or one derived from it.

    Raises:
        ValueError: One line that says what is wrong and where; the caller names the file.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f'it has {len(text)} characters, at most {MAX_TEXT} are read')
    try:
        parser = loader(text)
        try:
            return parser.get_data() if parser.check_data() else None  # type: ignore[no-untyped-call]
        finally:
            parser.dispose()
    except _ERRORS as error:
        raise ValueError(_one_line(error)) from None


def _check_number(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and len(node.value) > MAX_NUMBER:
        raise ValueError(f'it has a number of {len(node.value)} characters')


_NUMBERS = {f'tag:yaml.org,2002:{kind}' for kind in ('int', 'float', 'timestamp')}

_ERRORS = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What PyYAML 6 raises on altered text: some of its constructors do not check what they match."""


def _one_line(error: Exception) -> str:
    """Return PyYAML's problem and place, or the error's own words."""
    mark = getattr(error, 'problem_mark', None)
    if mark is not None:
        problem = getattr(error, 'problem', None) or 'it is no YAML'
        return f'{problem}, line {mark.line + 1}, column {mark.column + 1}'
    words = ' '.join(str(error).split())
    return words if isinstance(error, ValueError) and words else f'{type(error).__name__}: {words}'
