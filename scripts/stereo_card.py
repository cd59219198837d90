"""Write what the card of the small stereo network and the README show of it anew.

``python scripts/stereo_card.py DATA`` measures the pairs of the card as ``depth-ros evaluate
stereo --data DATA`` does, and writes the table between the marks of the card, the gallery beside
it, the figures as JSON and the README's picture. ``make stereo-card`` runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from depth_ros.cli.main import main as depth_ros

REPOSITORY = Path(__file__).resolve().parents[1]
CARD = REPOSITORY / 'docs' / 'training' / 'crestereo_tiny.md'
BEGIN, END = '<!-- stereo-card: begin -->', '<!-- stereo-card: end -->'
PICTURE = REPOSITORY / 'docs' / 'pictures' / 'demo.png'
SIZES = ('native', '240x320', '480x640')


def main() -> int:
    """Measure, draw and write; return the exit status of what failed, 0 where nothing did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder with the pairs of the card')
    parser.add_argument('--card', type=Path, default=CARD)
    parser.add_argument('--size', dest='sizes', action='append')
    parser.add_argument('--model', default='crestereo_tiny')
    parser.add_argument('--picture', type=Path, default=PICTURE)
    arguments = parser.parse_args()
    card = arguments.card.read_text(encoding='utf-8')
    if BEGIN not in card or END not in card:
        print(f'{arguments.card} needs the lines {BEGIN} and {END} around its table')
        return 2
    gallery = arguments.card.with_suffix('.gallery.jpg')
    words = ['evaluate', 'stereo', '--data', arguments.data, '--model', arguments.model]
    words += ['--json', arguments.card.with_suffix('.figures.json'), '--gallery', gallery]
    words += [word for size in arguments.sizes or SIZES for word in ('--size', size)]
    code, table = said(words)
    if code == 0:
        arguments.card.write_text(with_table(card, table), encoding='utf-8')
        code = draw(arguments.picture)
    return code


def said(words: list[object]) -> tuple[int, str]:
    """Run a command; return its exit status and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = depth_ros([str(word) for word in words])
    return code, printed.getvalue().strip()


def with_table(card: str, table: str) -> str:
    """Return the card with another table between its marks."""
    before, _, rest = card.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f'{before}{BEGIN}\n\n{table}\n\n{END}{after}'


def draw(picture: Path) -> int:
    """Draw the README's picture as its first command does, with all defaults."""
    with tempfile.TemporaryDirectory() as place:
        code, _ = said(['demo', '--task', 'stereo', '--out', place])
        if code == 0:
            shutil.copy(Path(place) / 'stereo.png', picture)
    return code


if __name__ == '__main__':
    sys.exit(main())
