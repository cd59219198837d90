"""Times in the names of files, told by their digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

SECOND_NS = 1_000_000_000

_BY_DIGITS = (
    (range(9, 11), SECOND_NS, 'seconds'),
    (range(12, 14), 1_000_000, 'milliseconds'),
    (range(15, 17), 1000, 'microseconds'),
    (range(18, 20), 1, 'nanoseconds'),
)
"""Digits of a time since 1970, from 1973 (9 digits of seconds) to 2286, and what they count."""

_DECIMAL = re.compile(r'(\d{1,10})\.(\d{1,9})')


def stamps_from_names(paths: Sequence[Path]) -> tuple[list[int], str] | None:
    """Return stamps in nanoseconds and what the names count; None if they are no times.

    Names are times if each is a decimal number of seconds, or all are whole numbers of as many
    digits as a time since 1970 has in one unit.
    """
    stems = [path.stem for path in paths]
    if not stems:
        return None
    decimals = [_DECIMAL.fullmatch(stem) for stem in stems]
    if all(decimals):
        return [_decimal_ns(stem) for stem in stems], 'seconds'
    if not all(stem.isascii() and stem.isdigit() for stem in stems):
        return None
    for digits, unit_ns, word in _BY_DIGITS:
        if all(len(stem) in digits for stem in stems):
            return [int(stem) * unit_ns for stem in stems], word
    return None


def seconds_to_ns(text: str) -> int:
    """Read decimal seconds without rounding them to a float.

    Raises:
        ValueError: If it is no number.
    """
    return _decimal_ns(text) if _DECIMAL.fullmatch(text) else round(float(text) * 1e9)


def _decimal_ns(text: str) -> int:
    whole, _, fraction = text.partition('.')
    return int(whole) * SECOND_NS + int((fraction + '0' * 9)[:9])
