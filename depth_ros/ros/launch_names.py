"""Names in the words of a launch line that ROS, or the cameras, would not bear. Needs no ROS."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from depth_ros.errors import ParameterError

NAME = re.compile(r'/|(?:~/|/)?[A-Za-z_{][\w{}]*(?:/[A-Za-z_{][\w{}]*)*/?', re.ASCII)
"""Names of ROS, absolute or relative (ROS 2 design, "Topic and Service names")."""

NODE_NAMES = ('node_name', 'name', 'node', '__node', '__name')
RENAMED = (
    'a launch file has no {word!r}, its node is {node}; for a node that is started under another '
    'name (-r __node:=NAME) leave the word out, and write NAME for {node} in the policy'
)


def check_once(names: Iterable[str]) -> None:
    """Refuse words that are given twice, of which launch takes the last.

    Raises:
        ParameterError: Naming the first of them.
    """
    for name, count in Counter(names).items():
        if count > 1:
            raise ParameterError(f'{name}:= is given {count} times, expected once; leave one')


def check_node_name(words: Mapping[str, str], node: str) -> None:
    """Refuse words that would name the node, which no launch file does.

    Raises:
        ParameterError: With what to do instead.
    """
    for word in NODE_NAMES:
        if word in words:
            raise ParameterError(RENAMED.format(word=f'{word}:={words[word]}', node=node))


def check_names(words: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Refuse what is no name of ROS, and an enclave that does not begin at the root.

    Args:
        words: Value by argument; empty values say nothing.
        arguments: Those whose values are names.

    Raises:
        ParameterError: Naming the first of them.
    """
    for argument in (*arguments, 'namespace', 'enclave'):
        value = words.get(argument, '')
        if value and not NAME.fullmatch(value):
            raise ParameterError(
                f'{argument} needs a name of ROS (letters, digits, _ between single slashes, no '
                f'digit first), got {value!r}; type e.g. {argument}:=/front'
            )
    enclave = words.get('enclave', '')
    if enclave and not enclave.startswith('/'):
        raise ParameterError(
            f'enclave needs a path from the root, got {enclave!r}; type enclave:=/{enclave}'
        )


def check_cameras(words: Mapping[str, str], defaults: Mapping[str, str]) -> None:
    """Refuse a camera that is typed and not named, and two eyes that are one.

    Args:
        words: Value by argument.
        defaults: Namespace that the node uses, by argument; empty where it has none.

    Raises:
        ParameterError: With what to type.
    """
    for argument, default in defaults.items():
        if default and not words.get(argument, default).strip('/'):
            raise ParameterError(
                f'{argument} needs the namespace of a camera, got {words[argument]!r}; type e.g. '
                f'{argument}:=/front/{argument}, or leave it out for {default!r}'
            )
    eyes = [words.get(side, side).rstrip('/') for side in ('left', 'right') if side in defaults]
    if len(eyes) == 2 and eyes[0] == eyes[1]:
        raise ParameterError(
            f'left and right need two cameras, got {eyes[0]!r} for both; type e.g. '
            'left:=/front/left right:=/front/right'
        )
