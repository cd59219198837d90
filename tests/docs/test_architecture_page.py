"""The architecture page names rooms and functions that are there."""

from __future__ import annotations

import ast
import re

from tests.kit.shared_data import REPOSITORY
from tests.test_architecture import FLOORS

PACKAGE = REPOSITORY / 'depth_ros'
TEXT = (REPOSITORY / 'docs/architecture.md').read_text(encoding='utf-8')
STEP = re.compile(r'^\|[^|]*\| `(?P<name>[\w.]+)` \| `(?P<file>[\w/]+\.py)` \|', re.M)


def names_of(path: str) -> set[str]:
    """List functions and methods of a module, methods with their class."""
    names = set()
    for node in ast.parse((PACKAGE / path).read_text(encoding='utf-8')).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f'{node.name}.{entry.name}'
                for entry in node.body
                if isinstance(entry, ast.FunctionDef)
            }
    return names


def test_every_step_of_the_way_is_in_the_code() -> None:
    steps = [(match['name'], match['file']) for match in STEP.finditer(TEXT)]
    assert len(steps) > 20
    missing = [(name, file) for name, file in steps if name not in names_of(file)]
    assert not missing


def test_every_room_is_on_the_page_from_top_to_bottom() -> None:
    rows = re.findall(r'^\| \d+ \| (.+?) \|', TEXT, re.M)
    shown = [set(re.findall(r'`(\w+)/?`', row)) for row in rows]
    rooms = [{name for name in floor if (PACKAGE / name).is_dir()} for floor in FLOORS[::-1]]
    words = {name for floor in FLOORS for name in floor if not (PACKAGE / name).is_dir()}
    assert shown[-1] == {name for name in words if not name.startswith('__')}
    assert shown[:-1] == [floor for floor in rooms if floor]
