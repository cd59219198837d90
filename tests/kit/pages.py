"""The blocks that the documentation shows: found, run as a reader would, compared, written anew.

A block runs unless the line above it is ``<!-- not run: WORD; why -->`` with a word out of
``REASONS``. A ``console`` block has commands behind ``$ `` and what they print; ``...`` stands
for any number of lines, or for any words within a line. Where ``<!-- figures vary -->`` stands
above, only the words are compared. ``python -m tests.kit.pages`` writes the outputs anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kit.sample_folder import reader_environment, stock_for_a_reader
from tests.kit.shared_data import REPOSITORY

REASONS = {
    'gpu': 'needs an NVIDIA GPU',
    'distro': 'needs a ROS 2 distro',
    'download': 'needs files that the project does not ship',
    'hours': 'takes hours',
    'install': 'installs software',
    'checkout': 'is run by continuous integration in the checkout itself',
}
"""Why a block may stay unrun, by the word in its marker."""

RUNNABLE = ('bash', 'console', 'python')
TIMEOUT_S = 300.0
RELATIVE_TOLERANCE = 0.05
_BLOCK = re.compile(
    r'(?P<marks>(?:^<!--[^\n]*-->\n)*)^```(?P<language>\w+)\n(?P<text>.*?)^```', re.M | re.S
)
_NOT_RUN = re.compile(r'<!-- not run: (?P<word>\w+); [^\n]+ -->')
_NUMBER = re.compile(r'[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?%?')
_WORDS = re.compile(r'\d+(?:\.\d+)*|[^\s\d]+')
_PROGRESS = re.compile(r'^depth-ros: (?:.+: \d+ %|(?:export|check|compile) .+)\n', re.M)
"""Lines that slow machines and empty caches print and others do not."""
_ESCAPES = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]')


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block of a page.

    Attributes:
        page: Path relative to the repository.
        line: Line of the fence, counted from 1.
        language: Word behind the fence.
        text: What stands between the fences.
        reason: Word of ``REASONS`` where it is not run, else empty.
        figures_vary: Whether numbers of the output are left out of the comparison.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str
    figures_vary: bool

    @property
    def name(self) -> str:
        return f'{self.page}:{self.line}'


@dataclass(frozen=True, kw_only=True)
class Example:
    """One command of a console block and the lines it should print."""

    command: str
    expected: tuple[str, ...]


def pages() -> list[Path]:
    """List README and every page below ``docs/`` and beside the models."""
    found = [REPOSITORY / 'README.md', *sorted((REPOSITORY / 'docs').rglob('*.md'))]
    return found + sorted((REPOSITORY / 'depth_ros').rglob('README.md'))


def blocks(page: Path) -> list[Block]:
    """List the runnable blocks of a page, in order."""
    text = page.read_text(encoding='utf-8')
    return [
        _block(page, text, match)
        for match in _BLOCK.finditer(text)
        if match['language'] in RUNNABLE
    ]


def _block(page: Path, text: str, match: re.Match[str]) -> Block:
    marked = _NOT_RUN.search(match['marks'])
    return Block(
        page=str(page.relative_to(REPOSITORY)),
        line=text.count('\n', 0, match.start('language')) + 1,
        language=match['language'],
        text=match['text'],
        reason=marked['word'] if marked else '',
        figures_vary='<!-- figures vary -->' in match['marks'],
    )


def examples(block: Block) -> Iterator[Example]:
    """Give the commands of a console block; lines that end in a backslash go on."""
    lines = block.text.splitlines()
    while lines:
        command = [lines.pop(0).removeprefix('$ ')]
        while command[-1].endswith('\\') and lines:
            command.append(lines.pop(0))
        expected = []
        while lines and not lines[0].startswith('$ '):
            expected.append(lines.pop(0))
        yield Example(command='\n'.join(command), expected=tuple(expected))


def run_block(block: Block, folder: Path, environment: Mapping[str, str]) -> None:
    """Run a block in a reader's folder; raises AssertionError where it does not hold."""
    if block.language == 'console':
        for example in examples(block):
            code, got = shell(example.command, folder, environment)
            assert 'Traceback' not in got, got
            assert code in (0, 2), f'{example.command}: exit code {code}\n{got}'
            fault = difference(example.expected, got.splitlines(), any_figures=block.figures_vary)
            assert not fault, f'{block.name}: $ {example.command}\n{fault}'
        return
    command = block.text if block.language == 'bash' else f"python - <<'END'\n{block.text}END"
    code, got = shell(command, folder, environment)
    assert code == 0, f'{block.name}: exit code {code}\n{got}'


