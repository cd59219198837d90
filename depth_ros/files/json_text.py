"""Parse JSON that may be hostile."""

from __future__ import annotations

import json

MAX_TEXT = 64 << 20


def parse_json(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: One line that says what is wrong; the caller names the file.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f'it has {len(text)} characters, at most {MAX_TEXT} are read')
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None
