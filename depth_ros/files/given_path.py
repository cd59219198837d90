"""A path that somebody typed, as settings and parameters hold it."""

from __future__ import annotations

import os
from pathlib import Path

from depth_ros.errors import InputError, ParameterError


def given_path(text: str, *, what: str = 'a path') -> Path:
    """Return the path that a text names, with ``~`` and ``~user`` as the home folder.

    Args:
        text: As typed.
        what: Where it was typed, for the refusal, e.g. ``"parameter 'weights'"``.

    Raises:
        ParameterError: If there is no such user, or the text cannot be a path.
    """
    if '\0' in text:
        raise ParameterError(f'{what} cannot be {text!r}: a path holds no NUL; correct it')
    try:
        return Path(text).expanduser()
    except RuntimeError:
        user = text.partition('/')[0]
        raise ParameterError(
            f'{what} is {text!r}, and nobody knows the home folder of {user!r}; write the whole '
            'path, beginning with /'
        ) from None


def library_path(path: object, *, what: str, kind: type[InputError] = InputError) -> Path:
    """Return the path that a caller of the library names.

    Args:
        path: As given.
        what: What it is the path of, for the refusal, e.g. ``'an image'``.
        kind: The error to raise.

    Raises:
        InputError: Reason ``'path'``, if it is neither text nor a path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise kind(
            'path',
            f'the path of {what} must be text or a pathlib.Path, got a {type(path).__name__}; '
            'give one path',
        )
    return Path(path)
