"""Names of topics as ROS 2 allows them (its design document "Topic and Service name mapping")."""

from __future__ import annotations

import re

from depth_ros.settings import SettingError

_WORD = re.compile('[A-Za-z_][A-Za-z0-9_]*', re.ASCII)
MAX_LENGTH = 200
"""Characters of a namespace; DDS allows 255 for the whole name."""


def topic_below(namespace: str, name: str) -> str:
    """Return the full name of a topic in a namespace; an empty one is the root."""
    first = namespace.strip('/')
    return f'/{first}/{name}' if first else f'/{name}'


def check_namespace(text: str) -> None:
    """Require words of letters, digits and underscores with single slashes between them.

    Args:
        text: The field ``namespace`` of a group, with or without slashes around it.

    Raises:
        SettingError: If a topic below it would be no name of ROS.
    """
    words = text.strip('/').split('/') if text.strip('/') else []
    is_good = all(_WORD.fullmatch(word) and '__' not in word for word in words)
    if not is_good or len(text) > MAX_LENGTH:
        raise SettingError(
            f'{{namespace}} must be a name of ROS (letters, digits, single _ and / between them, '
            f'no word begins with a digit), got {text!r}; set it e.g. to front/stereo'
        )
