"""Every command that a sentence of the package tells a user to type can be typed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest

from depth_ros.cli.main import COMMANDS, _parser
from tests.kit.shared_data import REPOSITORY

VALUE = '1'
"""Stands for what a sentence fills in."""
TASK_COMMANDS = ('run', 'evaluate')
_COMMAND = re.compile(
    r'(?<![\w/`.-])'
    r'(?P<program>depth-ros|make(?= [a-z]+(?:$| [A-Z]+=|[,;)]))|pip install|python -m)'
    r' (?P<words>(?:[^,;:()\s]|[,;:](?=\S))+(?: (?:[^,;:()\s\\]|[,;:](?=\S))+)*)'
)
_USAGE = re.compile(r'\b(?:COMMAND|RECIPE|NAME)\b|^build \[')
"""Words of usage lines and patterns, which nobody types as they are."""


def _texts() -> Iterator[tuple[str, str]]:
    """Give every string of the package that is no docstring, and where it stands."""
    for path in sorted((REPOSITORY / 'depth_ros').rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        skipped = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                skipped |= set(ast.walk(node)) - {node}
        for node in ast.walk(tree):
            if node not in skipped and (text := _text(node)):
                yield f'{path.relative_to(REPOSITORY)}:{node.lineno}', text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        parts = node.values
        return ''.join(str(p.value) if isinstance(p, ast.Constant) else VALUE for p in parts)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else ''


FOUND = [
    (place, match['program'], match['words'])
    for place, text in _texts()
    for match in _COMMAND.finditer(text)
    if not _USAGE.search(match['words'])
]


def _is_ours(words: list[str]) -> bool:
    parser = _parser(COMMANDS[words[0]])
    given = [word for word in words if word != '...']
    if given[1:2] == [VALUE] and words[0] in TASK_COMMANDS:
        given[1] = 'stereo'
    if len(given) == 1:
        return True
    if given[-1] != '--help' and len(given) < len(words):
        given.append('FILE')
    try:
        parser.parse_args(given)
    except SystemExit as end:
        return end.code == 0
    return True


def _is_target(words: list[str]) -> bool:
    makefile = (REPOSITORY / 'Makefile').read_text(encoding='utf-8')
    variables = [word.partition('=')[0] for word in words[1:]]
    names = [rf'^{words[0]}:', *(rf'^{name} \?=' for name in variables)]
    return all(re.search(name, makefile, re.M) for name in names)


def _is_requirement(words: list[str]) -> bool:
    from packaging.requirements import Requirement

    return all(Requirement(word) for word in words if not word.startswith('--'))


CAN_BE_TYPED: dict[str, Callable[[list[str]], bool]] = {
    'depth-ros': _is_ours,
    'make': _is_target,
    'pip install': _is_requirement,
    'python -m': lambda words: find_spec(words[0]) is not None,
}


@pytest.mark.parametrize(('place', 'program', 'words'), FOUND)
def test_remedy_can_be_typed(place: str, program: str, words: str) -> None:
    if words.startswith(('process', 'report')):
        pytest.importorskip('mcap')
    assert CAN_BE_TYPED[program](shlex.split(words)), f'{place}: {program} {words}'


def test_remedies_are_found() -> None:
    assert {program for _, program, _ in FOUND} == set(CAN_BE_TYPED)
    assert len(FOUND) > 40
