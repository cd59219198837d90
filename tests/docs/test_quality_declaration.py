"""The quality declaration and SECURITY.md are true as far as a program can tell."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import depth_ros
from tests.kit.shared_data import REPOSITORY

DECLARATION = (REPOSITORY / 'QUALITY_DECLARATION.md').read_text(encoding='utf-8')
SECURITY = (REPOSITORY / 'SECURITY.md').read_text(encoding='utf-8')
PACKAGE = ElementTree.parse(REPOSITORY / 'package.xml').getroot()
SOURCES = [
    *REPOSITORY.glob('depth_ros/**/*.py'),
    *REPOSITORY.glob('launch/*.py'),
    *REPOSITORY.glob('depth_ros_interfaces/*/*.*'),
]


def state_of(number: str) -> str:
    """Return the second cell of a requirement's row."""
    found = re.search(rf'^\| {re.escape(number)} [^|]*\| ([^|]*) \|', DECLARATION, re.M)
    assert found, f'no row of {number}'
    return found[1].strip()


def is_met(number: str) -> bool:
    return state_of(number).startswith('met')


@pytest.mark.parametrize('text', [DECLARATION, SECURITY], ids=['declaration', 'security'])
def test_every_path_that_is_named_is_there(text: str) -> None:
    linked = re.findall(r'\]\((?!http)([^)#]+)', text)
    quoted = re.findall(
        r'`((?:tests|docs|benchmarks|depth_ros|depth_ros_interfaces|\.ci)/[^`*]*)`', text
    )
    assert linked and quoted
    assert [path for path in (*linked, *quoted) if not (REPOSITORY / path).exists()] == []


def test_a_level_is_claimed_only_with_what_it_asks_for() -> None:
    (level,) = re.findall(r'\*\*Quality Level (\d)\*\*', DECLARATION)
    has_copyright = all('Copyright' in source.read_text(encoding='utf-8') for source in SOURCES)
    assert is_met('3.iv') == has_copyright
    is_stable = int(depth_ros.__version__.partition('.')[0]) >= 1
    assert is_met('1.ii') == is_stable
    assert int(level) >= (5 if not has_copyright else 4 if not is_stable else 1)


def test_versions_and_licence_are_those_of_the_package() -> None:
    assert f'| {depth_ros.__version__}, not released |' in DECLARATION
    assert PACKAGE.findtext('license') in DECLARATION
    assert is_met('3.v') and 'QUALITY_DECLARATION.md' in readme()
    assert 'SECURITY.md' in readme()


def test_there_is_no_disclosure_policy_without_an_address() -> None:
    maintainer = PACKAGE.find('maintainer')
    assert maintainer is not None
    is_reachable = not str(maintainer.get('email')).endswith('.example')
    assert is_met('7') == is_reachable
    assert ('receives no mail' in SECURITY) != is_reachable


def test_dependencies_are_those_of_the_package() -> None:
    told = set(re.findall(r'`([a-z0-9_-]+)`', DECLARATION.partition('## Dependencies')[2]))
    listed = {str(entry.text) for entry in PACKAGE.iter('exec_depend')}
    assert listed <= told, 'each is told with its reason'
    assert {word for word in told if word.endswith(('_msgs', '_py', 'launch'))} <= listed


def test_checks_that_are_told_are_done() -> None:
    ci = (REPOSITORY / '.ci/run').read_text(encoding='utf-8')
    assert 'make test\n' in ci and 'make test-oldest' in ci
    makefile = (REPOSITORY / 'Makefile').read_text(encoding='utf-8')
    assert 'ruff check .' in makefile and 'bin/mypy' in makefile
    demanded = (REPOSITORY / 'pyproject.toml').read_text(encoding='utf-8')
    assert '"D"' in demanded and 'strict = true' in demanded


def readme() -> str:
    return (REPOSITORY / 'README.md').read_text(encoding='utf-8')


def test_no_source_is_left_out() -> None:
    assert len(SOURCES) > 400 and all(isinstance(source, Path) for source in SOURCES)