def shell(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run lines of bash; give the exit code and all that was printed, as a terminal shows it."""
    result = subprocess.run(
        ['bash', '-e', '-c', command],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    text = _ESCAPES.sub('', result.stdout).replace('\r', '\n')
    return result.returncode, _PROGRESS.sub('', text)


def difference(expected: Sequence[str], got: Sequence[str], *, any_figures: bool = False) -> str:
    """Say how an output differs from what a page shows; empty where it does not."""
    if _matches(list(expected), list(got), any_figures):
        return ''
    return 'the page shows:\n' + '\n'.join(expected) + '\nwhat came:\n' + '\n'.join(got)


def _matches(expected: list[str], got: list[str], any_figures: bool) -> bool:
    """Compare line by line; a line of three dots takes any number of lines."""
    if not expected:
        return not got
    if expected[0].strip() == '...':
        rest = expected[1:]
        return any(_matches(rest, got[start:], any_figures) for start in range(len(got) + 1))
    if not got or not _same_line(expected[0], got[0], any_figures):
        return False
    return _matches(expected[1:], got[1:], any_figures)


def _same_line(expected: str, got: str, any_figures: bool) -> bool:
    if '...' in expected and expected != got:
        pieces = [r'\s+'.join(map(re.escape, piece.split())) for piece in expected.split('...')]
        return re.fullmatch(r'\s*'.join(['.*'.join(pieces), '']), got.strip()) is not None
    first, second = _WORDS.findall(expected), _WORDS.findall(got)
    return len(first) == len(second) and all(
        _same_word(one, other, any_figures) for one, other in zip(first, second, strict=True)
    )


def _same_word(expected: str, got: str, any_figures: bool) -> bool:
    if expected == got:
        return True
    if not (_NUMBER.fullmatch(expected) and _NUMBER.fullmatch(got)):
        return False
    step = 10.0 ** -len(expected.partition('.')[2])
    a, b = float(expected), float(got)
    return any_figures or abs(a - b) <= max(RELATIVE_TOLERANCE * abs(a), 1.5 * step)


def rewritten(page: Path, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a page from top to bottom; give its text with the outputs that came."""
    text = page.read_text(encoding='utf-8')
    pieces, end = [], 0
    for match in _BLOCK.finditer(text):
        pieces.append(text[end : match.start('text')])
        pieces.append(_outputs_anew(_block(page, text, match), folder, environment))
        end = match.end('text')
    return ''.join([*pieces, text[end:]])


def _outputs_anew(block: Block, folder: Path, environment: Mapping[str, str]) -> str:
    if block.language not in RUNNABLE or block.reason:
        return block.text
    if block.language != 'console':
        run_block(block, folder, environment)
        return block.text
    lines = []
    for example in examples(block):
        _, got = shell(example.command, folder, environment)
        holds = not difference(example.expected, got.splitlines(), any_figures=block.figures_vary)
        lines += [f'$ {example.command}', *(example.expected if holds else got.splitlines())]
    return '\n'.join(lines) + '\n'


def main() -> int:
    """Write the outputs of all pages anew; give the exit code."""
    for page in pages():
        if not any(not block.reason for block in blocks(page)):
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = stock_for_a_reader(Path(name) / 'reader')
            text = rewritten(page, folder, reader_environment(folder.parent))
        is_changed = text != page.read_text(encoding='utf-8')
        print(f'{page.relative_to(REPOSITORY)}: {"written anew" if is_changed else "as it was"}')
        page.write_text(text, encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
