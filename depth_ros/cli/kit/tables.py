"""Plain text tables for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None
) -> str:
    """Return a table with columns as wide as their widest cell; numbers are lined up right.

    Args:
        header: Of each column.
        rows: Cells of each row.
        width: Columns of the terminal; the last cell of a row is wrapped into it.
    """
    if width is not None:
        rows = [line for row in rows for line in _wrapped(row, header, rows, width)]
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[index]) for line in lines) for index in range(len(header))]
    is_number = [all(_is_number(row[index]) for row in rows) for index in range(len(header))]
    texts = [
        '  '.join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in lines
    ]
    return '\n'.join(texts)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 frame``, ``2 frames``."""
    return f'{number} {noun}{"" if number == 1 else "s"}'


def _wrapped(
    row: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> list[list[str]]:
    """Return a row as rows whose last cells fit; those below the first have no other cells."""
    columns = zip(*[header, *rows], strict=True)
    taken = sum(max(map(len, column)) + 2 for column in list(columns)[:-1])
    pieces = textwrap.wrap(row[-1], max(width - taken, 20), break_long_words=False) or ['']
    blank = [''] * (len(row) - 1)
    return [[*(row[:-1] if not index else blank), piece] for index, piece in enumerate(pieces)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == '-'
    return True
