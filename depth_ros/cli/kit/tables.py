"""Plain text tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with columns as wide as their widest cell; numbers are lined up right."""
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


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == '-'
    return True
