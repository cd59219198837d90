"""Every command and program that the documentation shows is run, in order, as a reader would."""

from __future__ import annotations

import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.kit import pages
from tests.kit.pages import REASONS, Block, blocks, difference, run_block
from tests.kit.sample_folder import reader_environment, stock_for_a_reader
from tests.kit.shared_data import REPOSITORY, shared_root

pytest.importorskip('rosbags', reason='rosbags is not installed')
if find_spec('stereodemo') is None:
    pytest.skip('the sample images are not installed', allow_module_level=True)

ALL = [block for page in pages.pages() for block in blocks(page)]
SHARED = r'\.\./shared|motorcycle_'
RUN = [block for block in ALL if not block.reason]


@pytest.fixture(scope='session')
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('readers')


@pytest.fixture(scope='session')
def readers(place: Path) -> dict[str, Path]:
    """Folders by page: what one block of a page leaves, the next one finds."""
    return {}


@pytest.mark.parametrize('block', RUN, ids=lambda block: block.name)
def test_block_runs_as_shown(block: Block, place: Path, readers: dict[str, Path]) -> None:
    if block.page not in readers:
        readers[block.page] = stock_for_a_reader(place / f'reader{len(readers)}')
    folder = readers[block.page]
    if re.search(SHARED, block.text) and not shared_root().is_dir():
        pytest.skip('the example needs the shared data (DEPTH_ROS_SHARED)')
    run_block(block, folder, reader_environment(folder.parent))


def test_inputs_of_readme_are_in_the_sample_folder(place: Path) -> None:
    place_of_files = stock_for_a_reader(place / 'inputs')
    text = (REPOSITORY / 'README.md').read_text(encoding='utf-8')
    inputs = re.findall(r'depth-ros run \w+ (\S+)', text)
    assert 'drive' in inputs
    assert [name for name in inputs if not (place_of_files / name).exists()] == []


def test_blocks_that_are_not_run_are_counted() -> None:
    unrun = Counter(block.reason for block in ALL if block.reason)
    assert set(unrun) <= set(REASONS)
    text = (REPOSITORY / 'docs/development.md').read_text(encoding='utf-8')
    told = {word: int(count) for word, count in re.findall(r'^\| `(\w+)` \| (\d+) \|', text, re.M)}
    assert told == dict(unrun), 'docs/development.md counts the blocks that are not run'


@pytest.mark.parametrize(
    ('shown', 'came', 'holds'),
    [
        ('3 done in 1.00 m', '3 done in 1.01 m', True),
        ('3 done in 1.00 m', '3 done in 1.20 m', False),
        ('3 done', '3 refused', False),
        ('a\n...\nz', 'a\nb\nc\nz', True),
        ('a\n...\nz', 'a\nb\nc', False),
        ('built on ...', 'built on openvino 2026.4', True),
        ('one line', 'one line\nand another', False),
    ],
)
def test_comparison(shown: str, came: str, holds: bool) -> None:
    assert (difference(shown.splitlines(), came.splitlines()) == '') is holds
