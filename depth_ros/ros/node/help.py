"""What ``--help`` prints: topics, parameters and an example, instead of starting a node."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from depth_ros.ros.node.publishers import OutputTopic
from depth_ros.settings import KIND_NAMES, Setting

WORDS = ('-h', '--help')
WIDTH = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeHelp:
    """Contents of the help of a node.

    Attributes:
        summary: One sentence.
        inputs: Topics and their types, e.g. ``'left/image_raw': 'sensor_msgs/Image'``.
        outputs: Topics, services and what they carry.
        settings: Lists the parameters, when asked.
        example: Words after ``NAME --ros-args``.
    """

    summary: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    settings: Callable[[], Sequence[Setting]]
    example: str

    def text(self, name: str) -> str:
        """Return the help of the node ``name``, at most 80 columns wide."""
        parameters = [line for setting in self.settings() for line in _parameter(setting)]
        lines = [
            *textwrap.wrap(f'{name}: {self.summary}', WIDTH),
            '',
            'Start it with ros2 run, or without a distro:',
            f'  python -m depth_ros.ros {name} --ros-args \\',
            f'      {self.example}',
            *_table('Subscribes to', self.inputs),
            *_table('Offers', self.outputs),
            '',
            'Parameters (-p NAME:=VALUE); all can be listed in a file (--params-file):',
            *parameters,
        ]
        return '\n'.join(lines) + '\n'


def is_help(words: Sequence[str]) -> bool:
    """Whether help is asked for; arguments after ``--ros-args`` are ignored."""
    own = list(words)[: words.index('--ros-args')] if '--ros-args' in words else words
    return any(word in WORDS for word in own)


def kinds_of(topics: Sequence[OutputTopic[Any, Any, Any]]) -> dict[str, str]:
    """Return names and types of a table of topics."""
    return {topic.name: type_name(topic.message_type) for topic in topics}


def type_name(kind: type) -> str:
    """Return a message type as ``package/Type``."""
    return f'{kind.__module__.partition(".")[0]}/{kind.__name__}'


def _table(title: str, rows: Mapping[str, str]) -> list[str]:
    if not rows:
        return []
    width = max(map(len, rows))
    return ['', f'{title}:', *(f'  {name:<{width}}  {kind}' for name, kind in rows.items())]


def _parameter(setting: Setting) -> list[str]:
    default = f'{setting.default!r}' if setting.default == '' else f'{setting.default}'
    first = f'  {setting.name} ({KIND_NAMES[setting.kind]}, default {default})'
    body = textwrap.wrap(setting.description, WIDTH - 6)
    return [first, *(f'      {line}' for line in body)]
