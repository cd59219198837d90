"""Hostile YAML is refused in one line; ordinary YAML means what PyYAML says."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_ros.files.json_text import parse_json
from depth_ros.files.yaml_text import MAX_DEPTH, MAX_TEXT, MAX_VALUES, BoundedLoader, parse_yaml


def nested_aliases(levels: int) -> str:
    """Every level has nine aliases of the one below: 9 ** levels values in a few hundred bytes."""
    lines = ['a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]' for n in range(1, levels)]
    return '\n'.join(lines)


def nested_merges(levels: int) -> str:
    lines = ['a0: &a0 {x: 1, y: 2}']
    lines += [f'a{n}: &a{n} {{<<: [{", ".join([f"*a{n - 1}"] * 9)}]}}' for n in range(1, levels)]
    return '\n'.join(lines)


ATTACKS = {
    'aliases': (nested_aliases(10), f'more than {MAX_VALUES} values'),
    'merges': (nested_merges(10), f'more than {MAX_VALUES} values'),
    'an alias of itself': ('a: &a [1, *a]', 'contains it'),
    'a mapping of itself': ('&a {k: *a}', 'contains it'),
    'nesting': ('[' * 100_000, f'deeper than {MAX_DEPTH}'),
    'block nesting': ('- ' * 3000 + '1', f'deeper than {MAX_DEPTH}'),
    'many values': ('[' + '1,' * (MAX_VALUES + 1) + ']', 'values'),
    'much text': ('#' * (MAX_TEXT + 1), 'characters'),
    'a long number': ('a: ' + '9' * 100_000, 'a number of 100000 characters'),
    'a long sexagesimal number': ('a: 1' + ':1' * 100_000, 'a number of 200001 characters'),
    'a python object': ('!!python/object/apply:os.system [echo]', 'constructor'),
    'an impossible date': ('a: 2001-99-99', 'month'),
    'an empty integer': ('!!int ""', 'IndexError'),
    'no truth value': ('!!bool maybe', 'KeyError'),
    'no time': ('!!timestamp soon', 'AttributeError'),
    'a mapping as a key': ('{[1]: 2}', 'unhashable'),
    'a control character': ('a: \x07', 'special characters'),
    'an unknown alias': ('*nobody', 'undefined alias'),
    'half a list': ('a: [1, 2', 'line 1'),
}


@pytest.mark.parametrize('name', ATTACKS)
def test_attack_is_refused_in_one_line(name: str) -> None:
    text, words = ATTACKS[name]
    with pytest.raises(ValueError, match=words) as caught:
        parse_yaml(text)
    assert '\n' not in str(caught.value)


def test_aliases_of_ordinary_size_are_read() -> None:
    assert parse_yaml('a: &a [1, 2]\nb: *a\nc: {<<: {x: 1}, y: *a}') == {
        'a': [1, 2],
        'b': [1, 2],
        'c': {'x': 1, 'y': [1, 2]},
    }


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('', None),
        ('# nothing', None),
        ('{a: 1e3, b: 1.0e+3}', {'a': '1e3', 'b': 1000.0}),
        ('--- 1\n--- 2\n', 1),
    ],
)
def test_plain_text(text: str, value: object) -> None:
    assert parse_yaml(text) == value


def test_a_derived_loader_reads_its_own_tags() -> None:
    class Matrices(BoundedLoader):
        pass

    Matrices.add_constructor('!m', lambda loader, node: loader.construct_mapping(node, deep=True))
    text = 'k: !m {rows: 1, data: [1, 2]}'
    assert parse_yaml(text, loader=Matrices) == {'k': {'rows': 1, 'data': [1, 2]}}
    with pytest.raises(ValueError, match='constructor'):
        parse_yaml(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(value=VALUES)
@settings(max_examples=60, deadline=None)
def test_means_what_pyyaml_says(value: object) -> None:
    text = yaml.safe_dump(value)
    assert parse_yaml(text) == yaml.safe_load(text)


@given(text=st.text(alphabet=st.sampled_from('ab01:-&*!<>[]{}"\'|#,.%\n \t\\x'), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_value_or_a_reason(text: str) -> None:
    try:
        parse_yaml(text)
    except ValueError as error:
        assert str(error) and '\n' not in str(error)


@pytest.mark.parametrize('text', ['[' * 200_000, '{"a":' * 200_000, '{', '9' * 10_000])
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
