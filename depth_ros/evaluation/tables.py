"""Tables in Markdown, so that they can be pasted into a card."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write one line a row below the header."""
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def percent(share: float) -> str:
    """Write a share 0..1 in percent with one digit; a dash where it is not known (NaN)."""
    return number(100.0 * share, digits=1)


def number(value: float, *, digits: int) -> str:
    """Write a number; a dash where it is not known (NaN)."""
    return '-' if value != value else f'{value:.{digits}f}'
