"""What a ``.safetensors`` file says at its beginning; read without torch and without tensors."""

from __future__ import annotations

import json
from typing import IO

MAX_BYTES = 100_000_000
"""As the format allows."""


def read_header(file: IO[bytes]) -> dict[str, object]:
    """Return names of tensors with their descriptions, and ``__metadata__``.

    Args:
        file: At its beginning.

    Raises:
        ValueError: If there is no such header.
    """
    length = int.from_bytes(file.read(8), 'little')
    try:
        found = json.loads(file.read(min(length, MAX_BYTES)))
    except RecursionError:
        raise ValueError('nested too deeply') from None
    if not isinstance(found, dict):
        raise ValueError(f'a mapping of names was expected, got {type(found).__name__}')
    return found
